"""Anthropic, Gemini, Bedrock and OpenAI: URLs, headers, and lists of models."""

import asyncio
from typing import Any

import pytest
from msgspec import structs

from adapters.providers.factory import ProvidersByKind
from adapters.providers.listing import (
    LARGEST_PAGE,
    MOST_PAGES,
    ModelListing,
    openai_page,
    read_lists,
)
from adapters.wire.anthropic_messages.dialect import AnthropicMessagesCodec
from adapters.wire.openai_chat.dialect import OpenAIChatCodec
from application.ports.dialect import NOT_IN_URL, DialectCodec
from application.ports.provider import Provider, RemoteModel
from application.ports.upstream import UpstreamResponse
from domain.errors import (
    DomainError,
    InvalidRequest,
    UnsupportedField,
    UpstreamCredentialRejected,
    UpstreamFailure,
    UpstreamProtocolError,
    UpstreamTimeout,
    UpstreamUnavailable,
)
from domain.routing.catalog import ProviderKind
from tests.support.captured import CannedResponse, CapturedTransport
from tests.support.provider_calls import (
    TIMEOUTS,
    StoppedClock,
    cipher,
    provider_call,
    provider_spec,
)

KEY = {"api_key": "k-1234"}
AWS = {"access_key_id": "AKIDEXAMPLE0000000", "secret_access_key": "wJalrXUtnFEMI/K7MDENG"}
REGION: dict[str, object] = {"region": "eu-central-1"}
ANTHROPIC, OPENAI = AnthropicMessagesCodec(), OpenAIChatCodec()


class Vendor:
    """A provider of some kind, and the transport below it."""

    def __init__(self, kind: ProviderKind, *answers: CannedResponse | Exception, **spec: Any):
        self.transport = CapturedTransport(*answers)
        factory = ProvidersByKind(cipher(), lambda _spec, _proxy: self.transport, StoppedClock())
        given: dict[str, Any] = {"credentials": KEY} | spec
        self.provider: Provider = factory.build(provider_spec(kind, **given))

    async def ask(
        self,
        codec: DialectCodec = OPENAI,
        *headers: tuple[bytes, bytes],
        stream: bool = False,
        model: str = "a-model",
    ) -> dict[str, str]:
        """Send a request in the dialect of `codec`; return the headers that went out."""
        self.transport.queue.append(CannedResponse(503))
        call = provider_call(stream=stream, max_tokens=9, upstream_model=model)
        head = codec.peek(call.body, 64, NOT_IN_URL)
        call = structs.replace(call, codec=codec, head=head, dialect_headers=headers)
        with pytest.raises(UpstreamUnavailable):
            await self.provider.open(call)
        return self.transport.header_sets[-1]

    async def models(self) -> tuple[RemoteModel, ...]:
        return await self.provider.models(TIMEOUTS)


def refused(kind: ProviderKind, **spec: Any) -> str | None:
    with pytest.raises(InvalidRequest) as caught:
        Vendor(kind, **spec)
    return caught.value.param


# -- Anthropic


@pytest.mark.parametrize(
    "base_url", [None, "https://proxy.example/a", "https://proxy.example/a/v1/"]
)
async def test_messages_go_to_the_one_url_with_version_and_key(base_url: str | None) -> None:
    vendor = Vendor(ProviderKind.ANTHROPIC, base_url=base_url)
    headers = await vendor.ask()
    where = "https://api.anthropic.com" if base_url is None else "https://proxy.example/a"
    assert vendor.transport.urls == [f"{where}/v1/messages"]
    assert headers["x-api-key"] == "k-1234"
    assert headers["anthropic-version"] == "2023-06-01"
    assert "anthropic-beta" not in headers


async def test_a_client_of_anthropic_chooses_its_version_and_adds_its_betas() -> None:
    options: dict[str, object] = {"beta": "context-1m-2025-08-07,files-api-2025-04-14"}
    vendor = Vendor(ProviderKind.ANTHROPIC, options=options)
    given = (
        (b"anthropic-version", b"2024-01-01"),
        (b"anthropic-beta", b"files-api-2025-04-14, one-2025-01-01"),
        (b"anthropic-beta", b"two-2025-01-01"),
        (b"openai-beta", b"assistants=v2"),
    )
    headers = await vendor.ask(ANTHROPIC, *given)
    assert headers["anthropic-version"] == "2024-01-01"
    assert headers["anthropic-beta"] == (
        "context-1m-2025-08-07,files-api-2025-04-14,one-2025-01-01,two-2025-01-01"
    )
    assert "openai-beta" not in headers


async def test_clients_of_other_vendors_choose_neither_version_nor_betas() -> None:
    vendor = Vendor(ProviderKind.ANTHROPIC, options={"version": "2025-01-01"})
    headers = await vendor.ask(OPENAI, (b"anthropic-version", b"x"), (b"anthropic-beta", b"y"))
    assert headers["anthropic-version"] == "2025-01-01"
    assert "anthropic-beta" not in headers


