"""What a wire format can carry, for the strategies of `tests.support.canonical`."""

import string
from collections.abc import Mapping
from typing import Literal

from msgspec import Struct

from domain.inference.dialect import Dialect, WireFormat
from domain.inference.fields import CANONICAL_FIELDS, Fate
from domain.inference.request import Effort
from domain.inference.response import FinishReason


class Reach(Struct, frozen=True, kw_only=True):
    """What a format can carry.

    Attributes:
        fields: names of `CANONICAL_FIELDS` that may be used.
        system: `one` leading system message, any number of `leading` ones, or `anywhere`.
        system_texts: most text parts of one system message.
        id_characters: of tool-call ids.
        result_names: whether results say the name of their tool.
        state_origin: who makes the state of thinking; None for no state.
        states: what the state of thinking is; empty for any text.
        bare_thinking: whether there may be thinking text without state.
        ordered: thinking, text, refusal, calls; False mixes them as some providers do.
        results_alone: results are not followed by other content in their message.
        structured_results: whether results may be objects.
        ttls: of cache marks.
        state_on_calls, state_on_texts: whether calls or texts may be signed (Gemini).
        call_marks: whether calls, results and tools may have cache marks (Anthropic).
    """

    source: Dialect = Dialect.OPENAI_CHAT
    fields: frozenset[str] = frozenset(CANONICAL_FIELDS)
    system: Literal["one", "leading", "anywhere"] = "leading"
    system_texts: int = 2
    id_characters: str = string.ascii_letters + string.digits + "_-"
    result_names: bool = True
    state_origin: WireFormat | None = None
    states: tuple[str, ...] = ()
    bare_thinking: bool = True
    ordered: bool = True
    results_alone: bool = True
    structured_results: bool = False
    ttls: tuple[str | None, ...] = (None, "5m", "1h")
    state_on_calls: bool = False
    state_on_texts: bool = False
    call_marks: bool = False
    image_types: tuple[str, ...] = ("image/png", "image/jpeg", "image/gif", "image/webp")
    document_types: tuple[str, ...] = ("application/pdf",)
    audio_types: tuple[str, ...] = ("audio/wav", "audio/mpeg")
    video_types: tuple[str, ...] = ("video/mp4",)
    details: tuple[str, ...] = ("low", "high")
    efforts: tuple[Effort, ...] = (Effort.LOW, Effort.MEDIUM, Effort.HIGH)
    verbosities: tuple[str, ...] = ("low", "medium", "high")
    service_tiers: tuple[str, ...] = ("auto", "default")
    modalities: tuple[tuple[str, ...], ...] = (("text",),)
    strict_tools: tuple[bool | None, ...] = (None, True, False)
    finishes: tuple[FinishReason, ...] = (FinishReason.STOP, FinishReason.LENGTH)
    usage_kinds: tuple[str, ...] = ("input_uncached", "output")
    most_candidates: int = 1
    refusals: bool = True
    """Whether answers may hold a refusal."""
    url_citations: bool = False
    """Whether texts of answers may have citations of URLs with their places."""

    def has(self, field: str) -> bool:
        """Tell whether a field may be used."""
        return field in self.fields


def carried_by(fates: Mapping[str, Fate], *but: str) -> frozenset[str]:
    """Return the canonical fields that are mapped or passed, without those of `but`."""
    kept = {name for name, fate in fates.items() if fate in (Fate.MAPPED, Fate.PASSED)}
    return frozenset(kept & set(CANONICAL_FIELDS)) - set(but)
