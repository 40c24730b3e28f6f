"""What a URL asks for: which dialect, which operation, and what of the request stands in the path."""

import re
from collections.abc import Callable
from urllib.parse import unquote_plus

from litestar.types import ASGIApp, HTTPScope
from msgspec import Struct

from application.ports.dialect import NOT_IN_URL, DialectCodec, RequestTarget
from domain.inference.dialect import Operation
from entrypoints.asgi import header_values
from entrypoints.gateway.dialects import Dialects


class Asked(Struct, frozen=True):
    """Dialect and operation of one request."""

    codec: DialectCodec
    operation: Operation
    target: RequestTarget = NOT_IN_URL


Endpoint = Callable[[Callable[[HTTPScope], Asked]], ASGIApp]
"""Builds the app that serves what a function reads from the URL."""

_GEMINI_VERBS = {
    "generateContent": (Operation.CHAT, False),
    "streamGenerateContent": (Operation.CHAT, True),
    "countTokens": (Operation.COUNT_TOKENS, False),
}
_RELAYED = {
    "/v1/completions": Operation.COMPLETIONS,
    "/v1/embeddings": Operation.EMBEDDINGS,
    "/v1/moderations": Operation.MODERATIONS,
    "/v1/rerank": Operation.RERANK,
    "/v1/images/generations": Operation.IMAGES_GENERATIONS,
    "/v1/images/edits": Operation.IMAGES_EDITS,
    "/v1/images/variations": Operation.IMAGES_VARIATIONS,
    "/v1/audio/speech": Operation.AUDIO_SPEECH,
    "/v1/audio/transcriptions": Operation.AUDIO_TRANSCRIPTIONS,
    "/v1/audio/translations": Operation.AUDIO_TRANSLATIONS,
}
RELAYED_PATHS = tuple(_RELAYED)
"""Operations of OpenAI's API that are no conversations."""
_OF_A_RESPONSE = {
    ("GET", ""): Operation.RETRIEVE_RESPONSE,
    ("DELETE", ""): Operation.DELETE_RESPONSE,
    ("POST", "cancel"): Operation.CANCEL_RESPONSE,
    ("GET", "input_items"): Operation.LIST_RESPONSE_INPUT,
}
_RESPONSE_ID = re.compile(r"[A-Za-z0-9_-]{1,256}")
# What OpenAI's API knows there. Anything else stays here: it might be a key (`?key=`), or steer the
# provider (`?api-version=`).
_QUERY_NAMES = (
    r"after|before|include|include\[\]|include_obfuscation|limit|order|starting_after|stream"
)
_QUERY_PART = re.compile(rf"(?:{_QUERY_NAMES})=[A-Za-z0-9_.\[\]-]{{0,256}}")
_LONGEST_QUERY = 1024
_CONVERSE_VERBS = {"converse": False, "converse-stream": True}


def gemini_verb(path: str) -> bool:
    """Tell whether `path`, after `/models/`, names an operation that exists."""
    return path.rpartition(":")[2] in _GEMINI_VERBS and bool(path.rpartition(":")[0])


def asked_of_gemini(scope: HTTPScope, path: str, dialects: Dialects) -> Asked:
    """Return what `…/models/{model}:{verb}` asks for; `path` has passed `gemini_verb`."""
    model, _, verb = path.rpartition(":")
    operation, stream = _GEMINI_VERBS[verb]
    in_events = b"alt=sse" in scope["query_string"].split(b"&")
    codec = dialects.gemini_array() if stream and not in_events else dialects.gemini
    return Asked(codec, operation, RequestTarget(model=model, stream=stream))


def converse_verb(path: str) -> bool:
    """Tell whether `path`, after `/model/`, names an operation that exists."""
    model, _, verb = path.rpartition("/")
    return bool(model) and verb in _CONVERSE_VERBS


def asked_of_converse(path: str, dialects: Dialects) -> Asked:
    """Return what `/model/{model}/{verb}` asks for; `path` has passed `converse_verb`."""
    model, _, verb = path.rpartition("/")
    target = RequestTarget(model=model, stream=_CONVERSE_VERBS[verb])
    return Asked(dialects.bedrock, Operation.CHAT, target)


def asked_of_relay(scope: HTTPScope, dialects: Dialects) -> Asked:
    """Return what one of `RELAYED_PATHS` asks for."""
    operation = _RELAYED[scope["path"].rstrip("/")]
    content_type = next(iter(header_values(scope, b"content-type")), b"application/json")
    return Asked(dialects.relay(operation, content_type[:1024]), operation)


def response_operation(method: str, path: str) -> Operation | None:
    """Return the operation of `path`, after `/v1/responses/`; None when there is none such."""
    response_id, _, verb = path.partition("/")
    if not _RESPONSE_ID.fullmatch(response_id):
        return None
    return _OF_A_RESPONSE.get((method, verb.rstrip("/")))


def asked_of_response(scope: HTTPScope, path: str, dialects: Dialects) -> Asked:
    """Return what is asked about a kept answer; `response_operation` knows the path."""
    operation = response_operation(scope["method"], path)
    assert operation is not None
    query = _passed_on(scope["query_string"])
    target = RequestTarget(
        response=path.partition("/")[0],
        stream="stream=true" in query.lower().split("&"),
        query=query,
    )
    return Asked(dialects.kept_response, operation, target)


def _passed_on(query: bytes) -> str:
    """Return the part of a query that goes to the provider, brackets encoded (RFC 3986)."""
    if len(query) > _LONGEST_QUERY:
        return ""
    parts = (unquote_plus(part) for part in query.decode("latin-1").split("&"))
    known = "&".join(part for part in parts if _QUERY_PART.fullmatch(part))
    return known.replace("[", "%5B").replace("]", "%5D")


def path_rest(scope: HTTPScope) -> str:
    """Return the path parameter `rest`; Litestar's keeps its leading slash."""
    return str(scope["path_params"]["rest"]).removeprefix("/")
