"""The document a new installation starts with, made from what the environment offers."""

from collections.abc import Collection, Iterable, Mapping, Sequence

from domain.names import model_name_fault
from entrypoints.found_providers import FoundProvider, Tree, UsualModel

DEMO = "demo"
KEY_NAME = "quickstart"
MOST_LISTED_MODELS = 300
_DEMO_MODEL = UsualModel(
    name=DEMO,
    upstream_model=DEMO,
    price={"input": "0.15", "cache_read": "0.075", "output": "0.60"},
)


def starter_document(found: Sequence[FoundProvider], *, owner: str) -> Tree:
    """Return the whole document of a first start: providers, models, the owner, and a key."""
    demo = FoundProvider(
        name=DEMO, entry={"name": DEMO, "kind": "demo"}, models=(_DEMO_MODEL,), secrets=frozenset()
    )
    return {
        **providers_document([demo, *found], known_models=()),
        "users": [{"email": owner, "role": "super_admin"}],
        "keys": [{"name": KEY_NAME, "owner": owner, "surfaces": ["ai_gateway"]}],
    }


def providers_document(found: Iterable[FoundProvider], *, known_models: Collection[str]) -> Tree:
    """Return providers with their usual models.

    A name that is taken, by a model that is configured already or by an earlier provider's, is
    written with the provider before it: `bedrock/claude-sonnet-5-5`.
    """
    taken = set(known_models)
    providers: list[Tree] = []
    models: list[Tree] = []
    for provider in found:
        providers.append(provider.entry)
        for model in provider.models:
            name = _free_name(model.name, provider.name, taken)
            if name is not None:
                models.append(_model(name, provider.name, model.upstream_model, model.price))
    return {"version": 1, "providers": providers, "models": models}


def models_document(
    provider: str, upstream_models: Iterable[str], *, known_models: Collection[str]
) -> Tree:
    """Return the models a provider has listed, but for those whose names are taken."""
    taken = set(known_models)
    names: list[str] = []
    for name in upstream_models:
        if name not in taken and model_name_fault(name) is None:
            taken.add(name)
            names.append(name)
    models = [_model(name, provider, name, None) for name in names[:MOST_LISTED_MODELS]]
    return {"version": 1, "models": models}


def _free_name(name: str, provider: str, taken: set[str]) -> str | None:
    """Return the name to use, noted as taken; None when there is none."""
    free = next((each for each in (name, f"{provider}/{name}") if each not in taken), None)
    if free is None or model_name_fault(free) is not None:
        return None
    taken.add(free)
    return free


def _model(name: str, provider: str, upstream_model: str, price: Mapping[str, str] | None) -> Tree:
    entry: Tree = {
        "name": name,
        "routes": [{"provider": provider, "upstream_model": upstream_model}],
    }
    if price is not None:
        entry["price"] = dict(price)
    return entry
