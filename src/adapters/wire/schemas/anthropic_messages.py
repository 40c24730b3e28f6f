"""Anthropic Messages: the members that governing, accounting and error handling need.

Shapes after https://docs.claude.com/en/api/messages and the streaming guide beside it. Members not
named here are skipped by the decoder and pass as bytes. `Raw` stands where a surprise in the shape
should not cost the whole frame, and where a value is only looked at now and then.
"""

from msgspec import UNSET, Raw, Struct, UnsetType

from adapters.wire.governing import MaybeRaw

Number = int | float | None


class RequestMembers(Struct, frozen=True):
    """Top-level members of a request that `peek` reads."""

    model: str | None = None
    stream: bool | None = None
    max_tokens: int | None = None
    messages: MaybeRaw = UNSET
    metadata: MaybeRaw = UNSET
    tools: MaybeRaw = UNSET
    fallbacks: MaybeRaw = UNSET


class RequestMetadata(Struct, frozen=True):
    """`metadata` of a request."""

    user_id: MaybeRaw = UNSET


class ToolHead(Struct, frozen=True):
    """What tells whether a tool runs a model of its own."""

    type: MaybeRaw = UNSET
    model: MaybeRaw = UNSET


class CacheCreation(Struct, frozen=True):
    """`usage.cache_creation`: what was written to the prompt cache, by its time to live."""

    ephemeral_5m_input_tokens: Number = None
    ephemeral_1h_input_tokens: Number = None


class OutputDetails(Struct, frozen=True):
    """`usage.output_tokens_details`."""

    thinking_tokens: Number = None


class Iteration(Struct, frozen=True):
    """An entry of `usage.iterations`: one run of a model on behalf of the request."""

    type: str = ""
    input_tokens: Number = None
    output_tokens: Number = None
    cache_creation_input_tokens: Number = None
    cache_read_input_tokens: Number = None
    cache_creation: CacheCreation | None = None


class Usage(Struct, frozen=True):
    """`usage` of an answer, of `message_start`, or the totals so far in `message_delta`."""

    input_tokens: Number = None
    output_tokens: Number = None
    cache_creation_input_tokens: Number = None
    cache_read_input_tokens: Number = None
    cache_creation: CacheCreation | None = None
    output_tokens_details: OutputDetails | None = None
    iterations: list[Iteration] | None = None
    service_tier: str | None = None


class Block(Struct, frozen=True):
    """A content block of an answer."""

    type: str = ""
    text: str | None = None
    thinking: str | None = None
    signature: str | None = None
    data: str | None = None
    id: str | None = None
    name: str | None = None
    input: MaybeRaw = UNSET
    citations: MaybeRaw = UNSET
    caller: MaybeRaw = UNSET
    toolset_name: str | None = None


class Reply(Struct, frozen=True):
    """A whole answer, or the `message` of `message_start`."""

    type: str = ""
    id: str | None = None
    model: str | None = None
    content: list[Block] | UnsetType | None = UNSET
    stop_reason: str | None = None
    stop_sequence: str | None = None
    usage: MaybeRaw = UNSET
    error: MaybeRaw = UNSET


class StopDetails(Struct, frozen=True):
    """`stop_details`: why a model declined."""

    explanation: str | None = None


class WholeReply(Struct, frozen=True):
    """A whole answer that is to be translated."""

    content: list[Raw]
    type: str = ""
    id: str | None = None
    model: str | None = None
    stop_reason: str | None = None
    stop_sequence: str | None = None
    stop_details: StopDetails | None = None
    usage: MaybeRaw = UNSET


class Caller(Struct, frozen=True):
    """`caller` of a call: the model itself (`direct`) or code that it wrote."""

    type: str = "direct"


class Delta(Struct, frozen=True):
    """`delta` of a stream event: of a block, or of the message at its end."""

    type: str = ""
    text: str | None = None
    partial_json: str | None = None
    thinking: str | None = None
    signature: str | None = None
    citation: MaybeRaw = UNSET
    stop_reason: str | None = None
    stop_sequence: str | None = None
    stop_details: MaybeRaw = UNSET
    content: MaybeRaw = UNSET
    encrypted_content: MaybeRaw = UNSET


class StreamFrame(Struct, frozen=True):
    """The data of one stream event."""

    type: str = ""
    index: int = 0
    message: Reply | None = None
    content_block: Block | None = None
    delta: Delta | None = None
    usage: MaybeRaw = UNSET
    error: MaybeRaw = UNSET


class StartedBlock(Struct, frozen=True):
    """The data of `content_block_start`, for blocks that are kept whole."""

    content_block: Raw


class LooseFrame(Struct, frozen=True):
    """`StreamFrame` when a member has a type nobody foresaw; sizes of the members still tell."""

    type: str = ""
    message: MaybeRaw = UNSET
    content_block: MaybeRaw = UNSET
    delta: MaybeRaw = UNSET
    usage: MaybeRaw = UNSET
    error: MaybeRaw = UNSET


class LooseReply(Struct, frozen=True):
    """`Reply` when a member has a type nobody foresaw."""

    type: str = ""
    content: MaybeRaw = UNSET
    usage: MaybeRaw = UNSET
    error: MaybeRaw = UNSET


class ErrorDetail(Struct, frozen=True):
    """The `error` object."""

    type: str | None = None
    message: str | None = None


class ErrorBody(Struct, frozen=True):
    """An error answer."""

    error: ErrorDetail


class PublicErrorCause(Struct, frozen=True):
    """The `details` of an error we write."""

    error_code: str


class PublicErrorDetail(Struct, frozen=True):
    """The `error` object we write; `limit` is the label of the limit that refused."""

    type: str
    message: str
    details: PublicErrorCause
    limit: str | UnsetType = UNSET


class PublicErrorBody(Struct, frozen=True):
    """An error answer we write."""

    type: str
    error: PublicErrorDetail
    request_id: str | None


class TokenCount(Struct, frozen=True):
    """The answer of `POST /v1/messages/count_tokens`."""

    input_tokens: int
