"""From a draft to people who sign in and out, with providers that nobody here wrote."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from adapters.memory.change_feed import MemoryChangeFeed
from adapters.sql.engine import create_engine
from adapters.sql.unit_of_work import SqlUnitOfWork
from adapters.system.clock import SystemClock
from adapters.system.identifiers import UuidGenerator
from application.identity.single_sign_on import Linked, Proven, SignedIn
from domain.access.single_sign_on import SsoProvider, SsoState
from domain.access.sso_decision import Provision
from domain.access.sso_failures import SsoFailure
from domain.errors import Conflict, SingleSignOnFailed
from domain.secret import Secret
from tests.support.clients.oidc_providers import (
    LOGGED_OUT,
    SECRET,
    certified_provider,
    mock_provider,
)
from tests.support.identity_provider import REDIRECT
from tests.support.sso_services import Services, memory_store, services, visit

PASSWORD = {"password": "anything"}


@pytest.fixture(scope="module")
def certified(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A certified provider that has claims at its userinfo endpoint only."""
    with certified_provider(tmp_path_factory.mktemp("certified")) as issuer:
        yield issuer


@pytest.fixture(scope="module")
def mock(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with mock_provider(tmp_path_factory.mktemp("mock")) as issuer:
        yield issuer


@pytest.fixture
async def in_sql(postgres_url: str) -> AsyncIterator[Services]:
    engine, clock = create_engine(postgres_url), SystemClock()
    uow = SqlUnitOfWork(engine, MemoryChangeFeed(), clock, UuidGenerator())
    async with services(uow, clock) as built:
        yield built
    await engine.dispose()


@pytest.fixture
async def in_memory() -> AsyncIterator[Services]:
    clock = SystemClock()
    async with services(memory_store(clock)[1], clock) as built:
        yield built


async def sign_in(there: Services, person: str) -> SignedIn:
    begun = await there.sso.begin_sign_in("corporate", redirect_uri=REDIRECT, return_path="/keys")
    back = await visit(begun.url, {"login": person, "sub": person, **PASSWORD})
    finished = await there.finish(begun, back)
    assert isinstance(finished, SignedIn)
    return finished


async def activated(there: Services, issuer: str) -> SsoProvider:
    """Go the administrator's way."""
    draft = await there.draft(
        issuer,
        client_secret=Secret(SECRET),
        scopes=("openid", "email", "profile", "groups"),
        group_claim="groups",
        group_roles={"developers": "developer", "platform": "team_manager"},
        provisions=True,
        default_role="viewer",
        ends_session=True,
    )
    with pytest.raises(SingleSignOnFailed):
        await there.sso.begin_sign_in("corporate", redirect_uri=REDIRECT)
    await there.manage.discover(there.admin, draft.id)
    with pytest.raises(Conflict, match="Test"):
        await there.manage.activate(there.admin, draft.id)
    begun = await there.sso.begin_test(there.admin, draft.id, redirect_uri=REDIRECT)
    back = await visit(begun.url, {"login": "jane", "sub": "jane", **PASSWORD})
    tested = await there.finish(begun, back, by=there.admin)
    assert isinstance(tested, Proven)
    assert isinstance(tested.decision, Provision)
    assert tested.decision.standing.role == "team_manager"
    active = await there.manage.activate(there.admin, draft.id, expected=tested.provider.revision)
    assert active.state is SsoState.ACTIVE
    assert [each.name for each in await there.sso.offered()] == ["corporate"]
    return active


async def test_the_certified_provider_from_draft_to_logout(
    in_sql: Services, certified: str
) -> None:
    provider = await activated(in_sql, certified)
    first = await sign_in(in_sql, "jane")
    assert (first.user.email, first.user.role) == ("jane@example.com", "team_manager")
    assert (first.user.display_name, first.return_path) == ("Jane Doe", "/keys")
    again = await sign_in(in_sql, "jane")
    assert again.user.id == first.user.id
    logout = await in_sql.sso.logout_url(provider.id, id_token=again.id_token, return_to=LOGGED_OUT)
    assert logout is not None
    assert parse_qs(urlsplit(logout).query)["id_token_hint"] == [again.id_token.reveal()]
    assert await visit(logout, {"logout": "yes"}, until=LOGGED_OUT) == {}


async def test_the_certified_provider_refuses_codes_without_the_verifier_that_began(
    in_memory: Services, certified: str
) -> None:
    await activated(in_memory, certified)
    begun = await in_memory.sso.begin_sign_in("corporate", redirect_uri=REDIRECT)
    theirs = await in_memory.sso.begin_sign_in("corporate", redirect_uri=REDIRECT)
    back = await visit(begun.url, {"login": "jane", **PASSWORD})
    injected = {**back, "state": dict(parse_qs(urlsplit(theirs.url).query))["state"][0]}
    with pytest.raises(SingleSignOnFailed) as refused:
        await in_memory.finish(theirs, injected)
    assert refused.value.reason == SsoFailure.CODE_REFUSED


async def test_who_declines_at_the_certified_provider_is_not_signed_in(
    in_memory: Services, certified: str
) -> None:
    await activated(in_memory, certified)
    begun = await in_memory.sso.begin_sign_in("corporate", redirect_uri=REDIRECT)
    back = await visit(begun.url, None)
    assert (back["error"], back["iss"]) == ("access_denied", certified)
    with pytest.raises(SingleSignOnFailed) as refused:
        await in_memory.finish(begun, back)
    assert refused.value.reason == SsoFailure.PROVIDER_REFUSED


@pytest.mark.parametrize(("method", "conform"), [("client_secret_post", False)])
async def test_the_certified_provider_with_claims_in_the_token_and_the_secret_in_the_body(
    in_memory: Services, tmp_path: Path, *, method: str, conform: bool
) -> None:
    with certified_provider(tmp_path, method=method, conform=conform) as issuer:
        provider = await activated(in_memory, issuer)
        assert provider.metadata is not None
        assert provider.metadata.sends_issuer
        assert (await sign_in(in_memory, "jane")).user.email == "jane@example.com"


async def test_the_mock_from_draft_to_linked_account(in_memory: Services, mock: str) -> None:
    await activated(in_memory, mock)
    assert (await sign_in(in_memory, "jane")).user.role == "team_manager"
    begun = await in_memory.sso.begin_link(in_memory.admin, "corporate", redirect_uri=REDIRECT)
    back = await visit(begun.url, {"sub": "root"})
    linked = await in_memory.finish(begun, back, by=in_memory.admin)
    assert isinstance(linked, Linked)
    assert linked.user_id == in_memory.admin_user.id
    root = await sign_in(in_memory, "root")
    assert root.user.id == in_memory.admin_user.id
    assert root.user.role == "super_admin", "the last one keeps the role whatever groups say"
    with pytest.raises(SingleSignOnFailed) as refused:
        await sign_in(in_memory, "joe")
    assert refused.value.reason == SsoFailure.EMAIL_NOT_VERIFIED
