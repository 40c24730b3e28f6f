"""Providers as a collection: their configuration, and credentials that are written and never shown."""

from collections.abc import Sequence

import msgspec
from msgspec import UNSET, Struct, UnsetType
from msgspec.structs import replace

from application.console.catalog.merging import merge_patch, refuse
from application.console.catalog.rows import VERBS, Row, changes_of, entry_of
from application.console.configuration.credentials import ProviderCredentials
from application.console.configuration.document import ProviderEntry
from application.console.restoring import find_restorable
from application.ports.clock import Clock, IdGenerator
from application.ports.removed import RemovedKind
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
from domain.identifiers import ProviderId
from domain.names import slug_fault
from domain.records.audit import AuditTarget
from domain.routing.catalog import Model, ProviderKind, ProviderSpec


class ProviderPatch(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A merge patch of a provider: absent keeps, null goes back to the default.

    `credentials` and `options` are merged member by member; null removes a member, or all of them.
    """

    kind: ProviderKind | UnsetType | None = UNSET
    base_url: str | UnsetType | None = UNSET
    credentials: dict[str, object] | UnsetType | None = UNSET
    options: dict[str, object] | UnsetType | None = UNSET
    enabled: bool | UnsetType | None = UNSET

    def __repr__(self) -> str:
        """Without the credentials."""
        return f"ProviderPatch(kind={self.kind!r})"


class ProviderView(Struct, frozen=True, kw_only=True):
    """A stored provider, without its credentials.

    Attributes:
        credentials: names of the members that are set, never their values.
        credentials_unreadable: they were sealed with a key that is not in the key ring any more.
        revision: grows with every change, one of credentials included.
    """

    id: str
    name: str
    kind: ProviderKind
    base_url: str | None
    credentials: tuple[str, ...]
    credentials_unreadable: bool
    options: dict[str, object]
    enabled: bool
    revision: int


class LeadingRoute(Struct, frozen=True, kw_only=True):
    """A route that leads to a provider."""

    id: str
    model: str
    upstream_model: str


class ProviderRemoval(Struct, frozen=True, kw_only=True):
    """The provider as it was, and the routes that lead to it; with any it is not deleted."""

    deleted: bool
    item: ProviderView
    routes: tuple[LeadingRoute, ...]


class _Recorded(Struct, frozen=True, kw_only=True):
    """A provider in the audit trail: of each credential, whether it is set or was changed."""

    kind: ProviderKind
    base_url: str | None
    options: dict[str, object]
    enabled: bool
    authentication: tuple[str, ...]


ProviderChange = Row[ProviderEntry, ProviderPatch]


class ManageProviders:
    """Every change is a transaction of its own, one after the other on all replicas.

    A provider is named by its id or its name.
    """

    def __init__(
        self, uow: UnitOfWork, credentials: ProviderCredentials, clock: Clock, ids: IdGenerator
    ) -> None:
        """`credentials` seals them and tries each configuration before it is stored."""
        self._clock = clock
        self._uow = uow
        self._credentials = credentials
        self._ids = ids

    async def page(
        self, by: Actor, *, limit: int = 50, cursor: str | None = None
    ) -> Page[ProviderView]:
        """Return providers, oldest first.

        Raises:
            PermissionDenied
            InvalidRequest: a parameter is out of bounds; `param` names it.
        """
        by.require(Permission.PROVIDERS_READ)
        check_page(limit, cursor)
        async with self._uow.begin() as tx:
            found = sorted(await tx.providers.all(), key=lambda each: each.id)
        return page_of(found, limit=limit, cursor=cursor, key=lambda e: e.id, view=self._view)

    async def find(self, by: Actor, reference: str) -> Versioned[ProviderView]:
        """Return one provider. Raises `NotFound`, `PermissionDenied`."""
        by.require(Permission.PROVIDERS_READ)
        async with self._uow.begin() as tx:
            return self._versioned(await existing_provider(tx, reference))

    async def create(self, by: Actor, entry: ProviderEntry) -> Versioned[ProviderView]:
        """Store a new provider.

        Raises:
            PermissionDenied
            InvalidRequest: its configuration cannot work; `param` names the member.
            Conflict: the name is taken.
        """
        return (await self._changed(by, ProviderChange(op="create", entry=entry)))[1]

    async def update(
        self, by: Actor, reference: str, changes: ProviderPatch, *, if_match: str | None = None
    ) -> Versioned[ProviderView]:
        """Merge `changes` into a provider (RFC 7396), credentials member by member.

        Raises:
            NotFound: there is none.
            PreconditionFailed: it is not the version of `if_match`.
            PermissionDenied, InvalidRequest: as for `create`.
        """
        row = ProviderChange(op="update", id=reference, changes=changes)
        return (await self._changed(by, row, if_match=if_match))[1]

    async def delete(
        self, by: Actor, reference: str, *, if_match: str | None = None, dry_run: bool = False
    ) -> ProviderRemoval:
        """Delete a provider; with `dry_run`, only tell which routes would keep it.

        Raises:
            Conflict: a route leads to it.
            NotFound, PreconditionFailed, PermissionDenied
        """
        by.require(Permission.PROVIDERS_DELETE)
        async with self._uow.begin() as tx:
            found = await existing_provider(tx, reference)
            routes = _leading_to(found, await tx.models.all())
        if dry_run:
            shown = self._versioned(found)
            require_version(shown, if_match, "provider")
            return ProviderRemoval(deleted=False, item=shown.view, routes=routes)
        row = ProviderChange(op="delete", id=found.id)
        gone = (await self._changed(by, row, if_match=if_match))[1]
        return ProviderRemoval(deleted=True, item=gone.view, routes=())

    async def restore(self, by: Actor, provider_id: str) -> Versioned[ProviderView]:
        """Bring back a provider that was deleted within the last 30 days, as it was.

        Raises:
            NotFound: none of this id was deleted.
            Conflict: another provider has the name now.
            PermissionDenied
        """
        by.require(Permission.PROVIDERS_DELETE)
        async with self._uow.begin(exclusive=True) as tx:
            removed = await find_restorable(
                tx,
                RemovedKind.PROVIDER,
                provider_id,
                self._clock.now_ms(),
                missing="There is no deleted provider of this id.",
            )
            await tx.removed.restore(removed)
            found = await existing_provider(tx, provider_id)
            shown = self._versioned(found)
            tx.audit.record(by, "provider.restore", _target(found), after=self._recorded(found))
            await tx.commit()
        return shown

    async def bulk(
        self, by: Actor, rows: Sequence[ProviderChange], *, dry_run: bool = False
    ) -> list[Outcome[ProviderView]]:
        """Carry out each row on its own; with `dry_run` each is tried and nothing is kept.

        Raises:
            InvalidRequest: too many rows.
            ServiceUnavailable: the store does not answer; the rows before were carried out.
        """

        async def work(row: ProviderChange) -> tuple[Status, ProviderView]:
            status, done = await self._changed(by, row, dry_run=dry_run)
            return status, done.view

        return await each_on_its_own(rows, work)

    async def _changed(
        self, by: Actor, row: ProviderChange, *, if_match: str | None = None, dry_run: bool = False
    ) -> tuple[Status, Versioned[ProviderView]]:
        by.require(
            Permission.PROVIDERS_DELETE if row.op == "delete" else Permission.PROVIDERS_WRITE
        )
        async with self._uow.begin(exclusive=True) as tx:
            present = await existing_provider(tx, row.id or "") if row.op != "create" else None
            shown = self._versioned(present) if present is not None else None
            require_version(shown, if_match, "provider")
            wanted = await self._intended(row, present)
            if present is None:
                await tx.providers.add(wanted)
                status: Status = "created"
            elif row.op == "delete":
                if routes := _leading_to(present, await tx.models.all()):
                    models = ", ".join(sorted({route.model for route in routes}))
                    raise Conflict(f"Routes of these models lead to the provider: {models}.")
                await tx.providers.remove(present.id)
                status = "deleted"
            elif wanted == present:
                return "unchanged", self._versioned(present)
            else:
                await tx.providers.update(wanted)
                wanted = replace(wanted, revision=present.revision + 1)
                status = "updated"
            if not dry_run:
                tx.audit.record(
                    by,
                    f"provider.{VERBS[status]}",
                    _target(wanted),
                    before=self._recorded(present) if present is not None else None,
                    after=self._recorded(wanted, present) if status != "deleted" else None,
                )
                await tx.commit()
        return status, self._versioned(wanted)

    async def _intended(self, row: ProviderChange, present: ProviderSpec | None) -> ProviderSpec:
        """Return the provider as it is to be; of one that is to go, as it is."""
        if present is None:
            wanted = self._new(entry_of(row))
        elif row.op == "delete":
            return present
        else:
            wanted = self._merged(present, changes_of(row))
        if wanted != present and (fault := await self._credentials.fault(wanted)):
            raise fault
        return wanted

    def _new(self, entry: ProviderEntry) -> ProviderSpec:
        if fault := slug_fault(entry.name):
            refuse([f".name: {fault}"])
        provider_id = ProviderId(self._ids.new_id())
        return ProviderSpec(
            id=provider_id,
            name=entry.name,
            kind=entry.kind,
            base_url=entry.base_url,
            sealed_credentials=self._credentials.sealed(entry.credentials or {}, provider_id),
            options=entry.options,
            enabled=entry.enabled,
            revision=1,
        )

    def _merged(self, present: ProviderSpec, changes: ProviderPatch) -> ProviderSpec:
        if changes.kind is None:
            raise InvalidRequest("'kind' cannot be cleared.", param="kind")
        said: dict[str, object] = {}
        if changes.kind is not UNSET:
            said["kind"] = changes.kind
        if changes.base_url is not UNSET:
            said["base_url"] = changes.base_url
        if changes.enabled is not UNSET:
            said["enabled"] = changes.enabled is not False
        if changes.options is not UNSET:
            said["options"] = merge_patch(present.options, changes.options) or {}
        if changes.credentials is not UNSET:
            stored, _ = self._opened(present)
            wanted: object = merge_patch(stored, changes.credentials) or {}
            # Sealing gives another envelope every time: what is the same is left alone.
            if changes.credentials is None or wanted != stored:
                members = msgspec.convert(wanted, dict[str, object])
                said["sealed_credentials"] = self._credentials.sealed(members, present.id)
        return replace(present, **said)

    def _opened(self, provider: ProviderSpec) -> tuple[dict[str, object], bool]:
        """Return the stored credentials, and whether they could be read."""
        try:
            text = self._credentials.opened(provider)
        except InvalidRequest:
            return {}, False
        if text is None:
            return {}, True
        return msgspec.json.decode(text.reveal(), type=dict[str, object]), True

    def _view(self, provider: ProviderSpec) -> ProviderView:
        credentials, readable = self._opened(provider)
        return ProviderView(
            id=provider.id,
            name=provider.name,
            kind=provider.kind,
            base_url=provider.base_url,
            credentials=tuple(sorted(credentials)),
            credentials_unreadable=not readable,
            options=provider.options,
            enabled=provider.enabled,
            revision=provider.revision,
        )

    def _versioned(self, provider: ProviderSpec) -> Versioned[ProviderView]:
        return versioned(self._view(provider))

    def _recorded(self, provider: ProviderSpec, before: ProviderSpec | None = None) -> _Recorded:
        known = self._opened(before)[0] if before is not None else {}
        now = self._opened(provider)[0]
        return _Recorded(
            kind=provider.kind,
            base_url=provider.base_url,
            options=provider.options,
            enabled=provider.enabled,
            authentication=tuple(
                f"{name}: {'changed' if name in known and known[name] != value else 'set'}"
                for name, value in sorted(now.items())
            ),
        )


async def existing_provider(tx: Transaction, reference: str) -> ProviderSpec:
    """Return the provider of this id or name. Raises `NotFound`."""
    found = await tx.providers.all()
    for each in found:
        if each.id == reference:
            return each
    for each in found:
        if each.name == reference:
            return each
    raise NotFound(f"There is no provider '{reference}'.")


def _target(provider: ProviderSpec) -> AuditTarget:
    return AuditTarget(kind="provider", id=provider.id, name=provider.name)


def _leading_to(provider: ProviderSpec, models: Sequence[Model]) -> tuple[LeadingRoute, ...]:
    return tuple(
        LeadingRoute(id=route.id, model=model.name, upstream_model=route.upstream_model)
        for model in models
        for route in model.routes
        if route.provider_id == provider.id
    )
