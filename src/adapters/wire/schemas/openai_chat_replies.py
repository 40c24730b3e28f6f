"""OpenAI Chat Completions: answers and stream frames in full, for translating them.

Shapes after https://platform.openai.com/docs/api-reference/chat/object and
https://platform.openai.com/docs/api-reference/chat/streaming, with what servers of the same format
add. A whole answer has `message` where a frame has `delta`; the members are the same.
"""

from msgspec import UNSET, Struct, UnsetType

from adapters.wire.governing import MaybeRaw
from adapters.wire.schemas.openai_chat import Number

JsonObject = dict[str, object]


class FunctionPiece(Struct, frozen=True):
    """A function to call; some servers give the arguments as an object (Ollama)."""

    name: str | None = None
    arguments: str | JsonObject | None = None


class CustomPiece(Struct, frozen=True):
    """A custom tool to call."""

    name: str | None = None
    input: str | None = None


class CallPiece(Struct, frozen=True):
    """An entry of `tool_calls`; `extra_content` holds Gemini's signature."""

    index: int | None = None
    id: str | int | None = None
    type: str | None = None
    function: FunctionPiece | None = None
    custom: CustomPiece | None = None
    extra_content: JsonObject | None = None


class AudioPiece(Struct, frozen=True):
    """Spoken output."""

    id: str | None = None
    data: str | None = None
    transcript: str | None = None


class ContentPiece(Struct, frozen=True):
    """An entry of `content` where that is a list (Mistral)."""

    type: str = "text"
    text: str | None = None
    thinking: "str | list[ContentPiece] | None" = None


class ImageUrl(Struct, frozen=True):
    """Where a generated image is."""

    url: str


class ImagePiece(Struct, frozen=True):
    """An entry of `images` (OpenRouter)."""

    image_url: ImageUrl


class UrlCitation(Struct, frozen=True):
    """A source of the text from `start_index` to `end_index` of `content`."""

    url: str = ""
    title: str | None = None
    start_index: int | None = None
    end_index: int | None = None


class Annotation(Struct, frozen=True):
    """An entry of `annotations`."""

    url_citation: UrlCitation | None = None


class Said(Struct, frozen=True):
    """A `message` or `delta`."""

    content: str | list[ContentPiece] | None = None
    refusal: str | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    reasoning_details: list[JsonObject] | None = None
    tool_calls: list[CallPiece] | None = None
    function_call: FunctionPiece | None = None
    audio: AudioPiece | None = None
    annotations: list[Annotation] | None = None
    images: list[ImagePiece] | None = None


class WholeChoice(Struct, frozen=True):
    """A choice; `stop_reason` is the sequence that ended it or the id of a token (vLLM)."""

    index: int = 0
    message: Said | None = None
    delta: Said | None = None
    finish_reason: str | None = None
    stop_reason: str | int | None = None
    logprobs: JsonObject | None = None
    usage: MaybeRaw = UNSET


class WholeReply(Struct, frozen=True):
    """An answer or a frame."""

    id: str | int | None = None
    created: Number = None
    model: str | None = None
    choices: list[WholeChoice] | None = None
    usage: MaybeRaw = UNSET
    service_tier: str | None = None
    error: MaybeRaw = UNSET
    x_groq: MaybeRaw = UNSET
    timings: MaybeRaw = UNSET


class UrlCitationOut(Struct, frozen=True):
    """A source, as we write it."""

    url: str
    title: str
    start_index: int
    end_index: int


class AnnotationOut(Struct, frozen=True):
    """An annotation, as we write it."""

    url_citation: UrlCitationOut
    type: str = "url_citation"
    index: int | UnsetType = UNSET


class PromptDetailsOut(Struct, frozen=True):
    """`prompt_tokens_details`, as we write it."""

    cached_tokens: int
    audio_tokens: int
    cache_write_tokens: int


class CompletionDetailsOut(Struct, frozen=True):
    """`completion_tokens_details`, as we write it; predictions are not told apart by others."""

    reasoning_tokens: int
    audio_tokens: int
    accepted_prediction_tokens: int = 0
    rejected_prediction_tokens: int = 0


class UsageOut(Struct, frozen=True):
    """`usage`, as we write it."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int
    prompt_tokens_details: PromptDetailsOut
    completion_tokens_details: CompletionDetailsOut
