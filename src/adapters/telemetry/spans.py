"""Spans of a finished request, with the semantic conventions for generative AI.

https://opentelemetry.io/docs/specs/semconv/gen-ai/gen-ai-spans/: one server span for the request,
one client span for each attempt at a provider. Nothing of prompts and answers is in them, and
nobody's name.
"""

from urllib.parse import urlsplit

from msgspec import Struct
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import SpanContext, SpanKind, Status, StatusCode, TraceFlags, TraceState
from opentelemetry.util.types import AttributeValue

from application.ports.tracing import TracedAttempt, TracedRequest
from domain.inference.dialect import Operation
from domain.records.events import Outcome, RequestRecord
from domain.records.trace_context import attempt_span_id, server_span_id

LONGEST_VALUE = 256
NANOSECONDS_PER_MS = 1_000_000

_OPERATIONS = {Operation.COMPLETIONS.value: "text_completion"}
# Names the conventions have for them; other providers go by the name they were given.
_PROVIDERS = {
    "openai": "openai",
    "anthropic": "anthropic",
    "gemini": "gcp.gemini",
    "azure_openai": "azure.ai.openai",
    "bedrock": "aws.bedrock",
}
_HOSTS = {
    "openai": "api.openai.com",
    "anthropic": "api.anthropic.com",
    "gemini": "generativelanguage.googleapis.com",
}
_FAULTS = frozenset(
    {Outcome.UPSTREAM_ERROR, Outcome.TIMEOUT, Outcome.INTERNAL_ERROR, Outcome.ABANDONED}
)
_FAULTS_UPSTREAM = frozenset({Outcome.UPSTREAM_ERROR, Outcome.TIMEOUT})
_PORTS = {"http": 80, "https": 443}

Attributes = dict[str, AttributeValue]


class Origin(Struct, frozen=True):
    """Who makes the spans."""

    resource: Resource
    scope: InstrumentationScope


def spans_of(request: TracedRequest, origin: Origin) -> list[ReadableSpan]:
    """Return the spans of a request, the attempts first, as they ended."""
    record, context = request.record, request.context
    flags = TraceFlags(context.flags | TraceFlags.SAMPLED)
    state = TraceState.from_header([context.state.decode("ascii")]) if context.state else None
    trace_id = int(context.trace_id, 16)

    def place(span_id: str, *, remote: bool = False) -> SpanContext:
        return SpanContext(trace_id, int(span_id, 16), remote, flags, state)

    own = place(server_span_id(record.event_id))
    start = record.started_at_ms * NANOSECONDS_PER_MS
    end = start + round(record.duration_ms * NANOSECONDS_PER_MS)
    spans: list[ReadableSpan] = []
    for number, traced in enumerate(request.attempts):
        is_last = number == len(request.attempts) - 1
        failure = _failure(traced, record, is_last=is_last)
        ended = min(end, start + round(traced.ended_ms * NANOSECONDS_PER_MS))
        began = ended - round(traced.attempt.duration_ms * NANOSECONDS_PER_MS)
        answers = is_last and not traced.attempt.error_class
        spans.append(
            ReadableSpan(
                _name(record, traced.attempt.upstream_model),
                context=place(attempt_span_id(record.event_id, number)),
                parent=own,
                kind=SpanKind.CLIENT,
                start_time=max(start, began),
                # The attempt is over when the answer begins; the exchange is not.
                end_time=end if answers and record.stream else ended,
                attributes=_attempt_attributes(traced, record, failure, answers=answers),
                status=Status(StatusCode.ERROR) if failure else Status(),
                resource=origin.resource,
                instrumentation_scope=origin.scope,
            )
        )
    failed = record.outcome in _FAULTS or record.status >= 500
    spans.append(
        ReadableSpan(
            _name(record, record.model_requested),
            context=own,
            parent=place(context.parent_id, remote=True) if context.parent_id else None,
            kind=SpanKind.SERVER,
            start_time=start,
            end_time=end,
            attributes=_request_attributes(record),
            status=Status(StatusCode.ERROR) if failed else Status(),
            resource=origin.resource,
            instrumentation_scope=origin.scope,
        )
    )
    return spans


def _operation(record: RequestRecord) -> str:
    return _OPERATIONS.get(record.operation, record.operation)


