"""What a browser gets while the console has a REST API and no management pages yet."""

from litestar import MediaType, get
from litestar.handlers import HTTPRouteHandler

_PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>ThinkWatch console</title>
<h1>ThinkWatch console</h1>
<p>This installation is running. This version of the console is a REST API; management pages follow.</p>
<ul>
<li>The token of the set-up link makes the first administrator: send it with <code>email</code> and
<code>password</code> to <code>POST /api/setup</code>. It opens nothing else.</li>
<li><code>POST /api/auth/login</code> begins a session; its <code>access_token</code> opens the API as
<code>Authorization: Bearer TOKEN</code>.</li>
<li><a href="/api-docs">The documentation of the API</a> describes every call and can try it;
<a href="/openapi.json">the OpenAPI document</a> is what clients are generated from.</li>
<li><code>thinkwatch requests --follow</code>, <code>thinkwatch limits list</code> and
<code>thinkwatch --help</code> do the same on the command line.</li>
</ul>
</html>
"""


@get(
    "/setup",
    media_type=MediaType.HTML,
    opt={"public": True},
    include_in_schema=False,
    sync_to_thread=False,
)
def welcome() -> str:
    """Say what is here; the page holds no secret and reads none."""
    return _PAGE


PAGES: list[HTTPRouteHandler] = [welcome]
