"""Which operations a kind of provider can serve, and for clients of which dialects.

Conversations are translated, so every kind serves them in every dialect that has them. Counting
tokens is answered by the provider or by this program, in the dialects that have the operation.
Everything else is relayed as it is, to servers of OpenAI's API only.
"""

from domain.inference.dialect import Dialect, Operation
from domain.routing.catalog import ProviderKind

_OPENAI_API = frozenset(
    {ProviderKind.OPENAI, ProviderKind.AZURE_OPENAI, ProviderKind.OPENAI_COMPATIBLE}
)
_CONVERSATIONS = frozenset(Dialect) - {Dialect.OPENAI}
_COUNTING = frozenset({Dialect.ANTHROPIC_MESSAGES, Dialect.GEMINI_GENERATE})
RELAYED = frozenset(Operation) - {Operation.CHAT, Operation.COUNT_TOKENS}
"""Operations that only a server of the same API has."""


def serves(kind: ProviderKind, operation: Operation, dialect: Dialect) -> bool:
    """Tell whether a provider of `kind` can serve `operation` for a client of `dialect`."""
    if operation is Operation.CHAT:
        return dialect in _CONVERSATIONS
    if operation is Operation.COUNT_TOKENS:
        return dialect in _COUNTING
    return kind in _OPENAI_API
