"""Bedrock Converse: the members that governing, accounting and error handling need.

Shapes after https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html and
API_runtime_ConverseStream.html. Members not named here are skipped by the decoder and pass as bytes;
`Raw` stands where only the presence matters, so that a surprise inside does not cost the frame.
"""

from msgspec import UNSET, Struct

from adapters.wire.governing import MaybeRaw

Number = int | float | None


class RequestMembers(Struct, frozen=True, rename="camel"):
    """Top-level members of a request that `peek` reads."""

    messages: MaybeRaw = UNSET
    inference_config: MaybeRaw = UNSET
    request_metadata: MaybeRaw = UNSET
    additional_model_request_fields: MaybeRaw = UNSET


class InferenceConfig(Struct, frozen=True, rename="camel"):
    """`inferenceConfig` of a request."""

    max_tokens: int | None = None


class CacheDetail(Struct, frozen=True, rename="camel"):
    """Tokens written to the cache for one life time, `5m` or `1h`."""

    ttl: str | None = None
    input_tokens: Number = None


class Usage(Struct, frozen=True, rename="camel"):
    """`usage`."""

    input_tokens: Number = None
    output_tokens: Number = None
    total_tokens: Number = None
    cache_read_input_tokens: Number = None
    cache_write_input_tokens: Number = None
    cache_details: list[CacheDetail] | None = None


class ReplyMessage(Struct, frozen=True):
    """`output.message`."""

    content: list[MaybeRaw] | None = None


class Output(Struct, frozen=True):
    """`output`."""

    message: ReplyMessage | None = None


class Reply(Struct, frozen=True, rename="camel"):
    """A whole answer."""

    output: Output | None = None
    stop_reason: str | None = None
    usage: MaybeRaw = UNSET


class InputDelta(Struct, frozen=True):
    """More of a tool's input: JSON text."""

    input: str | None = None


class ReasoningDelta(Struct, frozen=True, rename="camel"):
    """More reasoning: one of the three."""

    text: str | None = None
    signature: str | None = None
    redacted_content: str | None = None


class Delta(Struct, frozen=True, rename="camel"):
    """More of a block: one of these, or something only the provider and the client know."""

    text: str | None = None
    tool_use: InputDelta | None = None
    reasoning_content: ReasoningDelta | None = None


class DeltaEvent(Struct, frozen=True, rename="camel"):
    """`contentBlockDelta`."""

    delta: Delta | None = None


class ToolUseStart(Struct, frozen=True, rename="camel"):
    """The start of a tool call."""

    name: str = ""


class Start(Struct, frozen=True, rename="camel"):
    """The start of a block."""

    tool_use: ToolUseStart | None = None


class StartEvent(Struct, frozen=True):
    """`contentBlockStart`."""

    start: Start | None = None


class StopEvent(Struct, frozen=True, rename="camel"):
    """`messageStop`."""

    stop_reason: str = ""


class MetadataEvent(Struct, frozen=True):
    """`metadata`."""

    usage: MaybeRaw = UNSET


class ErrorBody(Struct, frozen=True, rename={"type": "__type", "capital_message": "Message"}):
    """An error answer or exception frame; the gateway in front of the service writes `Message`.

    `originalStatusCode` is what the model's own server answered.
    """

    message: str | None = None
    capital_message: str | None = None
    type: str | None = None
    originalStatusCode: int | None = None  # noqa: N815 - the vendor's name
