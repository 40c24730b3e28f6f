"""What routing believes of operations is what the providers and dialects really have."""

import pytest
from msgspec.structs import replace

from adapters.providers.relays import relayed_to_openai
from adapters.wire.openai_relay.dialect import OpenAIRelayCodec
from adapters.wire.upstream_errors import MessageScrubber
from application.ports.dialect import ConversationCodec, CountingCodec, DialectCodec
from application.runtime.large_bodies import LargeBodies
from domain.inference.dialect import Dialect, Operation
from domain.routing.catalog import ProviderKind
from domain.routing.serving import RELAYED, serves
from entrypoints.container.dialects import build_dialects
from tests.support.provider_calls import provider_call

DIALECTS = build_dialects()
CODECS: list[DialectCodec] = [
    DIALECTS.openai_chat,
    DIALECTS.openai_responses,
    DIALECTS.anthropic,
    DIALECTS.gemini,
    DIALECTS.bedrock,
    OpenAIRelayCodec(Operation.EMBEDDINGS, b"application/json"),
]


@pytest.mark.parametrize("operation", sorted(Operation))
async def test_exactly_the_operations_said_to_be_relayed_are(operation: Operation) -> None:
    call = replace(provider_call(), operation=operation)
    relayed = await relayed_to_openai(
        call, "http://upstream.example", bodies=LargeBodies(), scrubber=MessageScrubber()
    )
    assert (relayed is not None) == (operation in RELAYED)


def test_every_dialect_is_looked_at() -> None:
    assert {codec.dialect for codec in CODECS} == set(Dialect)


@pytest.mark.parametrize("codec", CODECS, ids=[codec.dialect.value for codec in CODECS])
def test_a_dialect_converses_and_counts_as_its_codec_does(codec: DialectCodec) -> None:
    kind = ProviderKind.DEMO
    counts = isinstance(codec, ConversationCodec) and isinstance(codec, CountingCodec)
    assert serves(kind, Operation.COUNT_TOKENS, codec.dialect) == counts
    assert serves(kind, Operation.CHAT, codec.dialect) == isinstance(codec, ConversationCodec)
