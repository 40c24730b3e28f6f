"""What a stored provider configuration becomes: URL, headers, proxy; and what is refused."""

from typing import Any

import pytest
from msgspec import structs

from adapters.providers.azure_openai import AzureCredential
from adapters.providers.entra_credentials import EntraClient
from adapters.providers.factory import ProvidersByKind
from adapters.providers.provider_config import (
    KeyCredential,
    OpenedCredentials,
    open_credentials,
    private_texts,
)
from adapters.upstream.http11 import Http11Transport
from adapters.upstream.options import TransportOptions
from application.ports.upstream import UpstreamTransport
from domain.errors import InvalidRequest, UpstreamRejected
from domain.routing.catalog import ProviderKind, ProviderSpec
from tests.support.captured import CannedResponse, CapturedTransport
from tests.support.openai_bodies import completion
from tests.support.provider_calls import StoppedClock, cipher, provider_call, provider_spec

LOCAL = "http://localhost:8000/v1"
OWN = {"content-type", "accept", "accept-encoding", "user-agent", "x-request-id"}


async def sent(**spec: Any) -> tuple[str, dict[str, str]]:
    """Return the URL of a call, and the headers that depend on the configuration."""
    given: dict[str, Any] = {"base_url": LOCAL} | spec
    transport = CapturedTransport(CannedResponse(200, completion()))
    factory = ProvidersByKind(cipher(), lambda _spec, _proxy: transport, StoppedClock())
    provider = factory.build(provider_spec(**given))
    reply = await provider.open(provider_call())
    await reply.aclose()
    await provider.aclose()
    assert transport.closed == 1
    (headers,) = transport.header_sets
    return transport.urls[0], {k: v for k, v in headers.items() if k not in OWN}


def build(**spec: Any) -> list[str | None]:
    """Build a provider and return the proxies its transports were made for."""
    proxies: list[str | None] = []

    def transport(_: ProviderSpec, proxy: str | None) -> UpstreamTransport:
        proxies.append(proxy)
        return Http11Transport(TransportOptions())

    given: dict[str, Any] = {"base_url": LOCAL} | spec
    ProvidersByKind(cipher(), transport, StoppedClock()).build(provider_spec(**given))
    return proxies


def refused(**spec: Any) -> InvalidRequest:
    with pytest.raises(InvalidRequest) as caught:
        build(**spec)
    return caught.value


async def test_openai_has_a_default_url_and_others_do_not() -> None:
    url, _ = await sent(kind=ProviderKind.OPENAI, base_url=None, credentials={"api_key": "sk-1"})
    assert url == "https://api.openai.com/v1/chat/completions"
    error = refused(base_url=None)
    assert error.param == "base_url"
    assert "http://localhost" in error.message  # an example of what to give


@pytest.mark.parametrize(
    ("base_url", "expected"),
    [
        ("http://localhost:8000/v1", "http://localhost:8000/v1/chat/completions"),
        ("https://vllm.example/openai/v1/", "https://vllm.example/openai/v1/chat/completions"),
        ("http://[::1]:8000", "http://[::1]:8000/chat/completions"),
    ],
)
async def test_the_operation_is_appended_to_the_base_url(base_url: str, expected: str) -> None:
    url, _ = await sent(base_url=base_url)
    assert url == expected


@pytest.mark.parametrize(
    "base_url",
    [
        "",
        "localhost:8000",
        "ftp://host/v1",
        "http://",
        "http:///v1",
        "http://host:99999/v1",
        "http://[::1/v1",
        "http://user:pass@host/v1",
        "http://user@host/v1",
        "http://host/v1?api-version=1",
        "http://host/v1?",
        "http://host/v1#x",
        "http://host/v 1",
        "http://host/v1\r\nx: y",
        "http://hôst/v1",
    ],
)
def test_a_base_url_that_cannot_work_is_refused(base_url: str) -> None:
    assert refused(base_url=base_url).param == "base_url"


@pytest.mark.parametrize("kind", [ProviderKind.OPENAI, ProviderKind.ANTHROPIC, ProviderKind.GEMINI])
def test_vendors_need_a_credential(kind: ProviderKind) -> None:
    error = refused(kind=kind, base_url=None)
    assert (error.param, "API key" in error.message) == ("credentials", True)


async def test_compatible_servers_need_no_credential() -> None:
    assert await sent() == ("http://localhost:8000/v1/chat/completions", {})


async def test_a_key_becomes_a_bearer_token() -> None:
    _, headers = await sent(credentials={"api_key": "sk-1"})
    assert headers == {"authorization": "Bearer sk-1"}


