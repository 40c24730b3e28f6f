"""What Converse can carry, and what a request needs to be in its decoder's form."""

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from adapters.wire.bedrock_converse.fields import FATES
from application.ports.dialect import ReplyContext
from domain.inference.conversation import Message, Role, TextPart
from domain.inference.dialect import Dialect, WireFormat
from domain.inference.request import Effort, InferenceRequest, Reasoning
from domain.inference.response import FinishReason
from tests.support.canonical import requests
from tests.support.reach import Reach, carried_by

conversational = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
"""For tests whose examples are whole conversations."""

MODEL = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
_URLS = ("image.url", "document.url", "audio.url", "video.url")
REQUESTS = Reach(
    source=Dialect.BEDROCK_CONVERSE,
    fields=carried_by(
        FATES,
        *_URLS,  # http URLs are refused; those of S3 have a test of their own
        "audio.id",
        "tools.custom",
        "tool_call.custom",
        "tool_result.custom",
        "tool_choice.allowed",
        "refusal",
        "response_format.text",
        "response_format.json_object",
        "cache.automatic",
    ),
    system="one",
    result_names=False,
    state_origin=WireFormat.BEDROCK_CONVERSE,
    bare_thinking=False,
    ordered=False,
    results_alone=False,
    structured_results=True,
    call_marks=True,
    service_tiers=("priority", "default", "flex", "reserved"),
    id_characters="abcXYZ019_.:-",
    document_types=("application/pdf", "text/csv", "text/markdown"),
)
REPLIES = Reach(
    source=Dialect.BEDROCK_CONVERSE,
    fields=REQUESTS.fields - {"refusal"},
    refusals=False,
    state_origin=WireFormat.BEDROCK_CONVERSE,
    finishes=(
        FinishReason.STOP,
        FinishReason.LENGTH,
        FinishReason.STOP_SEQUENCE,
        FinishReason.CONTENT_FILTER,
        FinishReason.CONTEXT_WINDOW,
        FinishReason.MALFORMED_TOOL_CALL,
        FinishReason.ERROR,
    ),
    usage_kinds=("input_uncached", "cache_read", "cache_write_5m", "cache_write_1h", "output"),
)
_EFFORTS = st.sampled_from([None, Effort.LOW, Effort.MAX])
REASONINGS: SearchStrategy[Reasoning | None] = st.one_of(
    st.none(),
    st.builds(
        Reasoning,
        enabled=st.just(value=True),
        budget_tokens=st.integers(1024, 9999),
        show=st.sampled_from([None, True, False]),
        effort=_EFFORTS,
    ),
    st.builds(
        Reasoning, enabled=st.just(value=True), adaptive=st.just(value=True), effort=_EFFORTS
    ),
    st.builds(Reasoning, enabled=st.just(value=False)),
    st.builds(Reasoning, effort=st.sampled_from([Effort.LOW, Effort.MAX])),
)
OWN_REQUESTS = requests(REQUESTS, reasoning=REASONINGS)
"""Requests nearly as the decoder of this dialect leaves them."""


def context(model: str = "claude-public", paths: tuple[str, ...] = ()) -> ReplyContext:
    """Return the context of an answer to the smallest request."""
    request = InferenceRequest(
        source=Dialect.BEDROCK_CONVERSE,
        model=model,
        messages=(Message(role=Role.USER, parts=(TextPart(text="Hi"),)),),
        extensions={"additionalModelResponseFieldPaths": list(paths)} if paths else {},
    )
    return ReplyContext(request=request, model=model, reply_id="r-1", created_s=1_700_000_000)
