"""What the Responses format can carry, and the codecs under test."""

import itertools
from collections.abc import Iterable

from hypothesis import strategies as st
from msgspec.structs import replace

from adapters.wire.openai_responses.dialect import OpenAIResponsesCodec
from adapters.wire.openai_responses.fields import fates_for
from adapters.wire.openai_responses.wire import OpenAIResponsesWire
from adapters.wire.upstream_errors import MessageScrubber
from application.ports.dialect import ReplyContext
from domain.inference.conversation import Message, Role, TextPart
from domain.inference.dialect import Dialect, WireFormat
from domain.inference.events import StreamEvent
from domain.inference.head import RequestHead
from domain.inference.request import Effort, InferenceRequest, Reasoning, Tool
from domain.inference.response import FinishReason
from tests.support.canonical import replies
from tests.support.reach import Reach, carried_by

CODEC = OpenAIResponsesCodec()
WIRE = OpenAIResponsesWire()
SCRUBBER = MessageScrubber()
HEAD = RequestHead(model="m", stream=True)

REACH = Reach(
    source=Dialect.OPENAI_RESPONSES,
    fields=carried_by(
        fates_for(Dialect.OPENAI_RESPONSES),
        "audio.data",
        "cache",
        "cache.automatic",
        "reasoning.budget_tokens",
    ),
    bare_thinking=False,  # without state it is not sent back
    state_origin=WireFormat.OPENAI_RESPONSES,
    system="anywhere",
    ordered=False,
    details=("low", "high", "original"),
    efforts=tuple(Effort),
    usage_kinds=("input_uncached", "cache_read", "cache_write_5m", "output", "reasoning"),
    finishes=(FinishReason.STOP, FinishReason.LENGTH, FinishReason.CONTENT_FILTER),
    url_citations=True,
)
ORDERLY = replace(REACH, ordered=True)
"""Requests: reasoning leads to something."""
REASONINGS = st.none() | st.one_of(
    st.builds(Reasoning, effort=st.sampled_from(tuple(Effort))),
    st.builds(
        Reasoning,
        effort=st.none() | st.just(Effort.HIGH),
        show=st.just(value=True),
        summary=st.sampled_from(["auto", "detailed"]),
    ),
)
REPLIES = replies(replace(REACH, refusals=False))


def request(*tools: Tool, **members: object) -> InferenceRequest:
    """Return a short request of a client of this dialect."""
    said = (Message(role=Role.USER, parts=(TextPart(text="Hi"),)),)
    base = InferenceRequest(
        source=Dialect.OPENAI_RESPONSES, model="gpt-public", messages=said, tools=tools
    )
    return replace(base, **members)


def context(*tools: Tool, **members: object) -> ReplyContext:
    """Return what an answer to `request` is written with."""
    return ReplyContext(
        request=request(*tools, **members),
        model="gpt-public",
        reply_id="0c9b",
        created_s=1_700_000_000,
    )


def written(events: Iterable[StreamEvent], told: ReplyContext | None = None) -> bytes:
    """Return a streamed answer for a client."""
    writer = CODEC.stream_encoder(told or context())
    return b"".join([*map(writer.encode, events), writer.finish()])


def read(*chunks: bytes) -> list[StreamEvent]:
    """Return the events of a provider's stream."""
    reader = WIRE.stream_decoder(HEAD, scrubber=SCRUBBER)
    events = list(itertools.chain.from_iterable(map(reader.feed, chunks)))
    return events + reader.finish()
