"""The tests of pages would notice what they promise to notice."""

import pytest
from playwright.async_api import Browser

from tests.support.watched_page import watch
from tests.support.whole_program import WholeProgram

MISHAPS = {
    "an inline script": (
        "document.body.append(Object.assign(document.createElement('script'), {textContent: '1'}))",
        "Content Security Policy",
    ),
    "an inline style": ("document.body.setAttribute('style', 'color: red')", "Content Security"),
    "code made from text": ("setTimeout('1')", "Content Security Policy"),
    "an exception": ("setTimeout(() => { throw new Error('a mishap') })", "exception: a mishap"),
    "an error that is told": ("console.error('a complaint')", "error: a complaint"),
    "a file that is missing": ("fetch('/nowhere')", "404"),
    "another origin": ("fetch('http://127.0.0.1:9/').catch(() => 0)", "Content Security Policy"),
    "a picture from elsewhere": ("new Image().src = 'http://example.com/x'", "Content Security"),
}


@pytest.mark.parametrize("mishap", MISHAPS)
async def test_a_mishap_is_noticed(mishap: str, browser: Browser, program: WholeProgram) -> None:
    script, notice = MISHAPS[mishap]
    page = await browser.new_page(base_url=program.console_url)
    await page.goto("/setup")
    faults = watch(page, program.console_url)
    event = "pageerror" if mishap == "an exception" else "console"
    async with page.expect_event(event):
        await page.evaluate(f"() => {{ {script} }}")
    assert any(notice in fault for fault in faults), faults
    await page.close()
