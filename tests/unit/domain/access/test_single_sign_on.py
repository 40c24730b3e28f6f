"""An identity provider's way from a draft into use, and what is safe to be sent to."""

import pytest
from msgspec.structs import replace

from domain.access.single_sign_on import (
    SsoAttempt,
    SsoProvider,
    SsoPurpose,
    SsoState,
    activated,
    check_answering_issuer,
    check_taken_up,
    disabled,
    discovered,
    edited,
    is_secure,
    issuer_fault,
    local_path,
    proven,
    provider_faults,
    usable,
)
from domain.access.sso_failures import SsoFailure, sso_failed
from domain.access.sso_presets import PRESETS, SsoPreset, issuer_from
from domain.errors import Conflict, InvalidRequest, SingleSignOnFailed
from domain.identifiers import UserId
from tests.support.configuration import NOW_MS
from tests.support.single_sign_on import (
    an_active_provider,
    an_attempt,
    an_sso_provider,
    some_metadata,
)


class TestLifecycle:
    def test_a_provider_is_discovered_and_tested_before_it_is_activated(self) -> None:
        draft = an_sso_provider()
        with pytest.raises(Conflict, match="Discover"):
            activated(draft)
        known = discovered(draft, some_metadata())
        with pytest.raises(Conflict, match="Test"):
            activated(known)
        assert activated(proven(known, now_ms=NOW_MS)).state is SsoState.ACTIVE

    @pytest.mark.parametrize(
        "change",
        [
            {"issuer": "https://other.example.com"},
            {"client_id": "other"},
            {"sealed_client_secret": "v1.other"},
            {"sealed_client_secret": None},
        ],
    )
    def test_another_connection_starts_from_the_beginning(self, change: dict[str, object]) -> None:
        active = replace(an_active_provider(), sealed_client_secret="v1.sealed")
        changed = edited(active, replace(active, **change))
        assert changed.state is SsoState.DRAFT
        assert (changed.metadata, changed.tested_at_ms) == (None, None)
        assert changed.connection == active.connection + 1
        with pytest.raises(Conflict):
            activated(changed)

    def test_rules_about_accounts_change_in_use(self) -> None:
        active = an_active_provider()
        wanted = replace(
            active, provisions=True, group_roles={"ops": "admin"}, scopes=("openid",), name="new"
        )
        assert edited(active, wanted) == wanted

    def test_an_edit_cannot_forge_what_the_lifecycle_owns(self) -> None:
        draft = an_sso_provider()
        forged = replace(
            an_active_provider(), id=draft.id, connection=9, revision=9, created_at_ms=1
        )
        assert edited(draft, forged) == draft

    def test_discovering_again_keeps_a_provider_in_use(self) -> None:
        active = an_active_provider()
        moved = some_metadata(userinfo_endpoint="https://u.example.com")
        assert discovered(active, moved) == replace(active, metadata=moved)

    def test_disabling_is_undone_without_a_test(self) -> None:
        off = disabled(an_active_provider())
        assert off.state is SsoState.DISABLED
        assert activated(off).state is SsoState.ACTIVE
        assert disabled(an_sso_provider()).state is SsoState.DRAFT


def reason_of(error: pytest.ExceptionInfo[SingleSignOnFailed]) -> str:
    return error.value.reason


