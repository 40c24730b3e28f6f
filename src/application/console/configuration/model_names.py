"""Aliases and fallbacks: names of models that must lead somewhere, among all models there will be."""

from collections.abc import Sequence

from application.console.configuration.document import BareModelEntry
from application.console.configuration.planning import Planning, readable
from domain.names import model_name_fault
from domain.routing.catalog import Catalog, Model
from domain.routing.fallback import MOST_MODELS, catalog_faults

_MOST_ALIASES = 100


def check_names(planning: Planning, planned: Sequence[Model]) -> None:
    """Add a fault for each alias and fallback that leads nowhere, in a circle, or to two models.

    `planned` are the models of the document; those stored stay beside them, without `prune`.
    """
    before = len(planning.faults)
    named = planning.names.get("models", frozenset[str]())
    staying = [
        model
        for name, model in planning.stored.models.items()
        if not planning.prune and name not in named
    ]
    owners = {alias: model.name for model in staying for alias in model.aliases}
    for path, entry in readable(planning.document.models, "models"):
        check_aliases(path, entry, owners, planning.faults)
    whole = len(planned) == len(planning.document.models)
    if whole and len(planning.faults) == before:
        # With an entry missing, names that only it brings would be called unknown.
        catalog = Catalog.of((*staying, *planned), ())
        planning.faults.extend(f"models: {fault}" for fault in catalog_faults(catalog))


def check_aliases(
    path: str, entry: BareModelEntry, owners: dict[str, str], faults: list[str]
) -> None:
    """Add a fault for each alias that is no name, is there twice, or belongs to another model.

    `owners` are the models by alias; those of the entry are added.
    """
    if len(entry.aliases) > _MOST_ALIASES:
        faults.append(f"{path}.aliases: can have at most {_MOST_ALIASES} members")
    if len(entry.fallbacks) >= MOST_MODELS:
        faults.append(f"{path}.fallbacks: can have at most {MOST_MODELS - 1} members")
    for index, alias in enumerate(entry.aliases):
        at = f"{path}.aliases[{index}]"
        owner = owners.setdefault(alias, entry.name)
        if fault := model_name_fault(alias):
            faults.append(f"{at}: {fault}")
        elif owner != entry.name:
            faults.append(f"{at}: '{alias}' is an alias of '{owner}' too")
        elif alias in entry.aliases[:index]:
            faults.append(f"{at}: '{alias}' is there twice")
