"""A request to a model, independent of the API it came in by."""

from enum import StrEnum
from typing import Literal

from msgspec import Struct

from domain.inference.conversation import CacheMark, Message
from domain.inference.dialect import Dialect, WireFormat


class FunctionTool(Struct, frozen=True, kw_only=True):
    """A tool the client runs.

    Attributes:
        name: as calls and results have it; unique among the tools.
        parameters: JSON Schema of the arguments; None when not given.
        strict: whether arguments must match the schema; None when not said.
        namespace: group whose name `name` begins with (OpenAI Responses); nobody else needs it.
    """

    name: str
    description: str | None = None
    parameters: dict[str, object] | None = None
    strict: bool | None = None
    cache: CacheMark | None = None
    namespace: str = ""


class CustomTool(Struct, frozen=True, kw_only=True):
    """A tool of free-text input (OpenAI). `format` is the vendor's object, if any.

    `namespace` is as in `FunctionTool`.
    """

    name: str
    description: str | None = None
    format: dict[str, object] | None = None
    namespace: str = ""


class VendorTool(Struct, frozen=True, kw_only=True):
    """A tool the provider runs itself (search, code execution), kept whole for its own format."""

    origin: WireFormat
    kind: str
    raw: dict[str, object]


Tool = FunctionTool | CustomTool | VendorTool


class ToolChoice(Struct, frozen=True, kw_only=True):
    """Which tool to call.

    Attributes:
        mode: `auto`, `none`, `required` (any of them), or `named`.
        name: of the one tool, with `named`.
        allowed: restricts `auto` or `required` to these names; empty for all.
    """

    mode: Literal["auto", "none", "required", "named"]
    name: str = ""
    allowed: tuple[str, ...] = ()


class ResponseFormat(Struct, frozen=True, kw_only=True):
    """Shape of the answer: any text, any JSON, or JSON of a schema."""

    kind: Literal["text", "json_object", "json_schema"]
    name: str = ""
    description: str | None = None
    schema: dict[str, object] | None = None
    strict: bool | None = None


class Effort(StrEnum):
    """How much to think, as the vendors name it."""

    NONE = "none"
    MINIMAL = "minimal"
    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    XHIGH = "xhigh"
    MAX = "max"


_SHOWING = frozenset({Dialect.ANTHROPIC_MESSAGES, Dialect.BEDROCK_CONVERSE})


class Reasoning(Struct, frozen=True, kw_only=True):
    """Whether and how much to think, and what to show of it.

    Attributes:
        enabled: False forbids thinking, True asks for it, None leaves it to effort and budget.
        effort: one of `Effort`.
        budget_tokens: at most (or about) this many tokens.
        adaptive: the model decides how much (Anthropic's `adaptive`, Gemini's budget -1).
        show: whether thoughts or summaries are wanted in the answer; None when not said.
        summary: OpenAI's `auto`, `concise`, `detailed`.
    """

    enabled: bool | None = None
    effort: Effort | None = None
    budget_tokens: int | None = None
    adaptive: bool = False
    show: bool | None = None
    summary: str | None = None

    def shown_to(self, source: Dialect) -> bool | None:
        """Return whether a client of `source` gets to see thoughts; None when nobody said.

        Anthropic's thinking with a budget shows them unless it is told not to:
        https://docs.anthropic.com/en/docs/build-with-claude/extended-thinking
        """
        if self.show is None and self.enabled and not self.adaptive and source in _SHOWING:
            return True
        return self.show


class Sampling(Struct, frozen=True, kw_only=True):
    """How the next token is drawn. None: not given."""

    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    seed: int | None = None
    frequency_penalty: float | None = None
    presence_penalty: float | None = None
    logit_bias: dict[str, float] | None = None
    logprobs: bool | None = None
    top_logprobs: int | None = None


class InferenceRequest(Struct, frozen=True, kw_only=True):
    """Everything a client asked for.

    Attributes:
        source: dialect it was decoded from.
        messages: in order; system texts stand where the client put them (leading ones first).
        tools: as offered; None when the member was absent, which some providers tell from empty.
        metadata: the caller's tags.
        cache: the caller's wish to cache the prompt automatically (Anthropic's top-level marker).
        cache_key: groups requests of one prefix (`prompt_cache_key`).
        modalities: kinds of output asked for, e.g. `text`, `audio`, `image`; empty when not said.
        audio: OpenAI's voice and format of spoken answers.
        legacy_functions: the caller knows `functions` only, the older form of tools (OpenAI Chat):
            the answer names its call in `function_call`.
        store, previous_response_id: state held by the provider (OpenAI Responses).
        extensions: members without a place here, by the name the client's dialect gives them, in
            the form of parsed JSON. The encoder of the same family may pass them on; every other
            names them in its warnings.
        unmapped: what the decoder of the dialect found deeper inside and could not map, as paths in
            the client's own names, e.g. `messages[2].content[0].foo`; goes into the warnings.
    """

    source: Dialect
    model: str
    messages: tuple[Message, ...]
    stream: bool = False
    tools: tuple[Tool, ...] = ()
    tool_choice: ToolChoice | None = None
    parallel_tool_calls: bool | None = None
    max_output_tokens: int | None = None
    sampling: Sampling = Sampling()
    stop: tuple[str, ...] = ()
    candidates: int = 1
    response_format: ResponseFormat | None = None
    reasoning: Reasoning | None = None
    verbosity: str | None = None
    end_user: str | None = None
    metadata: dict[str, str] = {}
    service_tier: str | None = None
    cache: CacheMark | None = None
    cache_key: str | None = None
    modalities: tuple[str, ...] = ()
    audio: dict[str, object] | None = None
    store: bool | None = None
    previous_response_id: str | None = None
    legacy_functions: bool = False
    extensions: dict[str, object] = {}
    unmapped: tuple[str, ...] = ()