class TestUse:
    @pytest.mark.parametrize("purpose", [SsoPurpose.LOGIN, SsoPurpose.LINK])
    def test_only_an_active_provider_signs_in(self, purpose: SsoPurpose) -> None:
        active = an_active_provider()
        assert usable(active, purpose) == active.metadata
        for state in (SsoState.DRAFT, SsoState.DISABLED):
            with pytest.raises(SingleSignOnFailed) as refused:
                usable(replace(active, state=state), purpose)
            assert reason_of(refused) == SsoFailure.PROVIDER_INACTIVE

    def test_a_test_needs_a_discovered_provider_only(self) -> None:
        draft = an_sso_provider()
        with pytest.raises(SingleSignOnFailed) as refused:
            usable(draft, SsoPurpose.TEST)
        assert reason_of(refused) == SsoFailure.NOT_DISCOVERED
        assert usable(discovered(draft, some_metadata()), SsoPurpose.TEST) == some_metadata()

    def _taken_up(
        self,
        attempt: SsoAttempt,
        provider: SsoProvider | None,
        *,
        binding: bytes = b"b" * 32,
        actor: str | None = None,
        now_ms: int = NOW_MS,
    ) -> SsoProvider:
        actor_id = None if actor is None else UserId(actor)
        return check_taken_up(
            attempt, provider, binding_hash=binding, actor_id=actor_id, now_ms=now_ms
        )

    def test_an_attempt_is_taken_up_by_who_began_it(self) -> None:
        provider = an_active_provider()
        assert self._taken_up(an_attempt(provider), provider) == provider
        assert self._taken_up(an_attempt(provider), provider, actor="somebody") == provider
        link = an_attempt(provider, purpose=SsoPurpose.LINK, actor_id=UserId("me"))
        assert self._taken_up(link, provider, actor="me") == provider

    def test_every_way_to_take_up_somebody_elses_attempt_is_refused(self) -> None:
        provider = an_active_provider()
        attempt = an_attempt(provider)
        link = an_attempt(provider, purpose=SsoPurpose.LINK, actor_id=UserId("me"))
        edited_since = replace(provider, connection=2)
        for reason, taking in {
            SsoFailure.OTHER_BROWSER: lambda: self._taken_up(attempt, provider, binding=b""),
            SsoFailure.ATTEMPT_EXPIRED: lambda: self._taken_up(
                attempt, provider, now_ms=attempt.expires_at_ms
            ),
            SsoFailure.OTHER_USER: lambda: self._taken_up(link, provider, actor="you"),
            SsoFailure.PROVIDER_INACTIVE: lambda: self._taken_up(attempt, None),
            SsoFailure.CONFIGURATION_CHANGED: lambda: self._taken_up(attempt, edited_since),
        }.items():
            with pytest.raises(SingleSignOnFailed) as refused:
                taking()
            assert reason_of(refused) == reason
        with pytest.raises(SingleSignOnFailed):
            self._taken_up(link, provider, actor=None)

    def test_the_issuer_in_an_answer_is_checked(self) -> None:
        quiet, telling = some_metadata(), some_metadata(sends_issuer=True)
        check_answering_issuer(quiet, None)
        check_answering_issuer(quiet, quiet.issuer)
        check_answering_issuer(telling, telling.issuer)
        for metadata, issuer in ((quiet, "https://e"), (telling, None), (telling, "https://e")):
            with pytest.raises(SingleSignOnFailed) as refused:
                check_answering_issuer(metadata, issuer)
            assert reason_of(refused) == SsoFailure.WRONG_ISSUER


class TestAddresses:
    @pytest.mark.parametrize(
        "issuer",
        [
            "https://login.example.com",
            "https://login.example.com:8443/realms/acme",
            "https://login.example.com/",
            "http://localhost:9000",
            "http://127.0.0.1:9000",
            "http://[::1]:9000",
        ],
    )
    def test_an_issuer_is_https_or_on_this_machine(self, issuer: str) -> None:
        assert issuer_fault(issuer) is None
        assert is_secure(issuer)

    @pytest.mark.parametrize(
        "issuer",
        [
            "",
            "login.example.com",
            "http://login.example.com",
            "http://localhost.example.com",
            "http://127.0.0.1.example.com",
            "ftp://login.example.com",
            "https://",
            "https://user@login.example.com",
            "https://login.example.com?tenant=1",
            "https://login.example.com?",
            "https://login.example.com#x",
            "https://login.example.com:port",
            "https://login.exam ple.com",
            "https://login.example.com/\n",
            "https://[login.example.com",
            "https://" + "a" * 500,
        ],
    )
    def test_anything_else_is_none(self, issuer: str) -> None:
        assert issuer_fault(issuer) is not None

    def test_an_endpoint_of_a_provider_on_the_network_is_never_on_this_machine(self) -> None:
        assert not is_secure("http://127.0.0.1/token", loopback=False)
        assert is_secure("https://login.example.com/token", loopback=False)

    @pytest.mark.parametrize("path", ["/", "/keys?state=active", "/a/b"])
    def test_a_path_on_this_server_is_kept(self, path: str) -> None:
        assert local_path(path) == path

    @pytest.mark.parametrize(
        "path",
        [
            "",
            "keys",
            "//evil.example.com",
            "/\\evil.example.com",
            "https://evil.example.com",
            "/\tevil",
            "/a\r\nb",
            "/ a",
            "/" + "a" * 1000,
        ],
    )
    def test_whatever_may_lead_elsewhere_becomes_the_front_page(self, path: str) -> None:
        assert local_path(path) == "/"


