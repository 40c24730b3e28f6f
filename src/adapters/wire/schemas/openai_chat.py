"""OpenAI Chat Completions: the members that governing, accounting and error handling need.

Shapes after https://platform.openai.com/docs/api-reference/chat, with the additions of servers that
speak the same format. Members not named here are skipped by the decoder and pass as bytes. `Raw`
stands where vendors disagree on the shape, so that a surprise there does not cost the whole frame.
"""

from msgspec import UNSET, Struct, UnsetType

from adapters.wire.governing import MaybeRaw

Number = int | float | None


class RequestMembers(Struct, frozen=True):
    """Top-level members of a request that `peek` reads."""

    model: str | None = None
    stream: bool | None = None
    stream_options: MaybeRaw = UNSET
    messages: MaybeRaw = UNSET
    max_tokens: int | None = None
    max_completion_tokens: int | None = None
    n: int | None = None
    user: MaybeRaw = UNSET
    safety_identifier: MaybeRaw = UNSET
    prompt_cache_key: MaybeRaw = UNSET
    metadata: MaybeRaw = UNSET
    models: MaybeRaw = UNSET
    fallbacks: MaybeRaw = UNSET


class StreamOptions(Struct, frozen=True):
    """`stream_options` of a request."""

    include_usage: bool | None = None


class Function(Struct, frozen=True):
    """A function call, whole or as one delta."""

    name: str | None = None
    arguments: str | None = None


class Custom(Struct, frozen=True):
    """A call of a custom tool, whole or as one delta."""

    name: str | None = None
    input: str | None = None


class ToolCall(Struct, frozen=True):
    """An entry of `tool_calls`."""

    function: Function | None = None
    custom: Custom | None = None


class Content(Struct, frozen=True):
    """A `message` or `delta`. Reasoning text has two names: DeepSeek's and OpenRouter's."""

    content: str | None = None
    refusal: str | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    tool_calls: list[ToolCall] | None = None
    function_call: Function | None = None
    audio: MaybeRaw = UNSET


class Choice(Struct, frozen=True):
    """A choice of an answer (`message`) or of a stream frame (`delta`)."""

    index: int = 0
    message: Content | None = None
    delta: Content | None = None
    finish_reason: str | None = None
    usage: MaybeRaw = UNSET  # Moonshot reports the usage of a stream here


class Reply(Struct, frozen=True):
    """A whole answer or one stream frame."""

    choices: list[Choice] | UnsetType | None = UNSET
    model: str | None = None
    usage: MaybeRaw = UNSET
    moderation: MaybeRaw = UNSET
    error: MaybeRaw = UNSET
    x_groq: MaybeRaw = UNSET
    timings: MaybeRaw = UNSET


class LooseContent(Struct, frozen=True):
    """`Content` for servers that use other shapes, e.g. lists of content parts (Mistral)."""

    content: MaybeRaw = UNSET
    refusal: MaybeRaw = UNSET
    reasoning_content: MaybeRaw = UNSET
    reasoning: MaybeRaw = UNSET
    tool_calls: MaybeRaw = UNSET
    function_call: MaybeRaw = UNSET
    audio: MaybeRaw = UNSET


class LooseChoice(Struct, frozen=True):
    """`Choice` with loose content."""

    index: int = 0
    message: LooseContent | None = None
    delta: LooseContent | None = None
    finish_reason: str | None = None
    usage: MaybeRaw = UNSET


class LooseReply(Struct, frozen=True):
    """`Reply` with loose content."""

    choices: list[LooseChoice] | UnsetType | None = UNSET
    model: str | None = None
    usage: MaybeRaw = UNSET
    moderation: MaybeRaw = UNSET
    error: MaybeRaw = UNSET
    x_groq: MaybeRaw = UNSET
    timings: MaybeRaw = UNSET


class PromptDetails(Struct, frozen=True):
    """`prompt_tokens_details`."""

    cached_tokens: Number = None
    cache_write_tokens: Number = None
    audio_tokens: Number = None


class CompletionDetails(Struct, frozen=True):
    """`completion_tokens_details`."""

    reasoning_tokens: Number = None
    audio_tokens: Number = None


class Usage(Struct, frozen=True):
    """`usage`; the last two are DeepSeek's and Moonshot's counts of cached prompt tokens."""

    prompt_tokens: Number = None
    completion_tokens: Number = None
    total_tokens: Number = None
    prompt_tokens_details: PromptDetails | None = None
    completion_tokens_details: CompletionDetails | None = None
    prompt_cache_hit_tokens: Number = None
    cached_tokens: Number = None


class GroqExtension(Struct, frozen=True):
    """`x_groq`, in the last frame of Groq's streams."""

    usage: MaybeRaw = UNSET


class LlamaTimings(Struct, frozen=True):
    """`timings` of llama.cpp: tokens evaluated, taken from its cache, and generated."""

    prompt_n: Number = None
    cache_n: Number = None
    predicted_n: Number = None


class ErrorDetail(Struct, frozen=True):
    """The `error` object; `code` is a string at OpenAI and a status at many others."""

    message: str | None = None
    type: str | None = None
    param: str | None = None
    code: str | int | None = None


class ErrorBody(Struct, frozen=True):
    """An error answer."""

    error: ErrorDetail


class PublicErrorDetail(Struct, frozen=True):
    """The `error` object we write: OpenAI's four members, always present, and two of ours.

    `limit` is the label of the limit that refused, for clients that cannot see headers.
    """

    message: str
    type: str
    param: str | None
    code: str | None
    limit: str | UnsetType = UNSET
    request_id: str | UnsetType = UNSET


class PublicErrorBody(Struct, frozen=True):
    """An error answer we write."""

    error: PublicErrorDetail
