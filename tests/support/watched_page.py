"""What goes wrong on a page without anybody seeing it."""

from playwright.async_api import ConsoleMessage, Page, Request, Response


def watch(page: Page, origin: str) -> list[str]:
    """Return the list into which every fault of `page` goes from now on.

    Faults are error messages (violations of the content security policy are among them),
    exceptions, requests that fail or leave `origin`, and answers from 400 on.
    """
    faults: list[str] = []

    def said(message: ConsoleMessage) -> None:
        if message.type == "error":
            faults.append(f"error: {message.text}")

    def asked(request: Request) -> None:
        if not request.url.startswith((f"{origin}/", "data:", "blob:")):
            faults.append(f"left the origin: {request.url}")

    def answered(response: Response) -> None:
        if response.status >= 400:
            faults.append(f"{response.status}: {response.url}")

    page.on("console", said)
    page.on("pageerror", lambda error: faults.append(f"exception: {error}"))
    page.on("request", asked)
    page.on("requestfailed", lambda request: faults.append(f"failed: {request.url}"))
    page.on("response", answered)
    return faults