@pytest.mark.parametrize(
    ("options", "param"),
    [
        ({"version": "newest"}, "options.version"),
        ({"version": 2023}, "options.version"),
        ({"beta": "a b"}, "options.beta"),
        ({"beta": ["a"]}, "options.beta"),
        ({"beta": ""}, "options.beta"),
        ({"headers": {"Anthropic-Beta": "a"}}, "options.headers.anthropic-beta"),
        ({"headers": {"anthropic-version": "a"}}, "options.headers.anthropic-version"),
    ],
)
def test_options_of_anthropic_that_cannot_work_are_refused(options: Any, param: str) -> None:
    assert refused(ProviderKind.ANTHROPIC, options=options) == param


async def test_models_of_anthropic_are_listed_page_by_page() -> None:
    """https://docs.claude.com/en/api/models-list"""
    first = {
        "data": [{"type": "model", "id": "claude-a", "display_name": "Claude A"}],
        "has_more": True,
        "last_id": "claude a",
    }
    last = {"data": [{"type": "model", "id": "claude-b"}], "has_more": False, "last_id": "x"}
    vendor = Vendor(ProviderKind.ANTHROPIC, CannedResponse(200, first), CannedResponse(200, last))
    assert await vendor.models() == (
        RemoteModel(id="claude-a", name="Claude A"),
        RemoteModel(id="claude-b"),
    )
    assert vendor.transport.urls == [
        "https://api.anthropic.com/v1/models?limit=1000",
        "https://api.anthropic.com/v1/models?limit=1000&after_id=claude%20a",
    ]
    assert {request.method for request in vendor.transport.requests} == {"GET"}
    assert vendor.transport.header_sets[0]["anthropic-version"] == "2023-06-01"
    assert vendor.transport.header_sets[0]["x-api-key"] == "k-1234"


# -- Gemini


@pytest.mark.parametrize(
    ("base_url", "options", "url"),
    [
        (None, {}, "https://generativelanguage.googleapis.com/v1beta"),
        (None, {"api_version": "v1"}, "https://generativelanguage.googleapis.com/v1"),
        ("https://g.example", {}, "https://g.example/v1beta"),
        ("https://g.example/v1alpha/", {}, "https://g.example/v1alpha"),
        ("https://g.example/v1", {"api_version": "v1"}, "https://g.example/v1"),
        ("https://g.example/gemini", {"api_version": "v1"}, "https://g.example/gemini/v1"),
    ],
)
async def test_gemini_is_asked_at_its_version(
    base_url: str | None, options: dict[str, object], url: str
) -> None:
    vendor = Vendor(ProviderKind.GEMINI, base_url=base_url, options=options)
    headers = await vendor.ask(model="models/gemini-2.5-pro")
    await vendor.ask(model="tunedModels/my tune", stream=True)
    assert vendor.transport.urls == [
        f"{url}/models/gemini-2.5-pro:generateContent",
        f"{url}/tunedModels/my%20tune:streamGenerateContent?alt=sse",
    ]
    assert headers["x-goog-api-key"] == "k-1234"
    assert "authorization" not in headers


@pytest.mark.parametrize(
    ("base_url", "options"),
    [
        (None, {"api_version": "1"}),
        (None, {"api_version": "v1beta/../x"}),
        ("https://g.example/v1", {"api_version": "v1beta"}),
    ],
)
def test_versions_of_gemini_that_cannot_work_are_refused(
    base_url: str | None, options: dict[str, object]
) -> None:
    param = refused(ProviderKind.GEMINI, base_url=base_url, options=options)
    assert param == "options.api_version"


async def test_models_of_gemini_are_those_that_generate_content() -> None:
    """https://ai.google.dev/api/models"""
    pages = [
        {
            "models": [
                {
                    "name": "models/gemini-2.5-pro",
                    "displayName": "Gemini 2.5 Pro",
                    "supportedGenerationMethods": ["generateContent", "countTokens"],
                },
                {"name": "models/embedding", "supportedGenerationMethods": ["embedContent"]},
            ],
            "nextPageToken": "a/b=",
        },
        {"models": [{"name": "models/untold"}]},
    ]
    vendor = Vendor(ProviderKind.GEMINI, *(CannedResponse(200, page) for page in pages))
    assert await vendor.models() == (
        RemoteModel(id="gemini-2.5-pro", name="Gemini 2.5 Pro"),
        RemoteModel(id="untold"),
    )
    assert vendor.transport.urls[1].endswith("/v1beta/models?pageSize=1000&pageToken=a%2Fb%3D")


