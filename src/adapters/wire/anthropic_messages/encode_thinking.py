"""How much to think, in the terms of the model that is asked."""

from msgspec import Struct, structs

from adapters.wire.anthropic_messages.models import ModelRules
from adapters.wire.reading import JsonObject
from domain.inference.request import Effort, InferenceRequest, Reasoning

LEAST_BUDGET = 1024
"""https://docs.claude.com/en/docs/build-with-claude/extended-thinking"""

_BUDGETS = {
    Effort.MINIMAL: LEAST_BUDGET,
    Effort.LOW: 2048,
    Effort.MEDIUM: 8192,
    Effort.HIGH: 16_384,
    Effort.XHIGH: 24_000,
    Effort.MAX: 24_000,
}
_RANKS = {effort: rank for rank, effort in enumerate(Effort)}
# Room for the answer beside a budget that leaves none in the default.
_ANSWER = 8192


class Thinking(Struct):
    """The members that say how to think.

    Attributes:
        thinking: the member of this name, None to say nothing.
        effort: `output_config.effort`.
        active: whether the model will think.
        dropped: canonical names of wishes that the model does not know.
    """

    thinking: JsonObject | None = None
    effort: str | None = None
    active: bool = False
    dropped: tuple[str, ...] = ()


def verbatim_thinking(reasoning: Reasoning) -> Thinking:
    """Return the members as a client of Anthropic's own API wrote them."""
    found = Thinking(effort=reasoning.effort.value if reasoning.effort else None)
    if reasoning.adaptive:
        found.thinking = {"type": "adaptive"}
    elif reasoning.enabled is False:
        found.thinking = {"type": "disabled"}
    elif reasoning.enabled or reasoning.budget_tokens is not None:
        found.thinking = {"type": "enabled"}
        if reasoning.budget_tokens is not None:
            found.thinking["budget_tokens"] = reasoning.budget_tokens
    if found.thinking is not None and reasoning.show is not None:
        found.thinking["display"] = "summarized" if reasoning.show else "omitted"
    return found


def thinking_for(
    request: InferenceRequest, rules: ModelRules, *, cap: int | None, possible: bool
) -> Thinking:
    """Return the members for the wish of a request in other terms.

    `cap` is the most tokens the caller allows, thoughts included. `possible` is False where
    Anthropic refuses thinking with the rest of the request (a tool that must be called, a running
    turn without its thoughts): there the wish is dropped.
    """
    wish = request.reasoning or Reasoning()
    wish = structs.replace(wish, show=wish.shown_to(request.source))
    forbidden = wish.enabled is False or wish.effort is Effort.NONE or wish.budget_tokens == 0
    if forbidden:
        return _without_thinking(wish, rules, dropped=())
    wanted = bool(wish.enabled or wish.effort or wish.budget_tokens or wish.adaptive)
    if not possible:
        return _without_thinking(wish, rules, dropped=_named(wish) if wanted else ())
    if not (wanted or (rules.thinks_unasked and _shows(wish) is not None)):
        return Thinking(active=rules.thinks_unasked)
    by_budget = rules.thinks_with_budget and (
        not rules.thinks_adaptively or (bool(wish.budget_tokens) and wish.effort is None)
    )
    if by_budget:
        return _with_budget(wish, rules, cap)
    found = Thinking(thinking={"type": "adaptive"}, active=True, effort=_effort(wish, rules))
    _show(found, wish, rules)
    return found


def room_for(thinking: Thinking, default: int) -> int:
    """Return a `max_tokens` for a request that names none: larger than the budget of thinking."""
    budget = (thinking.thinking or {}).get("budget_tokens")
    return max(default, budget + _ANSWER) if isinstance(budget, int) else default


def _with_budget(wish: Reasoning, rules: ModelRules, cap: int | None) -> Thinking:
    """`max_tokens` must be larger than the budget: half of a small cap is left to the answer."""
    budget = max(LEAST_BUDGET, wish.budget_tokens or _BUDGETS[wish.effort or Effort.MEDIUM])
    if cap is not None and budget >= cap:
        budget = cap // 2
        if budget < LEAST_BUDGET:
            return _without_thinking(wish, rules, dropped=_named(wish))
    found = Thinking(thinking={"type": "enabled", "budget_tokens": budget}, active=True)
    _show(found, wish, rules)
    return found


def _without_thinking(wish: Reasoning, rules: ModelRules, dropped: tuple[str, ...]) -> Thinking:
    kind = rules.thoughtless
    if kind is None:
        # It thinks all the same: the least there is, and a warning.
        return Thinking(effort=_fitting(Effort.LOW, rules), active=True, dropped=_named(wish))
    if not (rules.thinks_unasked or wish != Reasoning()):
        return Thinking(dropped=dropped)
    return Thinking(thinking={"type": kind}, dropped=dropped)


def _effort(wish: Reasoning, rules: ModelRules) -> str | None:
    """Return the effort: as wished, or the one whose budget is nearest below a wished budget."""
    effort = wish.effort
    if effort is None and wish.budget_tokens:
        below = [each for each, budget in _BUDGETS.items() if budget <= wish.budget_tokens]
        effort = below[-1] if below else Effort.MINIMAL
        effort = Effort.XHIGH if effort is Effort.MAX else effort
    return _fitting(effort, rules) if effort is not None else None


def _fitting(effort: Effort, rules: ModelRules) -> str | None:
    """Return the highest effort the model knows that is not above the wished one, else its lowest."""
    known = [each for each in rules.efforts if _RANKS[each] <= _RANKS[effort]]
    if known:
        return known[-1].value
    return rules.efforts[0].value if rules.efforts else None


def _shows(wish: Reasoning) -> bool | None:
    return True if wish.show is None and wish.summary is not None else wish.show


def _show(found: Thinking, wish: Reasoning, rules: ModelRules) -> None:
    """Say whether thoughts are to be shown, where the model would do otherwise."""
    shown = _shows(wish)
    if found.thinking is not None and shown is not None and shown != rules.shows_thoughts_unasked:
        found.thinking["display"] = "summarized" if shown else "omitted"


def _named(wish: Reasoning) -> tuple[str, ...]:
    """Return the canonical names of what the wish consists of."""
    names = ("enabled", "effort", "budget_tokens")
    named = [f"reasoning.{name}" for name in names if getattr(wish, name) is not None]
    if wish.adaptive:
        named.append("reasoning.adaptive")
    return tuple(named)
