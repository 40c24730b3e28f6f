"""Azure OpenAI: where requests go, with what, and how tokens of Entra ID are kept."""

import asyncio
from typing import Any
from urllib.parse import parse_qs

import pytest
from msgspec import structs

from adapters.providers.entra_credentials import (
    REFRESH_BEFORE_S,
    TRY_AGAIN_AFTER_S,
    UNUSABLE_BEFORE_S,
)
from adapters.providers.factory import ProvidersByKind
from application.ports.provider import Provider
from application.ports.upstream import UpstreamRequest, UpstreamResponse
from domain.errors import (
    InvalidRequest,
    UpstreamCredentialRejected,
    UpstreamFailure,
    UpstreamRejected,
    UpstreamTimeout,
    UpstreamUnavailable,
)
from domain.routing.catalog import ProviderKind
from tests.support.captured import CannedResponse, CapturedTransport
from tests.support.manual_clock import ManualClock
from tests.support.openai_bodies import completion
from tests.support.provider_calls import (
    TIMEOUTS,
    cipher,
    provider_call,
    provider_spec,
    relayed,
)

BASE = "https://acme.openai.azure.com"
CLIENT = {"tenant_id": "tenant-1", "client_id": "client-1", "client_secret": "s3cret+/="}
TOKEN_URL = "https://login.microsoftonline.com/tenant-1/oauth2/v2.0/token"


def token(value: str = "tok", expires_in: Any = 3599) -> CannedResponse:
    body = {"token_type": "Bearer", "expires_in": expires_in, "access_token": value}
    return CannedResponse(200, body)


def ok() -> CannedResponse:
    return CannedResponse(200, completion())


class Resource:
    """A resource at Azure with its provider."""

    def __init__(self, *answers: CannedResponse | Exception, **spec: Any) -> None:
        self.clock = ManualClock()
        self.transport = CapturedTransport(*answers)
        factory = ProvidersByKind(cipher(), lambda _spec, _proxy: self.transport, self.clock)
        given: dict[str, Any] = {"base_url": BASE, "credentials": {"api_key": "k"}} | spec
        self.provider: Provider = factory.build(provider_spec(ProviderKind.AZURE_OPENAI, **given))

    async def ask(self, **call: Any) -> None:
        await relayed(await self.provider.open(provider_call(**call)))

    async def failure(self) -> UpstreamFailure:
        with pytest.raises(UpstreamFailure) as caught:
            await self.ask()
        return caught.value

    @property
    def bearers(self) -> list[str]:
        return [
            headers["authorization"].removeprefix("Bearer ")
            for url, headers in zip(self.transport.urls, self.transport.header_sets, strict=True)
            if url.startswith(BASE)
        ]

    @property
    def tokens_asked(self) -> int:
        return sum(url.startswith("https://login") for url in self.transport.urls)


def refused(**spec: Any) -> InvalidRequest:
    with pytest.raises(InvalidRequest) as caught:
        Resource(**spec)
    return caught.value


@pytest.mark.parametrize(
    ("options", "url"),
    [
        ({}, f"{BASE}/openai/v1/chat/completions"),
        ({"api_version": "v1"}, f"{BASE}/openai/v1/chat/completions"),
        ({"api_version": "preview"}, f"{BASE}/openai/v1/chat/completions?api-version=preview"),
        (
            {"api_version": "2024-10-21"},
            f"{BASE}/openai/deployments/my%2Fgpt%204o/chat/completions?api-version=2024-10-21",
        ),
    ],
)
async def test_the_deployment_is_in_the_body_or_encoded_in_the_path(
    options: dict[str, object], url: str
) -> None:
    resource = Resource(ok(), options=options)
    await resource.ask(upstream_model="my/gpt 4o")
    assert resource.transport.urls == [url]
    assert b'"my/gpt 4o"' in resource.transport.requests[0].body
    (headers,) = resource.transport.header_sets
    assert headers["api-key"] == "k"
    assert "authorization" not in headers


