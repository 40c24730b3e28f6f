"""What a route can do, and what a request needs of the one that serves it."""

from enum import StrEnum

from msgspec import Struct

from domain.inference.dialect import Dialect, Operation


class Capability(StrEnum):
    """Something that not every upstream model can do."""

    IMAGES = "images"
    DOCUMENTS = "documents"
    AUDIO = "audio"
    TOOLS = "tools"
    STRUCTURED_OUTPUT = "structured_output"
    REASONING = "reasoning"
    STREAMING = "streaming"


class Capabilities(Struct, frozen=True, kw_only=True):
    """What is known of an upstream model. What nobody said is taken to be possible.

    The provider's own 400 is the better judge of what is not known here, so only what an operator
    declared keeps a route from being tried.

    Attributes:
        can, cannot: declared abilities; a route's word goes before its model's.
        context_window: most tokens of prompt and answer together; None when not known.
        max_output_tokens: most tokens of one answer; None when not known.
    """

    can: frozenset[Capability] = frozenset()
    cannot: frozenset[Capability] = frozenset()
    context_window: int | None = None
    max_output_tokens: int | None = None

    def __post_init__(self) -> None:
        """Refuse what contradicts itself or can serve nothing."""
        if both := self.can & self.cannot:
            raise ValueError(f"said to be possible and impossible: {', '.join(sorted(both))}")
        for bound in (self.context_window, self.max_output_tokens):
            if bound is not None and bound < 1:
                raise ValueError("bounds in tokens are at least 1")

    @property
    def restricts(self) -> bool:
        """Whether any request could be kept away by this."""
        return bool(self.cannot) or self.context_window is not None or bool(self.max_output_tokens)

    def over(self, general: "Capabilities") -> "Capabilities":
        """Return what holds when this is said of a route and `general` of its model."""
        if general == _UNSAID:
            return self
        if self == _UNSAID:
            return general
        return Capabilities(
            can=self.can | (general.can - self.cannot),
            cannot=self.cannot | (general.cannot - self.can),
            context_window=self.context_window or general.context_window,
            max_output_tokens=self.max_output_tokens or general.max_output_tokens,
        )


_UNSAID = Capabilities()


class RequestNeeds(Struct, frozen=True, kw_only=True):
    """What a request asks of whoever serves it.

    Attributes:
        features: abilities it uses.
        input_tokens: probable length of the prompt, not an upper bound: a guess from above would
            keep requests away from models that have room for them.
        output_tokens: the answer's own bound as the caller set it; 0 when he set none.
        expected_output_tokens: probable length of the answer, for the price.
        provider_ids: the only providers that can serve it, by id, because they hold what it goes on
            from; None for all.
    """

    operation: Operation = Operation.CHAT
    dialect: Dialect = Dialect.OPENAI_CHAT
    features: frozenset[Capability] = frozenset()
    input_tokens: int = 0
    output_tokens: int = 0
    expected_output_tokens: int = 0
    provider_ids: frozenset[str] | None = None