async def test_secret_headers_may_carry_the_credential() -> None:
    secret = {"headers": {"Authorization": "Basic abc", "Api-Key": "k"}}
    expected = {"authorization": "Basic abc", "api-key": "k"}
    assert (await sent(credentials=secret))[1] == expected
    assert (await sent(credentials=secret, kind=ProviderKind.OPENAI))[1] == expected


@pytest.mark.parametrize(
    ("credentials", "param"),
    [
        ("not json", "credentials"),
        ("[]", "credentials"),
        ({"api_key": 7}, "credentials"),
        ({"apikey": "schlüssel"}, "credentials"),
        ({"api_key": ""}, "credentials.api_key"),
        ({"api_key": "schl\r\nb"}, "credentials.api_key"),
        ({"api_key": " schl"}, "credentials.api_key"),
        ({"api_key": "schlüssel"}, "credentials.api_key"),
        ({"headers": {"host": "schl"}}, "credentials.headers.host"),
        ({"headers": {"x": "schl\nb"}}, "credentials.headers.x"),
        (
            {"api_key": "schl", "headers": {"authorization": "schl"}},
            "credentials.headers.authorization",
        ),
        ({"any_of": "schl"}, "credentials"),
        ({"any_of": []}, "credentials.any_of"),
        ({"any_of": [{"api_key": "schl"}] * 17}, "credentials.any_of"),
        ({"any_of": [{"api_key": "a"}], "api_key": "schl"}, "credentials.any_of"),
        ({"any_of": [{"api_key": "a"}, {"api_key": "schlüssel"}]}, "credentials.api_key"),
    ],
)
def test_credentials_that_cannot_work_are_refused_without_quoting_them(
    credentials: Any, param: str
) -> None:
    error = refused(credentials=credentials)
    assert error.param == param
    assert "schl" not in error.message


def test_one_of_several_credentials_without_a_key_is_refused_where_one_is_needed() -> None:
    keys = {"any_of": [{"api_key": "sk-1"}, {}]}
    assert refused(kind=ProviderKind.OPENAI, credentials=keys).param == "credentials"


def test_credentials_of_another_provider_do_not_open() -> None:
    spec = provider_spec(base_url=LOCAL, credentials={"api_key": "k"}, provider_id="one")
    stolen = structs.replace(spec, id=provider_spec(provider_id="two").id)
    with pytest.raises(InvalidRequest):
        open_credentials(stolen, cipher())


@pytest.mark.parametrize(
    ("options", "param"),
    [
        ({"headers": {"Authorization": "Bearer x"}}, "options.headers.authorization"),
        ({"headers": {"Cookie": "x"}}, "options.headers.cookie"),
        ({"headers": {"Host": "x"}}, "options.headers.host"),
        ({"headers": {"Content-Length": "1"}}, "options.headers.content-length"),
        ({"headers": {"Transfer-Encoding": "chunked"}}, "options.headers.transfer-encoding"),
        ({"headers": {"x-request-id": "1"}}, "options.headers.x-request-id"),
        ({"headers": {"x y": "1"}}, "options.headers"),
        ({"headers": {"": "1"}}, "options.headers"),
        ({"headers": {"x": "a\r\nb"}}, "options.headers.x"),
        ({"headers": {"x": 1}}, "options.headers"),
        ({"headers": {"X": "1", "x": "2"}}, "options.headers.x"),
        ({"headers": {f"x{index}": "1" for index in range(33)}}, "options.headers"),
        ({"headers": ["x"]}, "options.headers"),
        ({"organization": "a b"}, "options.organization"),
        ({"organization": 7}, "options.organization"),
        ({"project": ""}, "options.project"),
        ({"stream_usage": "no"}, "options.stream_usage"),
        ({"api": "assistants"}, "options.api"),
        ({"on_disconnect": "wait"}, "options.on_disconnect"),
        ({"transport": "http3"}, "options.transport"),
        ({"proxy": 1}, "options.proxy"),
        ({"proxy": "http://proxy:3128", "transport": "http11"}, "options.proxy"),
        ({"proxy": "proxy:3128"}, "options.proxy"),
        ({"proxy": "http://proxy:99999"}, "options.proxy"),
        ({"ca_pem": None}, "options.ca_pem"),
        ({"nonsense": 1}, "options.nonsense"),
    ],
)
def test_options_that_cannot_work_are_refused_by_name(options: Any, param: str) -> None:
    assert refused(options=options).param == param


