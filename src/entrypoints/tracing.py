"""Whether the environment asks for traces, by the standard variables of OpenTelemetry.

https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/. Everything else,
such as endpoint, headers, sampler and bounds, is read by the SDK itself.
"""

from collections.abc import Mapping

from msgspec import Struct

PROTOCOL = "http/protobuf"
VARIABLES = (
    "OTEL_EXPORTER_OTLP_ENDPOINT",
    "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
    "OTEL_EXPORTER_OTLP_HEADERS",
    "OTEL_EXPORTER_OTLP_PROTOCOL",
    "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL",
    "OTEL_RESOURCE_ATTRIBUTES",
    "OTEL_SDK_DISABLED",
    "OTEL_SERVICE_NAME",
    "OTEL_TRACES_EXPORTER",
    "OTEL_TRACES_SAMPLER",
    "OTEL_TRACES_SAMPLER_ARG",
)
"""What the documentation names; the SDK knows more."""


class Tracing(Struct, frozen=True):
    """Whether to trace; `complaint` says what was asked for and cannot be done."""

    wanted: bool
    complaint: str | None = None


def tracing_wanted(environ: Mapping[str, str]) -> Tracing:
    """Return what the environment asks for: nothing, unless an endpoint or an exporter is named."""

    def value(*names: str) -> str:
        given = (environ.get(name, "").strip() for name in names)
        return next((one for one in given if one), "")

    if value("OTEL_SDK_DISABLED").lower() == "true":
        return Tracing(wanted=False)
    exporter = value("OTEL_TRACES_EXPORTER").lower()
    if exporter == "none":
        return Tracing(wanted=False)
    endpoint = value("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
    if not exporter and not endpoint:
        return Tracing(wanted=False)
    if exporter not in ("", "otlp"):
        return Tracing(
            wanted=False, complaint=f"OTEL_TRACES_EXPORTER is '{exporter}'; otlp and none are known"
        )
    protocol = value("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
    if protocol not in ("", PROTOCOL):
        return Tracing(
            wanted=False,
            complaint=f"OTEL_EXPORTER_OTLP_PROTOCOL is '{protocol}'; {PROTOCOL} is known",
        )
    return Tracing(wanted=True)
