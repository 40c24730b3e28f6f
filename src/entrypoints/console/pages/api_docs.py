"""`/api-docs`: the OpenAPI document as pages, with calls that can be tried.

Swagger UI comes from its package, so nothing is fetched from anywhere else, and it runs under the
same content security policy as every page of the console.
"""

from importlib.resources import files
from importlib.resources.abc import Traversable

from litestar import MediaType, get
from litestar.exceptions import NotFoundException
from litestar.handlers import HTTPRouteHandler
from litestar.openapi.plugins import OpenAPIRenderPlugin
from litestar.params import FromPath
from litestar.response import Response

from entrypoints.asgi import AnyRequest
from entrypoints.console.openapi import document_json

_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>ThinkWatch console API</title>
<link rel="stylesheet" href="/api-docs/files/swagger-ui.css">
<link rel="icon" type="image/png" href="/api-docs/files/favicon-32x32.png">
</head>
<body>
<div id="swagger-ui"></div>
<noscript>This page needs JavaScript; <a href="/openapi.json">the OpenAPI document</a> does not.</noscript>
<script src="/api-docs/files/swagger-ui-bundle.js"></script>
<script src="/api-docs/files/api-docs.js"></script>
</body>
</html>
"""
_FOREIGN = files("swagger_ui") / "static"
_OWN = files("entrypoints.console") / "static"
_FILES: dict[str, tuple[Traversable, str]] = {
    "swagger-ui.css": (_FOREIGN / "swagger-ui.css", "text/css"),
    "swagger-ui-bundle.js": (_FOREIGN / "swagger-ui-bundle.js", "text/javascript"),
    "favicon-32x32.png": (_FOREIGN / "favicon-32x32.png", "image/png"),
    "api-docs.js": (_OWN / "api-docs.js", "text/javascript"),
}


class ApiDocs(OpenAPIRenderPlugin):
    """The page itself; calls from it need a credential like any other."""

    def render(self, request: AnyRequest, openapi_schema: dict[str, object]) -> bytes:  # noqa: ARG002
        """Return the page, which fetches the document."""
        return _PAGE.encode()


@get(
    "/openapi.json",
    opt={"public": True},
    include_in_schema=False,
    sync_to_thread=False,
)
def openapi_document(request: AnyRequest) -> Response[bytes]:
    """Return the OpenAPI document: what this product can do, nothing of this installation."""
    return Response(document_json(request.app), media_type=MediaType.JSON)


@get(
    "/api-docs/files/{name:str}", opt={"public": True}, include_in_schema=False, sync_to_thread=True
)
def api_docs_file(name: FromPath[str]) -> Response[bytes]:
    """Return one of the files of that page."""
    found = _FILES.get(name)
    if found is None:
        raise NotFoundException
    source, media_type = found
    return Response(source.read_bytes(), media_type=media_type)


API_DOCS: list[HTTPRouteHandler] = [openapi_document, api_docs_file]