@pytest.mark.parametrize("suffix", ["", "/", "/openai", "/openai/", "/openai/v1", "/openai/v1/"])
async def test_what_the_portal_shows_as_the_endpoint_is_understood(suffix: str) -> None:
    resource = Resource(ok(), base_url=BASE + suffix)
    await resource.ask()
    assert resource.transport.urls == [f"{BASE}/openai/v1/chat/completions"]


@pytest.mark.parametrize(
    ("version", "bound", "usage_is_asked_for"),
    [
        ("v1", "max_completion_tokens", True),
        ("2024-09-01-preview", "max_completion_tokens", True),
        ("2024-06-01", "max_tokens", False),
    ],
)
async def test_older_versions_are_not_sent_what_they_do_not_know(
    version: str, bound: str, usage_is_asked_for: bool
) -> None:
    resource = Resource(CannedResponse(429), options={"api_version": version})
    call = structs.replace(provider_call(stream=True), output_bound=7)
    with pytest.raises(UpstreamFailure):
        await resource.provider.open(call)
    body = resource.transport.requests[0].body
    assert f'"{bound}":7'.encode() in body
    assert (b"include_usage" in body) is usage_is_asked_for


async def test_models_are_listed_where_the_version_has_them() -> None:
    listing: dict[str, Any] = {
        "data": [{"id": "gpt-4o"}, {"id": "o3", "capabilities": {}}],
        "object": "list",
    }
    for version, url in (
        ("v1", f"{BASE}/openai/v1/models"),
        ("2024-10-21", f"{BASE}/openai/models?api-version=2024-10-21"),
    ):
        resource = Resource(CannedResponse(200, listing), options={"api_version": version})
        models = await resource.provider.models(TIMEOUTS)
        assert [model.id for model in models] == ["gpt-4o", "o3"]
        assert resource.transport.urls == [url]


async def test_a_filtered_prompt_is_the_callers_to_change() -> None:
    """https://learn.microsoft.com/en-us/azure/ai-foundry/openai/concepts/content-filter"""
    error = {
        "message": "The response was filtered. See https://go.microsoft.com/fwlink/?linkid=1",
        "type": None,
        "param": "prompt",
        "code": "content_filter",
        "status": 400,
        "innererror": {
            "code": "ResponsibleAIPolicyViolation",
            "content_filter_result": {"hate": {"filtered": True, "severity": "high"}},
        },
    }
    failure = await Resource(CannedResponse(400, {"error": error})).failure()
    assert isinstance(failure, UpstreamRejected)
    assert (failure.status, failure.upstream_code, failure.param) == (
        400,
        "content_filter",
        "prompt",
    )
    assert failure.message == "The response was filtered. See [removed]"


@pytest.mark.parametrize(
    ("body", "status", "expected"),
    [
        ({"error": {"code": "401", "message": "Access denied"}}, 401, UpstreamCredentialRejected),
        ({"statusCode": 401, "message": "Unauthorized"}, 401, UpstreamCredentialRejected),
        ({"error": {"code": "DeploymentNotFound", "message": "no"}}, 404, UpstreamRejected),
    ],
)
async def test_errors_of_the_resource_are_classified(
    body: Any, status: int, expected: type[Exception]
) -> None:
    assert isinstance(await Resource(CannedResponse(status, body)).failure(), expected)


@pytest.mark.parametrize(
    ("options", "param"),
    [
        ({"api_version": "latest"}, "options.api_version"),
        ({"api_version": "2024-10-21&x=1"}, "options.api_version"),
        ({"api_version": 1}, "options.api_version"),
        ({"api_version": "2024-10-21", "api": "responses"}, "options.api"),
        ({"organization": "org-1"}, "options.organization"),
    ],
)
def test_options_that_cannot_work_are_refused(options: dict[str, object], param: str) -> None:
    assert refused(options=options).param == param


