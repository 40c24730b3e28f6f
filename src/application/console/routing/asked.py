"""The request that a simulation is about, and what it asks of a route."""

from collections.abc import Callable

import msgspec
from msgspec import Struct

from application.ports.dialect import NOT_IN_URL, ConversationCodec, DialectCodec, RequestTarget
from domain.accounting.estimate import likely_usage
from domain.errors import InvalidRequest
from domain.inference.dialect import Dialect, Operation
from domain.inference.head import RequestHead
from domain.inference.request import InferenceRequest
from domain.routing.affinity import AffinityKey, affinity_key
from domain.routing.capabilities import Capability, RequestNeeds
from domain.routing.catalog import Affinity
from domain.routing.requirements import features_of

CodecOf = Callable[[Dialect, Operation], DialectCodec]
"""Returns who reads requests of a dialect."""

_IN_URL = frozenset({Dialect.GEMINI_GENERATE, Dialect.BEDROCK_CONVERSE})
_ABOUT_KEPT_ANSWERS = frozenset(
    {
        Operation.RETRIEVE_RESPONSE,
        Operation.DELETE_RESPONSE,
        Operation.CANCEL_RESPONSE,
        Operation.LIST_RESPONSE_INPUT,
    }
)
_MOST_TOKENS = 1_000_000_000
_LONGEST_TEXT = 512
_LONGEST_SESSION_ID = 128


class SimulatedRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A request that might be made.

    Attributes:
        model: name or alias; it may be left out where `body` has it.
        dialect: the API it is made in.
        operation: what is asked for.
        features: abilities it uses, beside those that `body` shows.
        input_tokens, output_tokens: length of the prompt and bound of the answer, where `body`
            does not tell them.
        body: the whole request, as a client would send it.
        session_id: value of the session header, which keeps a conversation on its route.
        key, user: who makes it (an id, `owner/name` or name of a key, or an e-mail address);
            without either, somebody who may use every model.
    """

    model: str | None = None
    dialect: Dialect = Dialect.OPENAI_CHAT
    operation: Operation = Operation.CHAT
    features: tuple[Capability, ...] = ()
    input_tokens: int = 0
    output_tokens: int = 0
    body: dict[str, object] | None = None
    session_id: str | None = None
    key: str | None = None
    user: str | None = None


class Asked(Struct, frozen=True, kw_only=True):
    """What was read of a simulated request.

    Attributes:
        head: its governing fields; None without a body.
        request: the whole of it; None without a body, or in a dialect that is only relayed.
    """

    wish: SimulatedRequest
    model: str
    head: RequestHead | None = None
    request: InferenceRequest | None = None
    body: bytes = b""

    def needs(self) -> RequestNeeds:
        """Return what the request asks of a route."""
        wish, head = self.wish, self.head
        bound = (head.max_output_tokens if head is not None else None) or wish.output_tokens
        return RequestNeeds(
            operation=wish.operation,
            dialect=wish.dialect,
            features=frozenset(wish.features) | self._seen(),
            input_tokens=wish.input_tokens or self._probable_input(),
            output_tokens=bound,
        )

    def affinity(self, mode: Affinity) -> AffinityKey | None:
        """Return by what the conversation is kept on its route."""
        return affinity_key(
            mode,
            # No more of the header counts (`entrypoints.gateway.credentials`).
            session_id=(self.wish.session_id or "")[:_LONGEST_SESSION_ID],
            prompt_cache_key=None if self.head is None else self.head.prompt_cache_key,
            request=self.request,
        )

    def _seen(self) -> frozenset[Capability]:
        if self.request is not None:
            return features_of(self.request)
        head = self.head
        seen = {
            Capability.STREAMING: head is not None and head.stream,
            Capability.IMAGES: head is not None and head.media.images > 0,
        }
        return frozenset(each for each, used in seen.items() if used)

    def _probable_input(self) -> int:
        if self.head is None:
            return 0
        media = self.head.media
        return likely_usage(
            self.body,
            0,
            images=media.images,
            image_bytes=media.image_bytes,
            audio_bytes=media.audio_bytes,
        ).input_uncached


def read_request(wish: SimulatedRequest, codec_of: CodecOf, max_depth: int) -> Asked:
    """Return what a simulated request says.

    Raises:
        InvalidRequest: it says too little, or its body could not be read; `param` names the member.
    """
    _check(wish)
    if wish.body is None:
        if not wish.model:
            raise InvalidRequest("Say for which model.", param="model")
        return Asked(wish=wish, model=wish.model)
    target = NOT_IN_URL
    if wish.dialect in _IN_URL:
        if not wish.model:
            raise InvalidRequest("In this dialect the URL names the model: say it.", param="model")
        stream = Capability.STREAMING in wish.features
        target = RequestTarget(model=wish.model, stream=stream)
    body = _encoded(wish.body)
    codec = codec_of(wish.dialect, wish.operation)
    try:
        head = codec.peek(body, max_depth, target)
        request = codec.decode(body, target) if isinstance(codec, ConversationCodec) else None
    except InvalidRequest as error:
        where = f"body.{error.param}" if error.param else "body"
        raise InvalidRequest(error.message, param=where) from error
    model = wish.model or head.model
    if not model:
        raise InvalidRequest("Say for which model.", param="model")
    return Asked(wish=wish, model=model, head=head, request=request, body=body)


def _encoded(body: dict[str, object]) -> bytes:
    try:
        return msgspec.json.encode(body)
    except (OverflowError, UnicodeEncodeError) as error:
        raise InvalidRequest("The body has a number or text no JSON has.", param="body") from error


def _is_offered(operation: Operation, dialect: Dialect) -> bool:
    """Tell whether a plan can be made: what asks about a kept answer has but one place to go."""
    if operation is Operation.CHAT:
        return dialect is not Dialect.OPENAI
    if operation is Operation.COUNT_TOKENS:
        return dialect in (Dialect.ANTHROPIC_MESSAGES, Dialect.GEMINI_GENERATE)
    return dialect is Dialect.OPENAI and operation not in _ABOUT_KEPT_ANSWERS


def _check(wish: SimulatedRequest) -> None:
    if not _is_offered(wish.operation, wish.dialect):
        raise InvalidRequest(
            f"There is no operation '{wish.operation}' in the dialect '{wish.dialect}'.",
            param="operation",
        )
    for name in ("input_tokens", "output_tokens"):
        if not 0 <= getattr(wish, name) <= _MOST_TOKENS:
            raise InvalidRequest(f"'{name}' is between 0 and {_MOST_TOKENS}.", param=name)
    for name in ("model", "session_id", "key", "user"):
        if len(getattr(wish, name) or "") > _LONGEST_TEXT:
            raise InvalidRequest(f"'{name}' is longer than any can be.", param=name)
