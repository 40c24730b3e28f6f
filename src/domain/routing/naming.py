"""Which model a caller means by a name, and whether he may."""

from collections.abc import Callable

from domain.errors import ModelNotAllowed, ModelNotFound
from domain.routing.catalog import Catalog, Model
from domain.routing.prefixes import model_by_prefix


def model_for(
    catalog: Catalog, name: str, may_use: Callable[[str], bool], *, guess_by_prefix: bool
) -> Model:
    """Return the model that `name` stands for.

    A caller may name a model by an alias when he may use either: who allowed one of the names meant
    that model.

    Args:
        catalog: the configuration in force.
        name: as the caller wrote it.
        may_use: whether the caller may use a model by that name.
        guess_by_prefix: whether a model nobody configured goes to the vendor its name tells.

    Raises:
        ModelNotAllowed: he may use neither; nor is he told then whether there is such a model.
        ModelNotFound: there is none.
    """
    allowed = may_use(name)
    try:
        model = _named(catalog, name, guess_by_prefix=guess_by_prefix)
    except ModelNotFound:
        if allowed:
            raise
        raise ModelNotAllowed(name) from None
    if not allowed and not may_use(model.name):
        raise ModelNotAllowed(name)
    return model


def _named(catalog: Catalog, name: str, *, guess_by_prefix: bool) -> Model:
    try:
        return catalog.model(name)
    except ModelNotFound:
        # A model that was switched off is not brought back by its name.
        if not guess_by_prefix or name in catalog.models or name in catalog.aliases:
            raise
        guessed = model_by_prefix(catalog, name)
        if guessed is None:
            raise
        return guessed
