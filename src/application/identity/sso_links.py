"""A user's own links to identity providers: seen, made, taken away."""

from datetime import datetime

from msgspec import Struct

from application.identity.passwords import signed_in
from application.identity.single_sign_on import Begun, SingleSignOn
from application.instants import instant
from application.ports.unit_of_work import Transaction, UnitOfWork
from domain.access.actor import Actor
from domain.access.single_sign_on import SsoIdentity, SsoProvider, SsoState
from domain.errors import Conflict, NotFound
from domain.identifiers import UserId
from domain.records.audit import AuditTarget


class LastWayIn(Conflict):
    """Without this link the user could not sign in any more."""

    code = "last_way_in"

    def __init__(self) -> None:
        """Fixed text."""
        super().__init__("You could not sign in any more; ask an administrator for a password.")


class SsoLinkView(Struct, frozen=True, kw_only=True):
    """Who a user is at a provider; `usable` while the provider signs people in."""

    provider_id: str
    name: str
    display_name: str
    issuer: str
    subject: str
    usable: bool
    linked_at: datetime


class OwnSsoLinks:
    """Needs a session: a key that leaks must not become a way to sign in."""

    def __init__(self, uow: UnitOfWork, sso: SingleSignOn) -> None:
        """Take the port and what begins rounds."""
        self._uow = uow
        self._sso = sso

    async def all(self, by: Actor) -> tuple[SsoLinkView, ...]:
        """Return the links of whoever acts, oldest first. Raises `SessionRequired`."""
        user_id = signed_in(by)
        async with self._uow.begin() as tx:
            found = await _links(tx, user_id)
        return tuple(_view(link, provider) for link, provider in found)

    async def begin(
        self, by: Actor, name: str, *, redirect_uri: str, return_path: str = "/"
    ) -> Begun:
        """Send a user to the provider of this name, to link the account there with the one here.

        Raises:
            SessionRequired
            SingleSignOnFailed: there is no such provider in use.
        """
        signed_in(by)
        return await self._sso.begin_link(
            by, name, redirect_uri=redirect_uri, return_path=return_path
        )

    async def remove(self, by: Actor, name: str) -> SsoLinkView:
        """Take one's own links to the provider of this name away; return what was there.

        Raises:
            SessionRequired
            NotFound: there is none.
            LastWayIn: there is neither a password nor another provider to sign in through.
        """
        user_id = signed_in(by)
        # Exclusive: two links that are taken away at once must see each other.
        async with self._uow.begin(exclusive=True) as tx:
            found = await _links(tx, user_id)
            gone = [(link, provider) for link, provider in found if provider.name == name]
            if not gone:
                raise NotFound("You are not linked to this identity provider.")
            left = any(_opens(*each) for each in found if each not in gone)
            if not left and await tx.users.password_hash(user_id) is None:
                raise LastWayIn
            link, provider = gone[0]
            await tx.sso_identities.remove(provider.id, user_id)
            target = AuditTarget(kind="user", id=user_id, name=by.name)
            tx.audit.record(by, "user.unlink", target, before=link)
            await tx.commit()
        return _view(link, provider)


async def _links(tx: Transaction, user_id: UserId) -> list[tuple[SsoIdentity, SsoProvider]]:
    providers = {each.id: each for each in await tx.sso_providers.all()}
    return [
        (link, providers[link.provider_id])
        for link in await tx.sso_identities.of_user(user_id)
        if link.provider_id in providers
    ]


def _opens(link: SsoIdentity, provider: SsoProvider) -> bool:
    return provider.state is SsoState.ACTIVE and provider.issuer == link.issuer


def _view(link: SsoIdentity, provider: SsoProvider) -> SsoLinkView:
    return SsoLinkView(
        provider_id=provider.id,
        name=provider.name,
        display_name=provider.display_name,
        issuer=link.issuer,
        subject=link.subject,
        usable=_opens(link, provider),
        linked_at=instant(link.linked_at_ms),
    )
