"""Models as a collection: names, strategy, multipliers, what they can do."""

from collections.abc import Sequence
from decimal import Decimal

from msgspec import UNSET, Struct, UnsetType
from msgspec.structs import replace

from application.console.catalog.merging import patched, refuse
from application.console.catalog.rows import VERBS, Row, changes_of, entry_of
from application.console.catalog.views import ModelView, model_entry, model_view
from application.console.configuration.document import BareModelEntry
from application.console.configuration.model_names import check_aliases
from application.console.configuration.models import check_amounts, model_of
from application.ports.clock import Clock, IdGenerator
from application.ports.unit_of_work import Transaction, UnitOfWork
from application.resources import (
    Outcome,
    Page,
    Status,
    Versioned,
    check_page,
    each_on_its_own,
    page_of,
    require_version,
    versioned,
)
from domain.access.actor import Actor
from domain.access.permissions import Permission
from domain.errors import Conflict, InvalidRequest, NotFound
from domain.identifiers import ModelId
from domain.names import model_name_fault
from domain.records.audit import AuditTarget
from domain.routing.capabilities import Capability
from domain.routing.catalog import Affinity, Catalog, Model, Strategy
from domain.routing.fallback import catalog_faults


class CapabilitiesPatch(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A merge patch of what a model or route can do."""

    can: tuple[Capability, ...] | UnsetType | None = UNSET
    cannot: tuple[Capability, ...] | UnsetType | None = UNSET
    context_window: int | UnsetType | None = UNSET
    max_output_tokens: int | UnsetType | None = UNSET


class ModelPatch(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A merge patch of a model: absent keeps, null goes back to the default."""

    input_multiplier: Decimal | UnsetType | None = UNSET
    output_multiplier: Decimal | UnsetType | None = UNSET
    max_output_tokens: int | UnsetType | None = UNSET
    enabled: bool | UnsetType | None = UNSET
    aliases: tuple[str, ...] | UnsetType | None = UNSET
    strategy: Strategy | UnsetType | None = UNSET
    affinity: Affinity | UnsetType | None = UNSET
    fallbacks: tuple[str, ...] | UnsetType | None = UNSET
    capabilities: CapabilitiesPatch | UnsetType | None = UNSET


class ModelRemoval(Struct, frozen=True, kw_only=True):
    """The model as it was, its routes, and the models that fall back to it; with any it stays."""

    deleted: bool
    item: ModelView
    routes: int
    fallback_of: tuple[str, ...]


ModelChange = Row[BareModelEntry, ModelPatch]


class ManageModels:
    """Every change is a transaction of its own, one after the other on all replicas.

    A model is named by its id or its name.
    """

    def __init__(self, uow: UnitOfWork, clock: Clock, ids: IdGenerator) -> None:
        """Take the ports."""
        self._uow = uow
        self._clock = clock
        self._ids = ids

    async def page(
        self, by: Actor, *, limit: int = 50, cursor: str | None = None
    ) -> Page[ModelView]:
        """Return models, oldest first.

        Raises:
            PermissionDenied
            InvalidRequest: a parameter is out of bounds; `param` names it.
        """
        by.require(Permission.MODELS_READ)
        check_page(limit, cursor)
        async with self._uow.begin() as tx:
            found = sorted(await tx.models.all(), key=lambda each: each.id)
        return page_of(found, limit=limit, cursor=cursor, key=lambda e: e.id, view=model_view)

    async def find(self, by: Actor, reference: str) -> Versioned[ModelView]:
        """Return one model. Raises `NotFound`, `PermissionDenied`."""
        by.require(Permission.MODELS_READ)
        async with self._uow.begin() as tx:
            return versioned(model_view(existing_model(await tx.models.all(), reference)))

    async def create(self, by: Actor, entry: BareModelEntry) -> Versioned[ModelView]:
        """Store a new model, without routes and prices.

        Raises:
            PermissionDenied
            InvalidRequest, ValidationFailed: the entry has no meaning.
            Conflict: the name is taken.
        """
        return (await self._changed(by, ModelChange(op="create", entry=entry)))[1]

    async def update(
        self, by: Actor, reference: str, changes: ModelPatch, *, if_match: str | None = None
    ) -> Versioned[ModelView]:
        """Merge `changes` into a model (RFC 7396), `capabilities` member by member.

        Raises:
            NotFound: there is none.
            PreconditionFailed: it is not the version of `if_match`.
            PermissionDenied, InvalidRequest, ValidationFailed: as for `create`.
        """
        row = ModelChange(op="update", id=reference, changes=changes)
        return (await self._changed(by, row, if_match=if_match))[1]

    async def delete(
        self, by: Actor, reference: str, *, if_match: str | None = None, dry_run: bool = False
    ) -> ModelRemoval:
        """Delete a model, its aliases and routes; with `dry_run`, only tell what that means.

        Raises:
            Conflict: another model falls back to it.
            NotFound, PreconditionFailed, PermissionDenied
        """
        by.require(Permission.MODELS_WRITE)
        async with self._uow.begin() as tx:
            stored = await tx.models.all()
        found = existing_model(stored, reference)
        if dry_run:
            require_version(versioned(model_view(found)), if_match, "model")
        else:
            await self._changed(by, ModelChange(op="delete", id=found.id), if_match=if_match)
        return ModelRemoval(
            deleted=not dry_run,
            item=model_view(found),
            routes=len(found.routes),
            fallback_of=_falling_back_to(found, stored),
        )

    async def bulk(
        self, by: Actor, rows: Sequence[ModelChange], *, dry_run: bool = False
    ) -> list[Outcome[ModelView]]:
        """Carry out each row on its own; with `dry_run` each is tried and nothing is kept.

        Raises:
            InvalidRequest: too many rows.
            ServiceUnavailable: the store does not answer; the rows before were carried out.
        """

        async def work(row: ModelChange) -> tuple[Status, ModelView]:
            status, done = await self._changed(by, row, dry_run=dry_run)
            return status, done.view

        return await each_on_its_own(rows, work)

    async def _changed(
        self, by: Actor, row: ModelChange, *, if_match: str | None = None, dry_run: bool = False
    ) -> tuple[Status, Versioned[ModelView]]:
        by.require(Permission.MODELS_WRITE)
        async with self._uow.begin(exclusive=True) as tx:
            stored = await tx.models.all()
            present = existing_model(stored, row.id or "") if row.op != "create" else None
            before = model_view(present) if present is not None else None
            require_version(versioned(before) if before else None, if_match, "model")
            wanted = self._intended(row, present, stored)
            if present is not None and wanted == present and row.op == "update":
                return "unchanged", versioned(model_view(present))
            status = await _carried_out(tx, row, present, wanted, stored)
            after = model_view(wanted)
            if not dry_run:
                tx.audit.record(
                    by,
                    f"model.{VERBS[status]}",
                    AuditTarget(kind="model", id=wanted.id, name=wanted.name),
                    before=before,
                    after=after if status != "deleted" else None,
                )
                await tx.commit()
        return status, versioned(after)

    def _intended(self, row: ModelChange, present: Model | None, stored: Sequence[Model]) -> Model:
        """Return the model as it is to be; of one that is to go, as it is."""
        if present is None:
            now_ms = self._clock.now_ms()
            new = Model(id=ModelId(self._ids.new_id()), name="", created_at_ms=now_ms)
            return _checked(entry_of(row), new, stored)
        if row.op == "delete":
            return present
        return _checked(patched(model_entry(present), changes_of(row)), present, stored)


async def _carried_out(
    tx: Transaction, row: ModelChange, present: Model | None, wanted: Model, stored: Sequence[Model]
) -> Status:
    if present is None:
        await tx.models.add(wanted)
        return "created"
    if row.op == "delete":
        if named_by := _falling_back_to(present, stored):
            raise Conflict(f"These models fall back to it: {', '.join(named_by)}.")
        await tx.models.remove(present.id)
        return "deleted"
    await tx.models.update(wanted)
    return "updated"


def _checked(entry: BareModelEntry, before: Model, stored: Sequence[Model]) -> Model:
    """Return the model an entry describes, by the rules that a configuration document follows."""
    faults: list[str] = []
    if fault := model_name_fault(entry.name):
        faults.append(f".name: {fault}")
    check_amounts("", entry, faults)
    others = [each for each in stored if each.id != before.id]
    check_aliases("", entry, {name: each.name for each in others for name in each.aliases}, faults)
    model = model_of("", entry, before, before.routes, faults)
    refuse(faults)
    known = set(catalog_faults(Catalog.of(stored, ())))
    for fault in catalog_faults(Catalog.of((*others, model), ())):
        if fault not in known:
            field = "aliases" if fault.startswith("alias") else "fallbacks"
            raise InvalidRequest(f"{fault[0].upper()}{fault[1:]}.", param=field)
    return replace(model, prices=before.prices)


def existing_model(stored: Sequence[Model], reference: str) -> Model:
    """Return the model of this id or name. Raises `NotFound`."""
    for each in stored:
        if each.id == reference:
            return each
    for each in stored:
        if each.name == reference:
            return each
    raise NotFound("There is no such model.")


def _falling_back_to(model: Model, stored: Sequence[Model]) -> tuple[str, ...]:
    names = {model.name, *model.aliases}
    return tuple(
        each.name for each in stored if each.id != model.id and not names.isdisjoint(each.fallbacks)
    )
