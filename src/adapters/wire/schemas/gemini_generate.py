"""Gemini generateContent: the members that governing, accounting and error handling need.

Shapes after https://ai.google.dev/api/generate-content. Requests are protobuf JSON, which takes
every name in camelCase and in snake_case (https://protobuf.dev/programming-guides/json/); answers
come in camelCase. Members not named here are skipped by the decoder and pass as bytes.
"""

from msgspec import UNSET, Raw, Struct, UnsetType, field

MaybeRaw = Raw | UnsetType
Number = int | float | None
Whole = int | float | str | None
"""A whole number as protobuf JSON allows it: also `5.0` and `"5"`."""


class RequestMembers(Struct, frozen=True, rename="camel"):
    """Top-level members of a request that `peek` reads, of generateContent and countTokens."""

    model: str | None = None
    contents: MaybeRaw = UNSET
    labels: MaybeRaw = UNSET
    generation_config: MaybeRaw = UNSET
    snake_generation_config: MaybeRaw = field(default=UNSET, name="generation_config")
    generate_content_request: MaybeRaw = UNSET
    snake_generate_content_request: MaybeRaw = field(default=UNSET, name="generate_content_request")


class GenerationBounds(Struct, frozen=True, rename="camel"):
    """The members of `generationConfig` that `peek` reads."""

    max_output_tokens: Whole = None
    snake_max_output_tokens: Whole = field(default=None, name="max_output_tokens")
    candidate_count: Whole = None
    snake_candidate_count: Whole = field(default=None, name="candidate_count")


class Blob(Struct, frozen=True, rename="camel"):
    """`inlineData` or `fileData` of a request."""

    mime_type: str = ""
    snake_mime_type: str = field(default="", name="mime_type")
    data: MaybeRaw = UNSET


class MediaResult(Struct, frozen=True):
    """`functionResponse` of a request. Where a list is wanted, a single object is taken, too."""

    parts: "list[MediaPart] | MediaPart | None" = None


class MediaPart(Struct, frozen=True, rename="camel"):
    """A part of a request, as far as it is or holds media."""

    inline_data: Blob | None = None
    snake_inline_data: Blob | None = field(default=None, name="inline_data")
    file_data: Blob | None = None
    snake_file_data: Blob | None = field(default=None, name="file_data")
    function_response: MediaResult | None = None
    snake_function_response: MediaResult | None = field(default=None, name="function_response")


class MediaContent(Struct, frozen=True):
    """A turn of a request, as far as it holds media."""

    parts: list[MediaPart] | MediaPart | None = None


class ModalityCount(Struct, frozen=True, rename="camel"):
    """Tokens of one modality, e.g. `AUDIO`."""

    modality: str = ""
    token_count: Number = None


class UsageMetadata(Struct, frozen=True, rename="camel"):
    """`usageMetadata` of an answer."""

    prompt_token_count: Number = None
    cached_content_token_count: Number = None
    candidates_token_count: Number = None
    thoughts_token_count: Number = None
    tool_use_prompt_token_count: Number = None
    total_token_count: Number = None
    prompt_tokens_details: list[ModalityCount] | None = None
    cache_tokens_details: list[ModalityCount] | None = None
    candidates_tokens_details: list[ModalityCount] | None = None
    tool_use_prompt_tokens_details: list[ModalityCount] | None = None


class ReplyCall(Struct, frozen=True):
    """`functionCall` of an answer."""

    name: str | None = None
    args: MaybeRaw = UNSET


class ReplyPart(Struct, frozen=True, rename="camel"):
    """A part of an answer, as far as its size is concerned."""

    text: str | None = None
    function_call: ReplyCall | None = None
    inline_data: MaybeRaw = UNSET
    file_data: MaybeRaw = UNSET
    executable_code: MaybeRaw = UNSET
    code_execution_result: MaybeRaw = UNSET
    tool_call: MaybeRaw = UNSET
    tool_response: MaybeRaw = UNSET


class ReplyContent(Struct, frozen=True):
    """`content` of a candidate."""

    parts: list[ReplyPart] | None = None


class ReplyCandidate(Struct, frozen=True, rename="camel"):
    """A candidate of an answer or of a stream's chunk."""

    index: int | None = None
    content: ReplyContent | None = None
    finish_reason: str | None = None


class PromptFeedback(Struct, frozen=True, rename="camel"):
    """Why there is no answer at all."""

    block_reason: str | None = None


class Reply(Struct, frozen=True, rename="camel"):
    """A whole answer, or one chunk of a streamed one; `totalTokens` is countTokens' answer."""

    candidates: list[ReplyCandidate] | None = None
    prompt_feedback: PromptFeedback | None = None
    usage_metadata: MaybeRaw = UNSET
    model_version: str | None = None
    total_tokens: Number = None
    error: MaybeRaw = UNSET


class ErrorInfo(Struct, frozen=True, rename="camel"):
    """An entry of an error's `details`; which members it has depends on its `@type`."""

    type: str = field(default="", name="@type")
    reason: str | None = None
    retry_delay: str | None = None
    field_violations: "list[FieldViolation] | None" = None


class FieldViolation(Struct, frozen=True):
    """A faulty field of the request."""

    field: str | None = None


class ErrorDetail(Struct, frozen=True):
    """The `error` object: `code` is the HTTP status, `status` its name in gRPC."""

    code: int | None = None
    message: str | None = None
    status: str | None = None
    details: MaybeRaw = UNSET


class ErrorBody(Struct, frozen=True):
    """An error answer."""

    error: ErrorDetail


class PublicErrorDetail(Struct, frozen=True, omit_defaults=True):
    """The `error` object we write. https://cloud.google.com/apis/design/errors."""

    code: int
    message: str
    status: str
    details: list[dict[str, object]] = []


class PublicErrorBody(Struct, frozen=True):
    """An error answer we write; the official SDK wants `error` to be the first member."""

    error: PublicErrorDetail


class TokenCount(Struct, frozen=True, rename="camel"):
    """The answer of countTokens."""

    total_tokens: int
