"""How much Gemini's models think, and how each generation of them is told.

Gemini 2.5 takes a budget of tokens, Gemini 3 and later a level, and neither takes both
(https://ai.google.dev/gemini-api/docs/thinking).
"""

import re

from msgspec import Struct

from adapters.wire.thinking_levels import budget_of
from domain.inference.dialect import Dialect
from domain.inference.request import Effort, Reasoning

_VERSION = re.compile(r"gemini-(\d+)(?:[.-](\d+))?(?=$|[-@.])")
_AUTOMATIC = -1
_MOST_BUDGET = 32_768
_MOST_BUDGET_OF_FLASH = 24_576
# The larger Gemini 2.5 cannot but think; this is the least of it.
_LEAST_BUDGET_OF_PRO = 128

_LEVELS = {
    Effort.MINIMAL: "MINIMAL",
    Effort.LOW: "LOW",
    Effort.MEDIUM: "MEDIUM",
    Effort.HIGH: "HIGH",
    Effort.XHIGH: "HIGH",
    Effort.MAX: "HIGH",
}


class ModelTraits(Struct, frozen=True):
    """What a model's name says of it; unknown names are taken for the newest generation.

    Attributes:
        generation: 2 for Gemini 2.5.
        pro: of the larger kind.
    """

    generation: int = 3
    pro: bool = False

    @property
    def takes_levels(self) -> bool:
        """Whether thinking is asked for by level, and calls must be signed."""
        return self.generation >= 3


def traits_of(model: str) -> ModelTraits:
    """Return what is known of a model, from the provider's name of it."""
    name = model.lower()
    version = _VERSION.search(name)
    return ModelTraits(int(version[1]) if version else 3, pro="-pro" in name)


class Thinking(Struct, frozen=True):
    """A `thinkingConfig` and what of the request it does not say."""

    config: dict[str, object]
    dropped: tuple[str, ...] = ()


def write_thinking(reasoning: Reasoning, model: ModelTraits, source: Dialect) -> Thinking:
    """Return the `thinkingConfig` for a model; empty when there is nothing to say."""
    config: dict[str, object] = {}
    show = reasoning.shown_to(source) if reasoning.summary is None else True
    if show is not None:
        config["includeThoughts"] = show
    if model.takes_levels:
        amount, dropped = _level(reasoning, model, source)
    else:
        amount, dropped = _budget(reasoning, model)
    return Thinking(config | amount, dropped)


def _level(
    reasoning: Reasoning, model: ModelTraits, source: Dialect
) -> tuple[dict[str, object], tuple[str, ...]]:
    """Return the amount for a generation that takes levels; budgets are understood, but alone."""
    effort = reasoning.effort
    if reasoning.enabled is False or effort is Effort.NONE:
        return {"thinkingLevel": "LOW" if model.pro else "MINIMAL"}, ()
    if effort is None:
        if reasoning.budget_tokens is not None:
            return {"thinkingBudget": min(reasoning.budget_tokens, _MOST_BUDGET)}, ()
        return {}, ()  # how much is the model's own choice, which is what `adaptive` asks for
    level = _LEVELS[effort]
    if effort is Effort.XHIGH and source is Dialect.GEMINI_GENERATE:
        level = "XHIGH"  # not every model has it, but this client has chosen the model's own word
    elif effort is Effort.MINIMAL and model.pro:
        level = "LOW"
    dropped = () if reasoning.budget_tokens is None else ("reasoning.budget_tokens",)
    return {"thinkingLevel": level}, dropped


def _budget(reasoning: Reasoning, model: ModelTraits) -> tuple[dict[str, object], tuple[str, ...]]:
    """Return the amount for a generation that takes budgets only."""
    most = _MOST_BUDGET if model.pro else _MOST_BUDGET_OF_FLASH
    if reasoning.enabled is False or reasoning.effort is Effort.NONE:
        return {"thinkingBudget": _LEAST_BUDGET_OF_PRO if model.pro else 0}, ()
    if reasoning.budget_tokens is not None:
        dropped = () if reasoning.effort is None else ("reasoning.effort",)
        return {"thinkingBudget": min(reasoning.budget_tokens, most)}, dropped
    if reasoning.effort is not None:
        return {"thinkingBudget": min(budget_of(reasoning.effort), most)}, ()
    if reasoning.adaptive or reasoning.enabled:
        return {"thinkingBudget": _AUTOMATIC}, ()
    return {}, ()