async def test_no_models_at_all_is_an_empty_list() -> None:
    assert await Vendor(ProviderKind.GEMINI, CannedResponse(200, {})).models() == ()


# -- Bedrock


async def test_bedrock_is_asked_in_its_region_with_the_model_in_the_path() -> None:
    vendor = Vendor(ProviderKind.BEDROCK, options=REGION, credentials=AWS)
    arn = "arn:aws:bedrock:eu-central-1:123456789012:inference-profile/eu.anthropic.claude-v1:0"
    headers = await vendor.ask(model=arn, stream=True)
    whole = await vendor.ask(model="eu.amazon.nova-lite-v1:0")
    encoded = (
        "arn%3Aaws%3Abedrock%3Aeu-central-1%3A123456789012%3Ainference-profile%2F"
        "eu.anthropic.claude-v1%3A0"
    )
    runtime = "https://bedrock-runtime.eu-central-1.amazonaws.com/model"
    assert vendor.transport.urls == [
        f"{runtime}/{encoded}/converse-stream",
        f"{runtime}/eu.amazon.nova-lite-v1%3A0/converse",
    ]
    assert headers["accept"] == "application/vnd.amazon.eventstream"
    assert whole["accept"] == "application/json"
    assert headers["authorization"].startswith("AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE0000000/")
    assert "/eu-central-1/bedrock/aws4_request" in headers["authorization"]


async def test_a_key_of_bedrock_is_a_bearer_token() -> None:
    headers = await Vendor(ProviderKind.BEDROCK, options=REGION).ask()
    assert headers["authorization"] == "Bearer k-1234"
    assert "x-amz-date" not in headers


async def test_a_vpc_endpoint_takes_the_place_of_the_public_one() -> None:
    url = "https://vpce-1.bedrock-runtime.eu-central-1.vpce.amazonaws.com"
    vendor = Vendor(ProviderKind.BEDROCK, base_url=url, options=REGION)
    await vendor.ask()
    assert vendor.transport.urls == [f"{url}/model/a-model/converse"]


@pytest.mark.parametrize(
    ("spec", "param"),
    [
        ({"options": {}}, "options.region"),
        ({"options": {"region": "Frankfurt"}}, "options.region"),
        ({"options": REGION, "credentials": None}, "credentials"),
        ({"options": REGION | {"control_url": "bedrock"}}, "options.control_url"),
        ({"options": REGION | {"control_url": 7}}, "options.control_url"),
        ({"options": REGION | {"service": "x"}}, "options.service"),
    ],
)
def test_configurations_of_bedrock_that_cannot_work_are_refused(spec: Any, param: str) -> None:
    assert refused(ProviderKind.BEDROCK, **spec) == param


FOUNDATION = {
    "modelSummaries": [
        {
            "modelId": "amazon.nova-lite-v1:0",
            "modelName": "Nova Lite",
            "outputModalities": ["TEXT"],
            "inferenceTypesSupported": ["ON_DEMAND"],
        },
        {
            "modelId": "only.by-profile",
            "outputModalities": ["TEXT"],
            "inferenceTypesSupported": ["INFERENCE_PROFILE"],
        },
        {
            "modelId": "an.image-model",
            "outputModalities": ["IMAGE"],
            "inferenceTypesSupported": ["ON_DEMAND"],
        },
    ]
}
PROFILES = {
    "inferenceProfileSummaries": [
        {"inferenceProfileId": "eu.only.by-profile", "inferenceProfileName": "EU"}
    ]
}
NOVA = RemoteModel(id="amazon.nova-lite-v1:0", name="Nova Lite")


async def test_models_of_bedrock_are_what_can_be_called_profiles_included() -> None:
    vendor = Vendor(
        ProviderKind.BEDROCK,
        CannedResponse(200, FOUNDATION),
        CannedResponse(200, PROFILES),
        options=REGION,
        credentials=AWS,
    )
    assert await vendor.models() == (NOVA, RemoteModel(id="eu.only.by-profile", name="EU"))
    assert vendor.transport.urls == [
        "https://bedrock.eu-central-1.amazonaws.com/foundation-models?byOutputModality=TEXT",
        "https://bedrock.eu-central-1.amazonaws.com/inference-profiles?maxResults=1000",
    ]
    for headers in vendor.transport.header_sets:
        assert headers["authorization"].startswith("AWS4-HMAC-SHA256 ")


async def test_one_list_of_bedrock_is_enough() -> None:
    denied = CannedResponse(403, {"message": "not authorized to perform"})
    vendor = Vendor(ProviderKind.BEDROCK, CannedResponse(200, FOUNDATION), denied, options=REGION)
    assert await vendor.models() == (NOVA,)
    with pytest.raises(UpstreamCredentialRejected):
        await Vendor(ProviderKind.BEDROCK, denied, options=REGION).models()


