"""`/api-docs` shows what the console can do, and calls it."""

from playwright.async_api import Page, expect

from tests.support.described_api import operations
from tests.support.whole_program import WholeProgram


async def test_the_page_shows_every_operation_and_filters_them(page: Page) -> None:
    await page.goto("/api-docs")
    await expect(page.locator(".info .title")).to_contain_text("ThinkWatch console")
    tags = page.locator(".opblock-tag-section")
    shown = {each.spec["tags"][0] for each in operations()}
    await expect(tags).to_have_count(len(shown))
    # The page opens with its sections folded.
    for tag in sorted(shown):
        await page.locator(f"#operations-tag-{tag}").click()
    await expect(page.locator(".opblock")).to_have_count(len(operations()))

    await page.locator(".operation-filter-input").fill("budget")
    await expect(tags).to_have_count(1)
    await expect(page.locator("#operations-tag-budgets")).to_be_visible()


async def test_a_call_is_tried_with_a_bearer_token(page: Page, program: WholeProgram) -> None:
    await page.goto("/api-docs#/limits/list_limits")
    await page.locator(".btn.authorize").first.click()
    await page.locator("#auth-bearer-value").fill(program.token)
    await (
        page.locator(".auth-container")
        .filter(has=page.locator("#auth-bearer-value"))
        .locator(".btn.authorize")
        .click()
    )
    await page.locator(".btn-done").first.click()

    operation = page.locator("#operations-limits-list_limits")
    await expect(operation).to_be_visible()
    await operation.locator(".btn.execute").click()
    answer = operation.locator(".live-responses-table tbody .response").first
    await expect(answer.locator(".response-col_status")).to_contain_text("200")
    await expect(answer.locator(".response-col_description pre").first).to_contain_text(
        '"items": []'
    )
