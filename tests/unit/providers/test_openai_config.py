from typing import Any

import pytest
from adapters.providers.openai_config import Credentials, configure

from adapters.providers.factory import ProvidersByKind
from adapters.upstream.http11 import Http11Transport
from adapters.upstream.options import TransportOptions
from application.ports.upstream import UpstreamTransport
from domain.errors import InvalidRequest
from domain.routing.catalog import ProviderKind, ProviderSpec
from tests.support.provider_calls import StoppedClock, cipher, provider_spec

LOCAL = "http://localhost:8000/v1"


def headers_of(**spec: Any) -> dict[bytes, bytes]:
    given: dict[str, Any] = {"base_url": LOCAL} | spec
    return dict(configure(provider_spec(**given), cipher()).headers)


def refused(**spec: Any) -> str | None:
    given: dict[str, Any] = {"base_url": LOCAL} | spec
    with pytest.raises(InvalidRequest) as caught:
        configure(provider_spec(**given), cipher())
    return caught.value.param


def test_openai_has_a_default_url_and_others_do_not() -> None:
    openai = provider_spec(ProviderKind.OPENAI, credentials={"api_key": "sk-1"})
    assert configure(openai, cipher()).chat_url == "https://api.openai.com/v1/chat/completions"
    assert refused(base_url=None) == "base_url"


@pytest.mark.parametrize(
    ("base_url", "chat_url"),
    [
        ("http://localhost:8000/v1", "http://localhost:8000/v1/chat/completions"),
        ("https://vllm.example/openai/v1/", "https://vllm.example/openai/v1/chat/completions"),
        ("http://[::1]:8000", "http://[::1]:8000/chat/completions"),
    ],
)
def test_the_operation_is_appended_to_the_base_url(base_url: str, chat_url: str) -> None:
    assert configure(provider_spec(base_url=base_url), cipher()).chat_url == chat_url


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
    assert refused(base_url=base_url) == "base_url"


def test_openai_needs_a_credential_and_others_do_not() -> None:
    assert refused(kind=ProviderKind.OPENAI) == "credentials"
    assert headers_of() == {}


def test_a_key_becomes_a_bearer_token() -> None:
    assert headers_of(credentials={"api_key": "sk-1"}) == {b"authorization": b"Bearer sk-1"}


def test_secret_headers_may_carry_the_credential() -> None:
    secret = {"headers": {"Authorization": "Basic abc", "Api-Key": "k"}}
    expected = {b"authorization": b"Basic abc", b"api-key": b"k"}
    assert headers_of(credentials=secret) == expected
    assert headers_of(credentials=secret, kind=ProviderKind.OPENAI) == expected


@pytest.mark.parametrize(
    ("credentials", "param"),
    [
        ("not json", "credentials"),
        ("[]", "credentials"),
        ({"api_key": 7}, "credentials"),
        ({"apikey": "x"}, "credentials"),
        ({"api_key": ""}, "credentials.api_key"),
        ({"api_key": "a\r\nb"}, "credentials.api_key"),
        ({"api_key": " a"}, "credentials.api_key"),
        ({"api_key": "schlüssel"}, "credentials.api_key"),
        ({"headers": {"host": "x"}}, "credentials.headers.host"),
        ({"headers": {"x": "a\nb"}}, "credentials.headers.x"),
        ({"api_key": "a", "headers": {"authorization": "b"}}, "credentials.headers.authorization"),
    ],
)
def test_credentials_that_cannot_work_are_refused_without_quoting_them(
    credentials: Any, param: str
) -> None:
    with pytest.raises(InvalidRequest) as caught:
        configure(provider_spec(base_url=LOCAL, credentials=credentials), cipher())
    assert caught.value.param == param
    assert "schl" not in caught.value.message


def test_credentials_of_another_provider_do_not_open() -> None:
    spec = provider_spec(base_url=LOCAL, credentials={"api_key": "k"}, provider_id="one")
    stolen = provider_spec(base_url=LOCAL, provider_id="two")
    with pytest.raises(InvalidRequest):
        configure(
            type(spec)(
                id=stolen.id,
                name=spec.name,
                kind=spec.kind,
                base_url=LOCAL,
                sealed_credentials=spec.sealed_credentials,
            ),
            cipher(),
        )


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
    assert refused(options=options) == param


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
    with pytest.raises(InvalidRequest) as caught:
        headers_of(options={"headers": {"X-Title": "a", name: "hidden"}})
    assert caught.value.param == f"options.headers.{name.lower()}"
    assert "credentials.headers" in caught.value.message
    assert "hidden" not in caught.value.message


def test_a_header_that_merely_contains_such_a_word_is_public() -> None:
    assert headers_of(options={"headers": {"X-Monkey": "1", "keyboard": "2"}}) == {
        b"x-monkey": b"1",
        b"keyboard": b"2",
    }


@pytest.mark.parametrize(
    "proxy", ["http://corp:Pr0xyPass@proxy:3128", "http://corp@proxy", "corp:Pr0xyPass@proxy"]
)
def test_a_proxy_with_a_password_belongs_in_the_credentials(proxy: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        headers_of(options={"proxy": proxy})
    assert caught.value.param == "options.proxy"
    assert "credentials.proxy" in caught.value.message
    assert "Pr0xyPass" not in caught.value.message


def test_the_proxy_comes_from_the_options_or_sealed_with_its_password() -> None:
    def proxy_of(**spec: Any) -> str | None:
        return configure(provider_spec(base_url=LOCAL, **spec), cipher()).proxy

    secret = "http://corp:Pr0xy%40Pass@proxy:3128"
    assert proxy_of() is None
    assert proxy_of(options={"proxy": "http://proxy:3128"}) == "http://proxy:3128"
    assert proxy_of(credentials={"proxy": secret}) == secret


def test_what_a_proxy_is_asked_with_stays_private() -> None:
    secret = {"proxy": "http://corp:Pr0xy%40Pass@proxy.example:3128"}
    config = configure(provider_spec(base_url=LOCAL, credentials=secret), cipher())
    assert {"Pr0xy%40Pass", "Pr0xy@Pass", "proxy.example"} <= set(config.private)
    assert "Pass" not in repr(config)


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
    spec = provider_spec(base_url=LOCAL, credentials={"proxy": proxy}, options=options)
    with pytest.raises(InvalidRequest) as caught:
        configure(spec, cipher())
    assert caught.value.param == "credentials.proxy"
    assert "Pr0xyPass" not in caught.value.message


def test_the_transport_is_made_for_the_opened_proxy() -> None:
    given: list[str | None] = []

    def transport(_: ProviderSpec, proxy: str | None) -> UpstreamTransport:
        given.append(proxy)
        return Http11Transport(TransportOptions())

    factory = ProvidersByKind(cipher(), transport, StoppedClock())
    secret = "http://corp:Pr0xyPass@proxy:3128"
    factory.build(provider_spec(base_url=LOCAL, credentials={"proxy": secret}))
    factory.build(provider_spec(base_url=LOCAL, options={"proxy": "http://proxy"}))
    factory.build(provider_spec(base_url=LOCAL))
    assert given == [secret, "http://proxy", None]


def test_nothing_secret_is_in_a_representation() -> None:
    config = configure(provider_spec(base_url=LOCAL, credentials={"api_key": "sk-1234"}), cipher())
    assert "sk-1234" not in repr(config)
    assert "sk-1234" not in repr(Credentials(api_key="sk-1234"))