async def test_at_another_endpoint_the_lists_of_bedrock_have_to_be_named() -> None:
    elsewhere = "http://localhost:9000"
    vendor = Vendor(ProviderKind.BEDROCK, base_url=elsewhere, options=REGION)
    with pytest.raises(UnsupportedField):
        await vendor.models()
    named = REGION | {"control_url": "http://localhost:9001/"}
    vendor = Vendor(ProviderKind.BEDROCK, CannedResponse(403), base_url=elsewhere, options=named)
    with pytest.raises(UpstreamCredentialRejected):
        await vendor.models()
    assert vendor.transport.urls[0].startswith("http://localhost:9001/foundation-models")


# -- OpenAI


async def test_a_client_of_openai_may_ask_for_betas() -> None:
    vendor = Vendor(ProviderKind.OPENAI)
    headers = await vendor.ask(OPENAI, (b"openai-beta", b"a=v1"), (b"anthropic-beta", b"x"))
    assert headers["openai-beta"] == "a=v1"
    assert "anthropic-beta" not in headers


async def test_models_of_openai_are_listed_each_once() -> None:
    listing = {"object": "list", "data": [{"id": "gpt-5"}, {"id": "gpt-5"}, {"id": "o3"}]}
    vendor = Vendor(ProviderKind.OPENAI, CannedResponse(200, listing))
    assert [model.id for model in await vendor.models()] == ["gpt-5", "o3"]
    assert vendor.transport.urls == ["https://api.openai.com/v1/models"]


async def test_the_next_credential_is_asked_for_the_list_too() -> None:
    vendor = Vendor(
        ProviderKind.OPENAI,
        CannedResponse(401),
        CannedResponse(200, {"data": []}),
        credentials={"any_of": [{"api_key": "a"}, {"api_key": "b"}]},
    )
    assert await vendor.models() == ()
    assert [each["authorization"] for each in vendor.transport.header_sets] == [
        "Bearer a",
        "Bearer b",
    ]


LISTING_KINDS: dict[ProviderKind, dict[str, Any]] = {
    ProviderKind.OPENAI: {},
    ProviderKind.OPENAI_COMPATIBLE: {"base_url": "http://localhost/v1"},
    ProviderKind.AZURE_OPENAI: {"base_url": "https://acme.openai.azure.com"},
    ProviderKind.ANTHROPIC: {},
    ProviderKind.GEMINI: {},
    ProviderKind.BEDROCK: {"options": REGION},
}


@pytest.mark.parametrize("kind", LISTING_KINDS)
@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (CannedResponse(404, b"<html>"), UnsupportedField),
        (CannedResponse(405), UnsupportedField),
        (CannedResponse(401, {"error": "no"}), UpstreamCredentialRejected),
        (CannedResponse(500, b"<html>"), UpstreamFailure),
        (CannedResponse(302), UpstreamProtocolError),
        (CannedResponse(200, b"<html>Sign in</html>"), UpstreamProtocolError),
        (CannedResponse(200, b'{"data": [{"id": 7}], "models": 1}'), UpstreamProtocolError),
        (CannedResponse(200, b"[" * 100_000), UpstreamProtocolError),
        (CannedResponse(200, b" " * (LARGEST_PAGE + 1)), UpstreamProtocolError),
        (UpstreamUnavailable(error_class="connect"), UpstreamUnavailable),
    ],
)
async def test_a_list_that_is_none_is_a_domain_error(
    kind: ProviderKind, answer: CannedResponse | Exception, expected: type[DomainError]
) -> None:
    vendor = Vendor(kind, answer, **LISTING_KINDS[kind])
    with pytest.raises(expected):
        await vendor.models()
    assert all(given.closed for given in vendor.transport.given)


async def test_a_list_without_end_ends() -> None:
    vendor = Vendor(ProviderKind.GEMINI)
    vendor.transport.always = CannedResponse(
        200, {"models": [{"name": "models/m"}], "nextPageToken": "again"}
    )
    assert [model.id for model in await vendor.models()] == ["m"]
    assert len(vendor.transport.requests) == MOST_PAGES


async def test_all_pages_together_have_one_bound_in_time() -> None:
    async def silent(_: str) -> UpstreamResponse:
        await asyncio.Event().wait()
        raise AssertionError

    listing = ModelListing(url="http://localhost/models", read=openai_page)
    with pytest.raises(UpstreamTimeout) as caught:
        await read_lists([listing], silent, total_s=0.01)
    assert caught.value.phase == "total"


async def test_an_id_that_could_not_be_shown_is_refused() -> None:
    for bad in ("a\nb", "", "x" * 3000):
        vendor = Vendor(ProviderKind.OPENAI, CannedResponse(200, {"data": [{"id": bad}]}))
        with pytest.raises(UpstreamProtocolError):
            await vendor.models()
