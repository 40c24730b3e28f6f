"""Configuration documents that arrive over the network (console.md section 1)."""

from collections.abc import Mapping

from application.console.configuration.apply import ApplyConfiguration
from application.console.configuration.export import ExportConfiguration
from application.console.configuration.interpolation import Lookup, interpolate
from application.console.configuration.plan import Applied
from application.ports.unit_of_work import UnitOfWork
from domain.access.actor import Actor
from domain.access.permissions import Permission
from domain.access.rights import UNLIMITED
from domain.errors import BeyondOwnRights
from domain.records.audit import AuditTarget

_REFUSAL = (
    "references are resolved by 'thinkwatch apply' on the machine of who runs it, never by the "
    "server; write the value, or '$${' for a plain '${'"
)


class NoLookup(Lookup):
    """Resolves nothing: neither the environment nor the files of the server are a caller's."""

    def variable(self, name: str) -> str:
        """Refuse. Raises `LookupError`."""
        del name
        raise LookupError(_REFUSAL)

    def file(self, path: str) -> str:
        """Refuse. Raises `LookupError`."""
        del path
        raise LookupError(_REFUSAL)


class RemoteDocuments:
    """Plan, apply and export for callers of the API.

    A document can make users of any role, keys for anybody and limits for everything. So who
    applies one must be without limits, or he could give himself what he does not have.
    """

    def __init__(
        self, uow: UnitOfWork, configuration: ApplyConfiguration, export: ExportConfiguration
    ) -> None:
        """Take the use cases of the command line."""
        self._uow = uow
        self._configuration = configuration
        self._export = export

    async def plan(
        self, by: Actor, document: Mapping[str, object], *, prune: bool = False
    ) -> Applied:
        """Return what applying the document would do. Raises like `apply`, but for the rights."""
        return await self._apply(by, document, dry_run=True, prune=prune)

    async def apply(
        self, by: Actor, document: Mapping[str, object], *, prune: bool = False
    ) -> Applied:
        """Carry the document out: everything, or nothing at all.

        Raises:
            PermissionDenied: the actor may not apply documents.
            BeyondOwnRights: it names what the actor may not do himself.
            ValidationFailed: with every fault, references to the environment or files included.
            Conflict: a concurrent change won.
        """
        return await self._apply(by, document, dry_run=False, prune=prune)

    async def export(self, by: Actor) -> dict[str, object]:
        """Return the configuration as a document without secrets.

        Raises:
            PermissionDenied: the actor may not export.
        """
        by.require(Permission.CONFIG_EXPORT)
        async with self._uow.begin() as tx:
            tx.audit.record(by, "config.export", AuditTarget(kind="config"))
            await tx.commit()
        return await self._export.export()

    async def _apply(
        self, by: Actor, document: Mapping[str, object], *, dry_run: bool, prune: bool
    ) -> Applied:
        by.require(Permission.CONFIG_APPLY)
        if not dry_run and (beyond := by.rights.may_give(UNLIMITED)):
            raise BeyondOwnRights(beyond)
        source = interpolate(dict(document), NoLookup())
        return await self._configuration.apply(by, source, dry_run=dry_run, prune=prune)
