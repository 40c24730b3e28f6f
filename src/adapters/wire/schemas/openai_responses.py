"""OpenAI Responses: the members that governing, accounting and error handling need.

Shapes after https://platform.openai.com/docs/api-reference/responses. Members not named here are
skipped by the decoder and pass as bytes. `Raw` stands where servers disagree on the shape, so that
a surprise there does not cost the whole frame.
"""

from msgspec import UNSET, Raw, Struct, UnsetType

from adapters.wire.governing import MaybeRaw

Number = int | float | None


class RequestMembers(Struct, frozen=True):
    """Top-level members of a request that `peek` reads."""

    model: str | None = None
    stream: bool | None = None
    input: MaybeRaw = UNSET
    max_output_tokens: int | None = None
    user: MaybeRaw = UNSET
    safety_identifier: MaybeRaw = UNSET
    prompt_cache_key: MaybeRaw = UNSET
    metadata: MaybeRaw = UNSET
    previous_response_id: str | None = None
    store: bool | None = None
    conversation: MaybeRaw = UNSET


class IncompleteDetails(Struct, frozen=True):
    """Why an answer is incomplete: `max_output_tokens`, `content_filter`, …."""

    reason: str | None = None


class Item(Struct, frozen=True):
    """An output item of a whole answer or of a frame: as much as tells whether there is content.

    `arguments` is text of function calls and an object of some hosted ones.
    """

    type: str | None = None
    name: str | None = None
    arguments: MaybeRaw = UNSET
    input: MaybeRaw = UNSET
    content: MaybeRaw = UNSET
    summary: MaybeRaw = UNSET


class ContentPart(Struct, frozen=True):
    """A part of a message, of a reasoning item, or of its summary."""

    text: str | None = None
    refusal: str | None = None


class Reply(Struct, frozen=True):
    """A `response` object, whole or as frames carry it."""

    id: str | None = None
    status: str | None = None
    model: str | None = None
    output: list[Item] | UnsetType | None = UNSET
    incomplete_details: IncompleteDetails | None = None
    store: bool | None = None
    usage: MaybeRaw = UNSET
    error: MaybeRaw = UNSET


class Frame(Struct, frozen=True):
    """One stream event.

    An error has its members beside `type`, or in `error`; servers differ and so do the vendor's
    reference and its servers.
    """

    type: str | None = None
    delta: MaybeRaw = UNSET
    item: Item | None = None
    response: Reply | None = None
    error: MaybeRaw = UNSET
    message: str | None = None
    code: str | int | None = None
    param: str | None = None


class CacheWrites(Struct, frozen=True):
    """`cache_write_tokens_details`: by the least time they are kept."""

    ttl_12h_tokens: Number = None


class InputDetails(Struct, frozen=True):
    """`input_tokens_details`."""

    cached_tokens: Number = None
    cache_write_tokens: Number = None
    cache_write_tokens_details: CacheWrites | None = None


class OutputDetails(Struct, frozen=True):
    """`output_tokens_details`."""

    reasoning_tokens: Number = None


class Usage(Struct, frozen=True):
    """`usage`."""

    input_tokens: Number = None
    output_tokens: Number = None
    input_tokens_details: InputDetails | None = None
    output_tokens_details: OutputDetails | None = None


class ItemKind(Struct, frozen=True):
    """An output item, before it is known what else it has."""

    type: str = ""


class OutputPart(Struct, frozen=True):
    """A part of an assistant's message: `output_text` or `refusal`."""

    type: str = ""
    text: str | None = None
    refusal: str | None = None
    annotations: list[dict[str, object]] | None = None
    logprobs: list[dict[str, object]] | None = None


class MessageItem(Struct, frozen=True):
    """A `message`."""

    id: str | None = None
    content: list[OutputPart] | None = None


class ThoughtText(Struct, frozen=True):
    """`summary_text` or `reasoning_text`."""

    text: str = ""


class ReasoningItem(Struct, frozen=True):
    """A `reasoning` item."""

    id: str | None = None
    summary: list[ThoughtText] | None = None
    content: list[ThoughtText] | None = None
    encrypted_content: str | None = None


class CallItem(Struct, frozen=True):
    """A `function_call` or `custom_tool_call`."""

    name: str
    id: str | None = None
    call_id: str | None = None
    namespace: str | None = None
    arguments: str | None = None
    input: str | None = None


class WholeReply(Struct, frozen=True):
    """A `response` object that is read to be translated."""

    output: list[Raw] | None = None
    id: str | None = None
    model: str | None = None
    created_at: Number = None
    status: str | None = None
    incomplete_details: IncompleteDetails | None = None
    service_tier: str | None = None
    usage: MaybeRaw = UNSET
    error: MaybeRaw = UNSET


class StreamFrame(Struct, frozen=True):
    """One stream event that is read to be translated: the members of all kinds of events."""

    type: str | None = None
    output_index: int = 0
    content_index: int = 0
    summary_index: int = 0
    delta: MaybeRaw = UNSET
    text: str | None = None
    refusal: str | None = None
    arguments: str | None = None
    input: str | None = None
    item: MaybeRaw = UNSET
    part: MaybeRaw = UNSET
    annotation: dict[str, object] | None = None
    logprobs: list[dict[str, object]] | None = None
    response: MaybeRaw = UNSET
