"""A model's answer while it is being made: one sequence of events, whatever the API.

Order: `Started`, then blocks, then one `Finished` per candidate, then at most one more `UsageKnown`.
Blocks of one candidate never overlap and are numbered 0, 1, 2, … in the order they start, except
that parallel tool calls may be interleaved where the provider interleaves them (OpenAI Chat); an
encoder whose format forbids that buffers. Every `BlockStarted` has its `BlockEnded` before
`Finished`.
"""

from typing import Literal

from msgspec import Struct

from domain.accounting.usage import TokenUsage
from domain.inference.conversation import Citation, ImagePart, OpaqueState, VendorPart
from domain.inference.response import FinishReason


class Started(Struct, frozen=True, kw_only=True, tag="started", gc=False):
    """The answer begins. `usage` is what the provider knows of the input so far, if anything."""

    id: str = ""
    model: str = ""
    created_s: int = 0
    usage: TokenUsage | None = None


class BlockStarted(Struct, frozen=True, kw_only=True, tag="block_started"):
    """A part begins.

    Attributes:
        kind: `tool_call` has `id` and `name`; `vendor` and `image` are whole with their start.
        custom: of a tool call with free-text input.
    """

    index: int
    kind: Literal[
        "text", "thinking", "redacted_thinking", "tool_call", "refusal", "vendor", "audio", "image"
    ]
    candidate: int = 0
    id: str = ""
    name: str = ""
    custom: bool = False
    state: OpaqueState | None = None
    vendor: VendorPart | None = None
    image: ImagePart | None = None


class BlockDelta(Struct, frozen=True, kw_only=True, tag="block_delta", gc=False):
    """More of a part: text, thought, refusal, JSON of arguments, base64 of audio, by its kind.

    `transcript` is what the audio says (OpenAI Chat); `text` may be empty then.
    """

    index: int
    text: str
    candidate: int = 0
    transcript: str = ""


class CitationAdded(Struct, frozen=True, kw_only=True, tag="citation"):
    """A source for the text block `index`."""

    index: int
    citation: Citation
    candidate: int = 0


class BlockEnded(Struct, frozen=True, kw_only=True, tag="block_ended"):
    """A part is complete. `state` is its signature or encrypted content, when that comes last."""

    index: int
    candidate: int = 0
    state: OpaqueState | None = None


class LogprobsAdded(Struct, frozen=True, kw_only=True, tag="logprobs"):
    """OpenAI's `logprobs` object of the text just given."""

    logprobs: dict[str, object]
    candidate: int = 0


class Finished(Struct, frozen=True, kw_only=True, tag="finished"):
    """A candidate is complete."""

    reason: FinishReason
    candidate: int = 0
    stop_sequence: str | None = None


class UsageKnown(Struct, frozen=True, kw_only=True, tag="usage"):
    """The final token counts; later ones replace earlier ones."""

    usage: TokenUsage
    service_tier: str | None = None


StreamEvent = (
    Started
    | BlockStarted
    | BlockDelta
    | CitationAdded
    | BlockEnded
    | LogprobsAdded
    | Finished
    | UsageKnown
)
