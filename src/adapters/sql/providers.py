"""Repository of providers."""

from collections.abc import Sequence

from sqlalchemy import Update, func, insert, select, update

from adapters.sql.session import Session
from adapters.sql.tables import ProviderRow, RouteRow
from application.ports.change_feed import Section
from application.ports.repositories import Providers
from domain.errors import Conflict, NotFound
from domain.identifiers import ProviderId
from domain.routing.catalog import ProviderKind, ProviderSpec

_LIVE = ProviderRow.deleted_at.is_(None)


async def read_providers(session: Session) -> list[ProviderSpec]:
    """Return all providers, oldest first."""
    rows = await session.rows(
        select(ProviderRow).where(_LIVE).order_by(ProviderRow.created_at, ProviderRow.id)
    )
    return [
        ProviderSpec(
            id=ProviderId(row.id),
            name=row.name,
            kind=ProviderKind(row.kind),
            base_url=row.base_url,
            sealed_credentials=row.sealed_credentials,
            options=row.options,
            enabled=row.enabled,
            revision=row.revision,
        )
        for row in rows
        # A kind that only a newer version knows: that version wrote it, this one leaves it alone.
        if row.kind in set(ProviderKind)
    ]


class SqlProviders(Providers):
    """Rows of `providers`."""

    def __init__(self, session: Session) -> None:
        """Works inside the transaction of `session`."""
        self._session = session

    async def all(self) -> Sequence[ProviderSpec]:
        """Return all providers, oldest first."""
        return await read_providers(self._session)

    async def add(self, provider: ProviderSpec) -> None:
        """Store a provider at revision 1."""
        await self._session.change(
            insert(ProviderRow).values(
                id=provider.id,
                name=provider.name,
                kind=provider.kind.value,
                base_url=provider.base_url,
                sealed_credentials=provider.sealed_credentials,
                options=provider.options,
                enabled=provider.enabled,
                revision=1,
                created_at=func.now(),
            ),
            Section.CATALOG,
        )

    async def update(self, provider: ProviderSpec) -> None:
        """Replace everything but id and name; the revision grows by one."""
        await self._one(
            update(ProviderRow)
            .where(ProviderRow.id == provider.id, _LIVE)
            .values(
                kind=provider.kind.value,
                base_url=provider.base_url,
                sealed_credentials=provider.sealed_credentials,
                options=provider.options,
                enabled=provider.enabled,
                revision=ProviderRow.revision + 1,
            )
        )

    async def remove(self, provider_id: ProviderId) -> None:
        """Mark the provider as deleted.

        Locking the row keeps routes from being added meanwhile: their foreign key locks it too.
        """
        await self._session.rows(
            select(ProviderRow).where(ProviderRow.id == provider_id).with_for_update()
        )
        if await self._session.first(select(RouteRow).where(RouteRow.provider_id == provider_id)):
            raise Conflict("The provider is still used by a route.")
        await self._one(
            update(ProviderRow)
            .where(ProviderRow.id == provider_id, _LIVE)
            .values(deleted_at=func.now())
        )

    async def _one(self, statement: Update) -> None:
        if await self._session.change(statement, Section.CATALOG) == 0:
            raise NotFound("There is no such provider.")
