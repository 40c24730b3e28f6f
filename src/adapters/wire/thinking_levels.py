"""How much to think, said as an effort or as a number of tokens: one table for all formats.

No vendor publishes such a table; the steps follow what the vendors' own defaults and examples use
(https://docs.anthropic.com/en/docs/build-with-claude/extended-thinking: at least 1,024 tokens;
https://ai.google.dev/gemini-api/docs/thinking: at most 24,576 or 32,768).
"""

from domain.inference.request import Effort

_BUDGETS = {
    Effort.NONE: 0,
    Effort.MINIMAL: 1024,
    Effort.LOW: 2048,
    Effort.MEDIUM: 8192,
    Effort.HIGH: 16384,
    Effort.XHIGH: 24576,
    Effort.MAX: 32768,
}
_LEAST_OF_MEDIUM = 4096
_LEAST_OF_HIGH = 12288


def budget_of(effort: Effort) -> int:
    """Return about as many tokens as `effort` stands for; 0 for none."""
    return _BUDGETS[effort]


def effort_of(budget_tokens: int) -> Effort:
    """Return the effort for a budget; never more than `high`, which every reasoning model knows."""
    if budget_tokens <= 0:
        return Effort.NONE
    if budget_tokens < _LEAST_OF_MEDIUM:
        return Effort.LOW
    return Effort.MEDIUM if budget_tokens < _LEAST_OF_HIGH else Effort.HIGH
