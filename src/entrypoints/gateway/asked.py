"""What a URL asks for: which dialect, which operation, and what of the request stands in the path."""

from litestar.types import HTTPScope
from msgspec import Struct

from application.ports.dialect import NOT_IN_URL, DialectCodec, RequestTarget
from domain.inference.dialect import Operation
from entrypoints.gateway.dialects import Dialects


class Asked(Struct, frozen=True):
    """Dialect and operation of one request."""

    codec: DialectCodec
    operation: Operation
    target: RequestTarget = NOT_IN_URL


_GEMINI_VERBS = {
    "generateContent": (Operation.CHAT, False),
    "streamGenerateContent": (Operation.CHAT, True),
    "countTokens": (Operation.COUNT_TOKENS, False),
}
_CONVERSE_VERBS = {"converse": False, "converse-stream": True}


def gemini_verb(path: str) -> bool:
    """Tell whether `path`, after `/models/`, names an operation that exists."""
    return path.rpartition(":")[2] in _GEMINI_VERBS and bool(path.rpartition(":")[0])


def asked_of_gemini(scope: HTTPScope, path: str, dialects: Dialects) -> Asked:
    """Return what `…/models/{model}:{verb}` asks for; `path` has passed `gemini_verb`."""
    model, _, verb = path.rpartition(":")
    operation, stream = _GEMINI_VERBS[verb]
    in_events = b"alt=sse" in scope["query_string"].split(b"&")
    codec = dialects.gemini_array if stream and not in_events else dialects.gemini
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