@pytest.mark.parametrize(
    ("credentials", "param"),
    [
        (None, "credentials"),
        ({}, "credentials"),
        ({"api_key": "k", **CLIENT}, "credentials.api_key"),
        ({"tenant_id": "t", "client_id": "hidden"}, "credentials.client_secret"),
        ({"client_id": "hidden", "client_secret": "hidden"}, "credentials.tenant_id"),
        ({"scope": "hidden"}, "credentials.tenant_id"),
        ({**CLIENT, "tenant_id": "hidden/../x"}, "credentials.tenant_id"),
        ({**CLIENT, "client_id": ""}, "credentials.client_id"),
        ({**CLIENT, "client_secret": "hidden\n"}, "credentials.client_secret"),
        ({**CLIENT, "scope": "hid den"}, "credentials.scope"),
        ({**CLIENT, "authority": "hidden.example"}, "credentials.authority"),
        ({**CLIENT, "authority": "https://u:hidden@x"}, "credentials.authority"),
        ({**CLIENT, "headers": {"authorization": "hidden"}}, "credentials.headers.authorization"),
        ({**CLIENT, "secret": "hidden"}, "credentials"),
    ],
)
def test_credentials_that_cannot_work_are_refused_without_quoting_them(
    credentials: Any, param: str
) -> None:
    error = refused(credentials=credentials)
    assert error.param == param
    assert "hidden" not in error.message


async def test_a_token_is_asked_for_once_and_put_into_requests() -> None:
    secret = CLIENT | {"headers": {"x-gateway": "apim"}}
    resource = Resource(token("abc"), ok(), ok(), credentials=secret)
    await resource.ask()
    await resource.ask()
    assert resource.transport.urls[0] == TOKEN_URL
    assert resource.tokens_asked == 1
    assert resource.bearers == ["abc", "abc"]
    assert resource.transport.header_sets[1]["x-gateway"] == "apim"
    asked = resource.transport.requests[0]
    assert asked.method == "POST"
    assert parse_qs(asked.body.decode()) == {
        "grant_type": ["client_credentials"],
        "client_id": [CLIENT["client_id"]],
        "client_secret": [CLIENT["client_secret"]],
        "scope": ["https://cognitiveservices.azure.com/.default"],
    }
    assert dict(asked.headers)[b"content-type"].startswith(b"application/x-www-form-urlencoded")


async def test_sovereign_clouds_have_their_own_authority_and_scope() -> None:
    mine = {
        "authority": "https://login.microsoftonline.us/",
        "scope": "https://x.azure.us/.default",
    }
    resource = Resource(token(), ok(), credentials=CLIENT | mine)
    await resource.ask()
    asked = resource.transport.requests[0]
    assert asked.url == "https://login.microsoftonline.us/tenant-1/oauth2/v2.0/token"
    assert b"scope=https%3A%2F%2Fx.azure.us%2F.default" in asked.body


async def test_a_token_is_renewed_before_it_expires() -> None:
    resource = Resource(token("one", "3600"), ok(), ok(), token("two"), ok(), credentials=CLIENT)
    await resource.ask()
    resource.clock.advance(3600 - REFRESH_BEFORE_S - 1)
    await resource.ask()
    resource.clock.advance(2)
    await resource.ask()
    assert resource.bearers == ["one", "one", "two"]


async def test_while_it_cannot_be_renewed_a_token_serves_until_its_end() -> None:
    away = UpstreamUnavailable(error_class="connect")
    resource = Resource(token("one"), ok(), away, ok(), ok(), away, ok(), away, credentials=CLIENT)
    await resource.ask()
    resource.clock.advance(3599 - REFRESH_BEFORE_S)
    await resource.ask()  # in vain
    await resource.ask()  # not again so soon
    assert resource.tokens_asked == 2
    resource.clock.advance(TRY_AGAIN_AFTER_S)
    await resource.ask()
    assert resource.tokens_asked == 3
    assert resource.bearers == ["one"] * 4
    resource.clock.advance(REFRESH_BEFORE_S - UNUSABLE_BEFORE_S)
    assert await resource.failure() is away


