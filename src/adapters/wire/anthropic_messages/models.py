"""What a model takes, as far as its name tells.

Claude models refuse with 400 what their predecessors took: budgets of thinking, temperature, forced
silence of thought. A client of Anthropic's own API knows his model and gets what he writes; a client
of another API does not, so what is made of his request follows the model. Rules after
https://platform.claude.com/docs/en/build-with-claude/thinking,
https://platform.claude.com/docs/en/build-with-claude/effort and the "what's new" page of each model.

Other names are taken for servers that speak the API as it was with Claude 4: budgets of thinking
and sampling, nothing newer.
"""

import re

from msgspec import Struct

from domain.inference.request import Effort

_VERSION = re.compile(
    r"claude[-_.]?(?:(?:opus|sonnet|haiku|fable|mythos|instant)[-_.]?)?v?"
    r"(\d{1,2})(?:[-.](\d{1,2}))?(?!\d)"
)
_FAMILY = re.compile(r"opus|sonnet|haiku|fable|mythos")
# A Claude without a number is a preview of something new.
_UNNUMBERED = (5, 0)


class ModelRules(Struct, frozen=True, gc=False):
    """Generation and family of a model; `version` is (0, 0) for what is no Claude."""

    version: tuple[int, int] = (0, 0)
    family: str = ""

    @property
    def claude(self) -> bool:
        """Whether it is one of Anthropic's."""
        return self.version > (0, 0)

    @property
    def thinks_with_budget(self) -> bool:
        """Takes `thinking.type: enabled` with `budget_tokens`."""
        return self.version < (4, 7) and not self._myth

    @property
    def thinks_adaptively(self) -> bool:
        """Takes `thinking.type: adaptive`."""
        return self.version >= (4, 6) or self._myth

    @property
    def thinks_unasked(self) -> bool:
        """Thinks when nothing is said about it."""
        return self.version >= (5, 0) or self._myth

    @property
    def thoughtless(self) -> str | None:
        """The `thinking.type` that forbids thinking as far as possible; None where none does."""
        if self._myth or (self.family == "opus" and self.version >= (5, 5)):
            return None
        return "between_tools" if self.version >= (5, 5) else "disabled"

    @property
    def shows_thoughts_unasked(self) -> bool:
        """Returns thoughts when nothing is said about `display`."""
        return self.version < (4, 7) and not self._myth

    @property
    def efforts(self) -> tuple[Effort, ...]:
        """The values of `output_config.effort` it takes, rising; empty when it has no such thing."""
        if self.version >= (4, 7) or self._myth:
            return (Effort.LOW, Effort.MEDIUM, Effort.HIGH, Effort.XHIGH, Effort.MAX)
        if self.version >= (4, 6):
            return (Effort.LOW, Effort.MEDIUM, Effort.HIGH, Effort.MAX)
        if self.version == (4, 5) and self.family == "opus":
            return (Effort.LOW, Effort.MEDIUM, Effort.HIGH)
        return ()

    @property
    def samples(self) -> bool:
        """Takes `temperature`, `top_p` and `top_k`."""
        return self.version < (4, 7) and not self._myth

    @property
    def samples_one_way(self) -> bool:
        """Takes `temperature` or `top_p`, not both."""
        return self.version >= (4, 1)

    @property
    def structured(self) -> bool:
        """Can be held to JSON schemas: `output_config.format`, `strict` tools."""
        return self.version >= (4, 5) or self._myth

    @property
    def system_turns(self) -> bool:
        """Takes messages of the role `system` in mid-conversation."""
        return self.version >= (4, 8) or self._myth

    @property
    def output_tokens(self) -> int:
        """A `max_tokens` for requests that name none: room for most answers, within the model's."""
        if self.version >= (4, 0) or self._myth or self.version == (3, 7):
            return 32_000
        return 4096 if self.claude and self.version < (3, 5) else 8192

    @property
    def _myth(self) -> bool:
        return self.family in {"fable", "mythos"}


def rules_for(model: str) -> ModelRules:
    """Return what the name of a model tells: `claude-opus-4-6`, `us.anthropic.claude-3-7-…`."""
    name = model.lower()
    if "claude" not in name:
        return ModelRules()
    family = _FAMILY.search(name)
    found = _VERSION.search(name)
    version = (int(found[1]), int(found[2] or 0)) if found else _UNNUMBERED
    return ModelRules(version, family[0] if family else "")
