"""What a model or route can do, between the document and the catalogue."""

from application.console.configuration.document import CapabilitiesEntry
from domain.routing.capabilities import Capabilities

MOST_TOKENS = 1_000_000_000


def capabilities_of(path: str, entry: CapabilitiesEntry, faults: list[str]) -> Capabilities:
    """Return what the entry says; with a fault, what can be used in its place."""
    if both := sorted(set(entry.can) & set(entry.cannot)):
        faults.append(f"{path}: '{both[0]}' is in 'can' and in 'cannot'")
    for name in ("context_window", "max_output_tokens"):
        check_tokens(f"{path}.{name}", getattr(entry, name), faults)
    cannot = frozenset(entry.cannot)
    return Capabilities(
        can=frozenset(entry.can) - cannot,
        cannot=cannot,
        context_window=_usable(entry.context_window),
        max_output_tokens=_usable(entry.max_output_tokens),
    )


def check_tokens(path: str, tokens: int | None, faults: list[str]) -> None:
    """Add a fault for a number of tokens that no model has."""
    if tokens is not None and not 0 < tokens <= MOST_TOKENS:
        faults.append(f"{path}: must be between 1 and {MOST_TOKENS:,}")


def capabilities_entry(known: Capabilities) -> dict[str, object]:
    """Return the members a document has for it; none when nothing is known."""
    members: dict[str, object] = {
        "can": sorted(each.value for each in known.can),
        "cannot": sorted(each.value for each in known.cannot),
        "context_window": known.context_window,
        "max_output_tokens": known.max_output_tokens,
    }
    return {name: value for name, value in members.items() if value}


def capabilities_text(known: Capabilities) -> str:
    """Return it in one line, e.g. `cannot images, context_window 128000`."""
    return ", ".join(
        f"{name} {' '.join(map(str, value)) if isinstance(value, list) else value}"  # pyright: ignore[reportUnknownArgumentType]
        for name, value in capabilities_entry(known).items()
    )


def _usable(tokens: int | None) -> int | None:
    return None if tokens is None or tokens < 1 else tokens
