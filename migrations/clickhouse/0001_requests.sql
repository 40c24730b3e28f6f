-- One row per gateway request (domain/records/events.py: RequestRecord, same names).
--
-- Records are delivered at least once. Rows of one request share (started_at_ms, event_id), and
-- `keep` lets exactly one of them survive: a final record beats an abandoned one, then the row that
-- was stored first, so that `stored_at` never changes once it was seen.
CREATE TABLE IF NOT EXISTS requests
(
    `event_id` String CODEC(ZSTD(1)),
    `schema` LowCardinality(String),
    `started_at_ms` Int64 CODEC(Delta, ZSTD(1)),
    `started_at` DateTime64(3, 'UTC') MATERIALIZED fromUnixTimestamp64Milli(started_at_ms, 'UTC') CODEC(Delta, ZSTD(1)),
    `stored_at` DateTime64(3, 'UTC') MATERIALIZED now64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    `keep` UInt64 MATERIALIZED if(outcome = 'abandoned', 0, 4611686018427387904)
        + 2305843009213693952 - toUnixTimestamp64Milli(stored_at) CODEC(ZSTD(1)),

    `request_id` String CODEC(ZSTD(1)),
    `trace_id` String CODEC(ZSTD(1)),
    `session_id` String CODEC(ZSTD(1)),
    `surface` LowCardinality(String),
    `operation` LowCardinality(String),
    `dialect_in` LowCardinality(String),
    `dialect_out` LowCardinality(String),
    `stream` Bool,

    `key_id` String CODEC(ZSTD(1)),
    `key_lineage` String CODEC(ZSTD(1)),
    `key_name` String CODEC(ZSTD(1)),
    `user_id` String CODEC(ZSTD(1)),
    `user_email` String CODEC(ZSTD(1)),
    `team_ids` Array(String) CODEC(ZSTD(1)),
    `team_names` Array(String) CODEC(ZSTD(1)),
    `cost_centre` LowCardinality(String),
    `end_user` String CODEC(ZSTD(1)),
    `client_name` LowCardinality(String),
    `client_version` LowCardinality(String),
    `client_ip` String CODEC(ZSTD(1)),

    `model_requested` String CODEC(ZSTD(1)),
    `model_served` LowCardinality(String),
    `provider` LowCardinality(String),
    `provider_kind` LowCardinality(String),
    `route_id` LowCardinality(String),
    `attempts` Array(Tuple(
        route_id String,
        provider String,
        upstream_model String,
        status Int32,
        duration_ms Float64,
        error_class String
    )) CODEC(ZSTD(1)),

    `status` Int32,
    `outcome` LowCardinality(String),
    `error_class` LowCardinality(String),
    `error_code` LowCardinality(String),
    `limit_label` LowCardinality(String),
    `finish_reason` LowCardinality(String),

    `tokens_input_uncached` Int64 CODEC(T64, ZSTD(1)),
    `tokens_cache_read` Int64 CODEC(T64, ZSTD(1)),
    `tokens_cache_write_5m` Int64 CODEC(T64, ZSTD(1)),
    `tokens_cache_write_1h` Int64 CODEC(T64, ZSTD(1)),
    `tokens_audio_in` Int64 CODEC(T64, ZSTD(1)),
    `tokens_output` Int64 CODEC(T64, ZSTD(1)),
    `tokens_reasoning` Int64 CODEC(T64, ZSTD(1)),
    `tokens_audio_out` Int64 CODEC(T64, ZSTD(1)),
    `usage_source` LowCardinality(String),
    `weighted_tokens` Int64 CODEC(T64, ZSTD(1)),

    `cost_nano_usd` Int64 CODEC(T64, ZSTD(1)),
    `cost_by_kind_nano_usd` Map(LowCardinality(String), Int64) CODEC(ZSTD(1)),
    `price_id` LowCardinality(String),
    `price_known` Bool,

    `ttft_ms` Nullable(Float64) CODEC(ZSTD(1)),
    `duration_ms` Float64 CODEC(ZSTD(1)),
    `upstream_ms` Float64 CODEC(ZSTD(1)),
    `gateway_ms` Float64 CODEC(ZSTD(1)),
    `bytes_in` Int64 CODEC(T64, ZSTD(1)),
    `bytes_out` Int64 CODEC(T64, ZSTD(1)),

    `tags` Map(LowCardinality(String), String) CODEC(ZSTD(1)),
    `instance` LowCardinality(String),

    INDEX by_event event_id TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX by_request request_id TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX by_key key_id TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX by_arrival stored_at TYPE minmax GRANULARITY 1,

    CONSTRAINT event_is_named CHECK notEmpty(event_id),
    CONSTRAINT time_is_known CHECK started_at_ms > 0
)
ENGINE = ReplacingMergeTree(keep)
PARTITION BY toYYYYMM(started_at)
ORDER BY (started_at_ms, event_id)
SETTINGS non_replicated_deduplication_window = 1000;
