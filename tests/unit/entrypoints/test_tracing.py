"""Traces are made only where the environment asks for them, and cost nothing elsewhere."""

import pytest

from entrypoints.tracing import tracing_wanted

ENDPOINT = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318"}


@pytest.mark.parametrize(
    ("environ", "wanted"),
    [
        ({}, False),
        ({"OTEL_SERVICE_NAME": "gateway", "OTEL_TRACES_SAMPLER": "always_on"}, False),
        (ENDPOINT, True),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://collector:4318/v1/traces"}, True),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": " "}, False),
        ({"OTEL_TRACES_EXPORTER": "otlp"}, True),
        ({**ENDPOINT, "OTEL_TRACES_EXPORTER": "none"}, False),
        ({**ENDPOINT, "OTEL_SDK_DISABLED": "True"}, False),
        ({**ENDPOINT, "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf"}, True),
    ],
)
def test_an_endpoint_or_an_exporter_turns_traces_on(environ: dict[str, str], wanted: bool) -> None:
    tracing = tracing_wanted(environ)
    assert tracing.wanted is wanted
    assert tracing.complaint is None


@pytest.mark.parametrize(
    ("name", "value"), [("OTEL_TRACES_EXPORTER", "zipkin"), ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")]
)
def test_what_cannot_be_done_is_said(name: str, value: str) -> None:
    tracing = tracing_wanted({**ENDPOINT, name: value})
    assert not tracing.wanted
    assert tracing.complaint is not None
    assert name in tracing.complaint
    assert value in tracing.complaint
