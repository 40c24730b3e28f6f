"""A body is what its content type says, and handlers say which they take.

Browsers let any page send a form or plain text here with the cookies of whoever is signed in, and
only JSON makes them ask first (Fetch section 4.9, CORS-safelisted request headers): what is not
declared as JSON must not be read as JSON.
"""

from litestar.enums import RequestEncodingType
from litestar.exceptions import HTTPException
from litestar.params import BodyKwarg

from entrypoints.asgi import AnyRequest

_JSON = {"application/json", "application/merge-patch+json"}


def require_json(request: AnyRequest) -> None:
    """Refuse a body that is not declared as JSON where the handler takes JSON.

    Raises:
        HTTPException: with status 415 (RFC 9110 section 15.5.16).
    """
    field = request.route_handler.parsed_data_field
    body = field.kwarg_definition if field is not None else None
    if not isinstance(body, BodyKwarg) or body.media_type is not RequestEncodingType.JSON:
        return
    declared = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if declared not in _JSON:
        raise HTTPException(
            "The body must be JSON, with 'Content-Type: application/json'.", status_code=415
        )
