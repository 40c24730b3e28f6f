"""Models nobody configured, served by the vendor their name tells (while the setting says so)."""

import re

from domain.identifiers import ModelId, RouteId
from domain.routing.catalog import Catalog, Model, ProviderKind, Route

# Clients write it, and it becomes part of a URL: nothing in it may lead to another model.
_GUESSABLE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:@-]{0,127}")
PREFIXES = {
    "gpt-": ProviderKind.OPENAI,
    "claude-": ProviderKind.ANTHROPIC,
    "gemini-": ProviderKind.GEMINI,
}


def model_by_prefix(catalog: Catalog, name: str) -> Model | None:
    """Return a model made up for `name`, None when no enabled provider goes by its prefix.

    Its ids are those of the provider and not of the name: names come from clients, and whatever is
    kept by id (health, limits, metrics) must not grow with what they make up. Its price is unknown.
    """
    kind = next((kind for prefix, kind in PREFIXES.items() if name.startswith(prefix)), None)
    if kind is None or _GUESSABLE.fullmatch(name) is None:
        return None
    routes = tuple(
        Route(id=RouteId(f"prefix:{provider.id}"), provider_id=provider.id, upstream_model=name)
        for provider in sorted(catalog.providers.values(), key=lambda provider: provider.id)
        if provider.kind is kind and provider.enabled
    )
    if not routes:
        return None
    return Model(id=ModelId(f"prefix:{kind.value}"), name=name, routes=routes, guessed=True)
