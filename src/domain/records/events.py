"""The record of a gateway request (audit.md section 1)."""

from enum import StrEnum

from msgspec import Struct, field

REQUEST_SCHEMA = "thinkwatch.request/1"


class Outcome(StrEnum):
    """How a request ended."""

    OK = "ok"
    UPSTREAM_ERROR = "upstream_error"
    RATE_LIMITED = "rate_limited"
    DENIED = "denied"
    BLOCKED = "blocked"
    CLIENT_CANCELLED = "client_cancelled"
    TIMEOUT = "timeout"
    CACHE_HIT = "cache_hit"
    ABANDONED = "abandoned"
    INVALID = "invalid"
    INTERNAL_ERROR = "internal_error"


class Attempt(Struct, frozen=True, kw_only=True):
    """One try at one route. `error_class` is empty when it succeeded; durations in milliseconds."""

    route_id: str
    provider: str
    upstream_model: str
    status: int
    duration_ms: float
    error_class: str = ""


class RequestRecord(Struct, frozen=True, kw_only=True):
    """One row per gateway request, whatever its outcome.

    Names are snapshots taken when the request ran; text fields are empty when unknown. Times are
    Unix milliseconds, durations milliseconds, money integer nano-dollars, sizes bytes.
    `limit_usages` is what each limit stood at when the request was checked, by label; of several
    with the same label the fullest.
    """

    event_id: str
    schema: str = REQUEST_SCHEMA
    started_at_ms: int
    request_id: str
    trace_id: str = ""
    session_id: str = ""
    surface: str
    operation: str
    dialect_in: str
    dialect_out: str = ""
    stream: bool = False

    key_id: str = ""
    key_lineage: str = ""
    key_name: str = ""
    user_id: str = ""
    user_email: str = ""
    team_ids: tuple[str, ...] = ()
    team_names: tuple[str, ...] = ()
    cost_centre: str = ""
    end_user: str = ""
    client_name: str = ""
    client_version: str = ""
    client_ip: str = ""

    model_requested: str = ""
    model_served: str = ""
    provider: str = ""
    provider_kind: str = ""
    route_id: str = ""
    attempts: tuple[Attempt, ...] = ()

    status: int
    outcome: Outcome
    error_class: str = ""
    error_code: str = ""
    limit_label: str = ""
    limit_usages: dict[str, int] = field(default_factory=dict[str, int])
    finish_reason: str = ""

    tokens_input_uncached: int = 0
    tokens_cache_read: int = 0
    tokens_cache_write_5m: int = 0
    tokens_cache_write_1h: int = 0
    tokens_audio_in: int = 0
    tokens_output: int = 0
    tokens_reasoning: int = 0
    tokens_audio_out: int = 0
    usage_source: str = "none"
    weighted_tokens: int = 0

    cost_nano_usd: int = 0
    cost_by_kind_nano_usd: dict[str, int] = field(default_factory=dict[str, int])
    price_id: str = ""
    price_known: bool = False

    ttft_ms: float | None = None
    duration_ms: float = 0.0
    upstream_ms: float = 0.0
    gateway_ms: float = 0.0
    bytes_in: int = 0
    bytes_out: int = 0

    tags: dict[str, str] = field(default_factory=dict[str, str])
    instance: str = ""

    @property
    def ended_at_ms(self) -> int:
        """When it ended, rounded down. Decides who counts it in budgets (`LimitStore.settle`)."""
        return self.started_at_ms + int(self.duration_ms)