@pytest.mark.parametrize(
    "name",
    [
        "Authorization",
        "Proxy-Authorization",
        "Cookie",
        "X-Api-Key",
        "api-key",
        "x-goog-api-key",
        "Ocp-Apim-Subscription-Key",
        "X-Auth-Token",
        "my_secret",
        "key",
    ],
)
def test_a_header_that_looks_like_a_credential_belongs_in_the_credentials(name: str) -> None:
    error = refused(options={"headers": {"X-Title": "a", name: "hidden"}})
    assert error.param == f"options.headers.{name.lower()}"
    assert "credentials.headers" in error.message
    assert "hidden" not in error.message


async def test_a_header_that_merely_contains_such_a_word_is_public() -> None:
    _, headers = await sent(options={"headers": {"X-Monkey": "1", "keyboard": "2"}})
    assert headers == {"x-monkey": "1", "keyboard": "2"}


async def test_account_options_of_openai_become_headers() -> None:
    _, headers = await sent(options={"organization": "org-1", "project": "proj_1"})
    assert headers == {"openai-organization": "org-1", "openai-project": "proj_1"}


@pytest.mark.parametrize(
    "proxy", ["http://corp:Pr0xyPass@proxy:3128", "http://corp@proxy", "corp:Pr0xyPass@proxy"]
)
def test_a_proxy_with_a_password_belongs_in_the_credentials(proxy: str) -> None:
    error = refused(options={"proxy": proxy})
    assert error.param == "options.proxy"
    assert "credentials.proxy" in error.message
    assert "Pr0xyPass" not in error.message


def test_the_transport_is_made_for_the_opened_proxy() -> None:
    secret = "http://corp:Pr0xy%40Pass@proxy:3128"
    assert build() == [None]
    assert build(options={"proxy": "http://proxy:3128"}) == ["http://proxy:3128"]
    assert build(credentials={"proxy": secret}) == [secret]
    assert build(credentials={"proxy": secret, "any_of": [{"api_key": "a"}]}) == [secret]


def test_what_a_proxy_is_asked_with_stays_private() -> None:
    private = private_texts(LOCAL, "http://corp:Pr0xy%40Pass@proxy.example:3128", ["sk-1234"])
    assert {"Pr0xy%40Pass", "Pr0xy@Pass", "proxy.example", "localhost", "sk-1234"} <= set(private)


async def test_no_secret_of_the_configuration_reaches_a_client_in_a_message() -> None:
    texts = ["very-private", "secret-header-text", "Pr0xy@Pass", "proxy.corp", "public-header-text"]
    transport = CapturedTransport(CannedResponse(400, {"error": {"message": " ".join(texts)}}))
    factory = ProvidersByKind(cipher(), lambda _spec, _proxy: transport, StoppedClock())
    provider = factory.build(
        provider_spec(
            base_url=LOCAL,
            credentials={
                "any_of": [{"api_key": "very-private"}, {"headers": {"x": "secret-header-text"}}],
                "proxy": "http://corp:Pr0xy%40Pass@proxy.corp:3128",
            },
            options={"headers": {"x-tenant": "public-header-text"}},
        )
    )
    with pytest.raises(UpstreamRejected) as caught:
        await provider.open(provider_call())
    assert caught.value.message == " ".join(["[removed]"] * len(texts))


@pytest.mark.parametrize(
    ("proxy", "options"),
    [
        ("", {}),
        ("socks5://corp:Pr0xyPass@proxy", {}),
        ("http://corp:Pr0xyPass@proxy:port", {}),
        ("http://corp:Pr0xyPass@pro xy", {}),
        ("http://corp:Pr0xyPass@proxy", {"transport": "http11"}),
        ("http://corp:Pr0xyPass@proxy", {"proxy": "http://proxy"}),
    ],
)
def test_a_sealed_proxy_that_cannot_work_is_refused_without_quoting_it(
    proxy: str, options: dict[str, object]
) -> None:
    error = refused(credentials={"proxy": proxy}, options=options)
    assert error.param == "credentials.proxy"
    assert "Pr0xyPass" not in error.message


def test_nothing_secret_is_in_a_representation() -> None:
    spec = provider_spec(base_url=LOCAL, credentials={"api_key": "sk-1234"})
    shown = [
        repr(open_credentials(spec, cipher())),
        repr(OpenedCredentials(({"api_key": "sk-1234"},), "http://u:sk-1234@p")),
        repr(KeyCredential(api_key="sk-1234")),
        repr(AzureCredential(client_secret="sk-1234")),
        repr(EntraClient(tenant_id="t", client_id="c", client_secret="sk-1234")),
    ]
    assert not [text for text in shown if "sk-1234" in text]