class TestFaults:
    def test_a_sound_provider_has_none(self) -> None:
        assert provider_faults(an_sso_provider(group_claim="groups", group_roles={"a": "b"})) == []

    @pytest.mark.parametrize(
        ("field", "value"),
        [
            ("name", "no/slash"),
            ("display_name", " spaces "),
            ("issuer", "http://login.example.com"),
            ("client_id", ""),
            ("scopes", ("email",)),
            ("scopes", ("openid", "two words")),
            ("allowed_domains", frozenset({"Example.com"})),
            ("allowed_domains", frozenset({"@example.com"})),
            ("group_roles", {"": "admin"}),
            ("group_roles", {str(number): "admin" for number in range(201)}),
            ("group_teams", {"ops": "x" * 501}),
            ("default_role", ""),
            ("group_claim", " groups"),
        ],
    )
    def test_each_fault_names_its_field(self, field: str, value: object) -> None:
        sound = an_sso_provider(group_claim="groups")
        assert [name for name, _ in provider_faults(replace(sound, **{field: value}))] == [field]

    def test_groups_are_mapped_by_a_claim(self) -> None:
        provider = an_sso_provider(group_teams={"ops": "core"})
        assert provider_faults(provider) == [("group_claim", "is needed to map groups")]


class TestPresets:
    @pytest.mark.parametrize("preset", [each for each in SsoPreset if each != SsoPreset.CUSTOM])
    def test_a_preset_with_its_examples_is_a_sound_provider(self, preset: SsoPreset) -> None:
        facts = PRESETS[preset]
        issuer = issuer_from(preset, {field.name: field.example for field in facts.fields})
        provider = an_sso_provider(
            preset=preset, issuer=issuer, scopes=facts.scopes, group_claim=facts.group_claim
        )
        assert provider_faults(provider) == []
        assert facts.notes

    def test_every_preset_has_facts(self) -> None:
        assert set(PRESETS) == set(SsoPreset)

    @pytest.mark.parametrize(
        ("preset", "values", "param"),
        [
            (SsoPreset.KEYCLOAK, {"domain": "login.example.com"}, "realm"),
            (SsoPreset.KEYCLOAK, {"domain": "login.example.com/x", "realm": "a"}, "domain"),
            (SsoPreset.KEYCLOAK, {"domain": "login.example.com", "realm": "../x"}, "realm"),
            (SsoPreset.OKTA, {"domain": "evil.com#"}, "domain"),
            (SsoPreset.GOOGLE, {"domain": "example.com"}, "domain"),
            (SsoPreset.CUSTOM, {}, "issuer"),
        ],
    )
    def test_what_does_not_fit_the_template_is_refused(
        self, preset: SsoPreset, values: dict[str, str], param: str
    ) -> None:
        with pytest.raises(InvalidRequest) as refused:
            issuer_from(preset, values)
        assert refused.value.param == param


def test_every_reason_has_a_sentence_and_keeps_its_detail_apart() -> None:
    for reason in SsoFailure:
        error = sso_failed(reason, "x" * 9000)
        assert error.reason == reason.value
        assert error.message.endswith(".")
        assert "x" * 10 not in error.message
        assert len(error.detail) == 500