async def test_a_token_that_the_resource_refuses_is_not_used_again() -> None:
    resource = Resource(token("one"), CannedResponse(401), token("two"), ok(), credentials=CLIENT)
    assert isinstance(await resource.failure(), UpstreamCredentialRejected)
    await resource.ask()
    assert resource.bearers == ["one", "two"]


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (CannedResponse(401, {"error": "invalid_client"}), UpstreamCredentialRejected),
        (
            CannedResponse(
                400, {"error": "invalid_scope", "error_description": "AADSTS70011: s3cret"}
            ),
            UpstreamCredentialRejected,
        ),
        (CannedResponse(400, {"error": "temporarily_unavailable"}), UpstreamUnavailable),
        (CannedResponse(404, b"<html>no such tenant</html>"), UpstreamCredentialRejected),
        (CannedResponse(429, {"error": "too_many"}), UpstreamUnavailable),
        (CannedResponse(302), UpstreamUnavailable),
        (CannedResponse(500, b"oops"), UpstreamUnavailable),
        (CannedResponse(503, {"error": "invalid_client"}), UpstreamUnavailable),
        (CannedResponse(200, b"<html>"), UpstreamUnavailable),
        (CannedResponse(200, b"[]"), UpstreamUnavailable),
        (CannedResponse(200, {"token_type": "Bearer"}), UpstreamUnavailable),
        (token(expires_in="soon"), UpstreamUnavailable),
        (token("a\r\nx: y"), UpstreamUnavailable),
        (token(""), UpstreamUnavailable),
        (CannedResponse(200, b" " * 70_000), UpstreamUnavailable),
        (UpstreamTimeout("connect"), UpstreamTimeout),
    ],
)
async def test_a_token_that_is_not_to_be_had_is_a_failure_of_the_provider(
    answer: CannedResponse | Exception, expected: type[UpstreamFailure]
) -> None:
    resource = Resource(answer, credentials=CLIENT)
    failure = await resource.failure()
    assert type(failure) is expected
    assert "s3cret" not in failure.message
    assert resource.bearers == []
    assert all(given.closed for given in resource.transport.given)


async def test_a_key_helps_out_while_there_is_no_token() -> None:
    resource = Resource(
        CannedResponse(503), ok(), credentials={"any_of": [CLIENT, {"api_key": "k"}]}
    )
    await resource.ask()
    assert resource.transport.header_sets[-1]["api-key"] == "k"


class SlowIdentityService(CapturedTransport):
    """Answers for tokens when told to."""

    def __init__(self, answer: CannedResponse | Exception) -> None:
        super().__init__()
        self.always = ok()
        self.answer = answer
        self.asked = 0
        self.may_answer = asyncio.Event()
        self.was_asked = asyncio.Event()

    async def send(self, request: UpstreamRequest) -> UpstreamResponse:
        if not request.url.startswith("https://login"):
            return await super().send(request)
        self.asked += 1
        self.was_asked.set()
        await self.may_answer.wait()
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


def provider_on(transport: CapturedTransport) -> Provider:
    factory = ProvidersByKind(cipher(), lambda _spec, _proxy: transport, ManualClock())
    return factory.build(
        provider_spec(ProviderKind.AZURE_OPENAI, base_url=BASE, credentials=CLIENT)
    )


async def test_many_requests_at_once_wait_for_one_token() -> None:
    service = SlowIdentityService(token("one"))
    provider = provider_on(service)
    async with asyncio.TaskGroup() as group:
        calls = [group.create_task(provider.open(provider_call())) for _ in range(20)]
        await service.was_asked.wait()
        service.may_answer.set()
    assert service.asked == 1
    assert all(call.result().status == 200 for call in calls)


async def test_many_requests_at_once_share_one_failure() -> None:
    service = SlowIdentityService(UpstreamTimeout("first_byte"))
    provider = provider_on(service)
    calls = [asyncio.ensure_future(provider.open(provider_call())) for _ in range(20)]
    await service.was_asked.wait()
    service.may_answer.set()
    failures = await asyncio.gather(*calls, return_exceptions=True)
    assert service.asked == 1
    assert [type(failure) for failure in failures] == [UpstreamTimeout] * 20


async def test_a_request_that_gives_up_leaves_the_renewal_to_the_next() -> None:
    service = SlowIdentityService(token("one"))
    provider = provider_on(service)
    first = asyncio.ensure_future(provider.open(provider_call()))
    await service.was_asked.wait()
    second = asyncio.ensure_future(provider.open(provider_call()))
    await asyncio.sleep(0)
    first.cancel()
    service.may_answer.set()
    assert (await second).status == 200
    assert service.asked == 2
