"""What Anthropic Messages can carry, and what a request needs to be in its decoder's form."""

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from adapters.wire.anthropic_messages.fields import FATES
from application.ports.dialect import ReplyContext
from domain.inference.conversation import Message, Role, TextPart
from domain.inference.dialect import Dialect, WireFormat
from domain.inference.request import Effort, InferenceRequest, Reasoning, ResponseFormat
from domain.inference.response import FinishReason
from tests.support.canonical import SCHEMAS, requests
from tests.support.reach import Reach, carried_by

REQUESTS = Reach(
    source=Dialect.ANTHROPIC_MESSAGES,
    fields=carried_by(
        FATES,
        "tools.custom",
        "tool_call.custom",
        "tool_choice.allowed",
        "refusal",
        "response_format.text",
        "response_format.json_object",
    )
    | {"image.file_id", "document.file_id"},
    system="one",
    result_names=False,
    state_origin=WireFormat.ANTHROPIC_MESSAGES,
    bare_thinking=False,
    ordered=False,
    results_alone=False,
    call_marks=True,
)
REPLIES = Reach(
    source=Dialect.ANTHROPIC_MESSAGES,
    fields=REQUESTS.fields,
    state_origin=WireFormat.ANTHROPIC_MESSAGES,
    finishes=(
        FinishReason.STOP,
        FinishReason.LENGTH,
        FinishReason.STOP_SEQUENCE,
        FinishReason.PAUSE,
        FinishReason.REFUSAL,
        FinishReason.CONTEXT_WINDOW,
    ),
    usage_kinds=(
        "input_uncached",
        "cache_read",
        "cache_write_5m",
        "cache_write_1h",
        "output",
        "reasoning",
    ),
)

_SHOWN = st.sampled_from([None, True, False])
_EFFORTS = st.sampled_from([None, Effort.LOW, Effort.MEDIUM, Effort.HIGH, Effort.XHIGH, Effort.MAX])
_BUDGETS = st.integers(1024, 9999)
REASONINGS: SearchStrategy[Reasoning | None] = st.one_of(
    st.none(),
    st.builds(
        Reasoning, enabled=st.just(value=True), budget_tokens=_BUDGETS, show=_SHOWN, effort=_EFFORTS
    ),
    st.builds(
        Reasoning,
        enabled=st.just(value=True),
        adaptive=st.just(value=True),
        show=_SHOWN,
        effort=_EFFORTS,
    ),
    st.builds(Reasoning, enabled=st.just(value=False)),
    st.builds(Reasoning, effort=st.sampled_from([Effort.LOW, Effort.MAX])),
)
SHAPES = st.none() | st.builds(ResponseFormat, kind=st.just("json_schema"), schema=SCHEMAS)
OWN_REQUESTS = requests(
    REQUESTS,
    reasoning=REASONINGS,
    changes={"response_format": SHAPES, "max_output_tokens": st.integers(1, 100_000)},
)
"""Requests as the decoder of this dialect leaves them."""


def context(model: str = "claude-public") -> ReplyContext:
    """Return the context of an answer to the smallest request."""
    request = InferenceRequest(
        source=Dialect.ANTHROPIC_MESSAGES,
        model=model,
        messages=(Message(role=Role.USER, parts=(TextPart(text="Hi"),)),),
    )
    return ReplyContext(request=request, model=model, reply_id="r-1", created_s=1_700_000_000)
