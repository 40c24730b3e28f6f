"""Which models a request may be served by, and what is wrong with a catalogue's names.

A model's fallbacks come in the order its operator listed them, before the fallbacks of those: what
was said of this model goes before what was said of another. Every model comes once, so circles end.
"""

from collections.abc import Callable, Iterator

from domain.errors import ModelNotFound
from domain.routing.catalog import MOST_ALIAS_HOPS, Catalog, Model

MOST_MODELS = 8
"""Most models one request may be served by, the one it asked for included."""


def fallback_chain(
    catalog: Catalog, model: Model, may_use: Callable[[str], bool] | None = None
) -> tuple[tuple[Model, ...], tuple[Model, ...]]:
    """Return the models to try in order, and those that were left out because of the caller.

    Args:
        catalog: where names are looked up; unknown and disabled fallbacks are passed over.
        model: the one asked for; it was authorised before and always comes first.
        may_use: whether the caller may use a model by its public name; None allows all. A model he
            may not use is not entered through another one's door, nor are its own fallbacks.
    """
    chain, denied = [model], list[Model]()
    seen = {model.name}
    for known in chain:  # grows while it is walked: breadth first
        for name in known.fallbacks:
            if len(chain) >= MOST_MODELS:
                return tuple(chain), tuple(denied)
            try:
                found = catalog.model(name)
            except ModelNotFound:
                continue
            if found.name in seen:
                continue
            seen.add(found.name)
            # By either name: who may ask for the alias may be given what it stands for.
            if may_use is None or may_use(found.name) or may_use(name):
                chain.append(found)
            else:
                denied.append(found)
    return tuple(chain), tuple(denied)


def catalog_faults(catalog: Catalog) -> tuple[str, ...]:
    """Return what an operator should be told about aliases and fallbacks, in a stable order.

    Routing itself survives all of it: circles are cut and unknown names passed over.
    """
    return (*_alias_faults(catalog), *_fallback_faults(catalog))


def _alias_faults(catalog: Catalog) -> Iterator[str]:
    for alias in sorted(catalog.aliases):
        if alias in catalog.models:
            yield f"alias '{alias}': a model has this name"
            continue
        path = [alias]
        while path[-1] in catalog.aliases and path[-1] not in catalog.models:
            target = catalog.aliases[path[-1]]
            if target in path:
                yield f"alias '{alias}': leads in a circle: {' -> '.join((*path, target))}"
                break
            path.append(target)
            if len(path) > MOST_ALIAS_HOPS + 1:
                yield f"alias '{alias}': leads through more than {MOST_ALIAS_HOPS} names"
                break
        else:
            if path[-1] not in catalog.models:
                yield f"alias '{alias}': there is no model '{path[-1]}'"


def _fallback_faults(catalog: Catalog) -> Iterator[str]:
    for name in sorted(catalog.models):
        model = catalog.models[name]
        targets = [_named(catalog, fallback) for fallback in model.fallbacks]
        for fallback, target in zip(model.fallbacks, targets, strict=True):
            if target is None:
                yield f"model '{name}': there is no fallback '{fallback}'"
        known = [target.name for target in targets if target is not None]
        if len(set(known)) < len(known):
            yield f"model '{name}': a fallback is named twice"
        if circle := _circle(catalog, name):
            yield f"model '{name}': falls back to itself: {' -> '.join(circle)}"


def _named(catalog: Catalog, name: str) -> Model | None:
    """Return the model of that name or alias, disabled or not."""
    for _ in range(MOST_ALIAS_HOPS + 1):
        if name in catalog.models:
            return catalog.models[name]
        if name not in catalog.aliases:
            return None
        name = catalog.aliases[name]
    return None


def _circle(catalog: Catalog, start: str) -> tuple[str, ...] | None:
    """Return the shortest way along fallbacks from a model back to itself, or None."""
    paths: list[tuple[str, ...]] = [(start,)]
    seen: set[str] = set()
    for path in paths:  # grows while it is walked: breadth first
        for fallback in catalog.models[path[-1]].fallbacks:
            model = _named(catalog, fallback)
            if model is None:
                continue
            if model.name == start:
                return (*path, start)
            if model.name not in seen:
                seen.add(model.name)
                paths.append((*path, model.name))
    return None