def _name(record: RequestRecord, model: str) -> str:
    return _text(f"{_operation(record)} {model}".rstrip())


def _failure(traced: TracedAttempt, record: RequestRecord, *, is_last: bool) -> str:
    """Return the class of what went wrong, be it after the answer had begun."""
    late = is_last and record.outcome in _FAULTS_UPSTREAM
    return traced.attempt.error_class or (record.error_class if late else "")


def _request_attributes(record: RequestRecord) -> Attributes:
    attributes: Attributes = {
        "gen_ai.operation.name": _operation(record),
        "thinkwatch.request.id": _text(record.request_id),
        "thinkwatch.record.id": record.event_id,
        "thinkwatch.surface": record.surface,
        "thinkwatch.dialect": record.dialect_in,
        "thinkwatch.outcome": record.outcome.value,
    }
    if record.status:
        attributes["http.response.status_code"] = record.status
    if record.provider:
        attributes["gen_ai.provider.name"] = _provider(record.provider_kind, record.provider)
    if record.outcome is not Outcome.OK:
        attributes["error.type"] = record.error_class or record.outcome.value
    if record.limit_label:
        attributes["thinkwatch.limit"] = _text(record.limit_label)
    if record.ttft_ms is not None:
        attributes["thinkwatch.time_to_first_token_ms"] = record.ttft_ms
    if record.session_id:
        attributes["gen_ai.conversation.id"] = _text(record.session_id)
    if record.price_known:
        attributes["thinkwatch.cost_usd"] = record.cost_nano_usd / 1e9
    return attributes | _answer_attributes(record, record.model_requested)


def _attempt_attributes(
    traced: TracedAttempt, record: RequestRecord, failure: str, *, answers: bool
) -> Attributes:
    attempt = traced.attempt
    attributes: Attributes = {
        "gen_ai.operation.name": _operation(record),
        "gen_ai.provider.name": _provider(traced.provider_kind, attempt.provider),
        "thinkwatch.provider": _text(attempt.provider),
        "thinkwatch.route.id": attempt.route_id,
    }
    if attempt.status:
        attributes["http.response.status_code"] = attempt.status
    if failure:
        attributes["error.type"] = failure
    attributes |= _server_attributes(traced)
    if answers:
        return attributes | _answer_attributes(record, attempt.upstream_model)
    attributes["gen_ai.request.model"] = _text(attempt.upstream_model)
    return attributes


def _answer_attributes(record: RequestRecord, model: str) -> Attributes:
    """Return what was asked for and what came of it."""
    attributes: Attributes = {}
    if model:
        attributes["gen_ai.request.model"] = _text(model)
    if record.model_served:
        attributes["gen_ai.response.model"] = _text(record.model_served)
    if record.finish_reason:
        attributes["gen_ai.response.finish_reasons"] = (_text(record.finish_reason),)
    cache_write = record.tokens_cache_write_5m + record.tokens_cache_write_1h
    if record.usage_source != "none":
        attributes["gen_ai.usage.input_tokens"] = (
            record.tokens_input_uncached
            + record.tokens_cache_read
            + cache_write
            + record.tokens_audio_in
        )
        attributes["gen_ai.usage.output_tokens"] = (
            record.tokens_output + record.tokens_reasoning + record.tokens_audio_out
        )
    if record.tokens_cache_read:
        attributes["gen_ai.usage.cache_read.input_tokens"] = record.tokens_cache_read
    if cache_write:
        attributes["gen_ai.usage.cache_creation.input_tokens"] = cache_write
    return attributes


def _server_attributes(traced: TracedAttempt) -> Attributes:
    if traced.base_url is None:
        host = _HOSTS.get(traced.provider_kind)
        return {"server.address": host, "server.port": 443} if host else {}
    try:
        parts = urlsplit(traced.base_url)
        port = parts.port or _PORTS.get(parts.scheme)
    except ValueError:
        return {}
    if not parts.hostname or port is None:
        return {}
    return {"server.address": parts.hostname, "server.port": port}


def _provider(kind: str, name: str) -> str:
    return _PROVIDERS.get(kind) or _text(name)


def _text(value: str) -> str:
    """Cut a text from outside; one that cannot be encoded would spoil its whole batch."""
    return value[:LONGEST_VALUE].encode("utf-8", "replace").decode()
