-- The copy of the administrative audit trail (domain/records/audit.py: AuditEntry, same names).
--
-- Rows are delivered at least once. One that differs from a copied row has another hash and stands
-- beside it: nothing that was copied is ever replaced by other content.
CREATE TABLE IF NOT EXISTS audit
(
    `sequence` Int64 CODEC(Delta, ZSTD(1)),
    `event_id` String CODEC(ZSTD(1)),
    `at_ms` Int64 CODEC(Delta, ZSTD(1)),
    `at` DateTime64(3, 'UTC') MATERIALIZED fromUnixTimestamp64Milli(at_ms, 'UTC') CODEC(Delta, ZSTD(1)),
    `stored_at` DateTime64(3, 'UTC') MATERIALIZED now64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    `actor_kind` LowCardinality(String),
    `actor_id` String CODEC(ZSTD(1)),
    `actor_name` String CODEC(ZSTD(1)),
    `action` LowCardinality(String),
    `target_kind` LowCardinality(String),
    `target_id` String CODEC(ZSTD(1)),
    `target_name` String CODEC(ZSTD(1)),
    `outcome` LowCardinality(String),
    `reason` String CODEC(ZSTD(1)),
    `ip` String CODEC(ZSTD(1)),
    `user_agent` String CODEC(ZSTD(1)),
    `request_id` String CODEC(ZSTD(1)),
    `session_id` String CODEC(ZSTD(1)),
    `content` String CODEC(ZSTD(3)),
    `previous_hash` String CODEC(NONE),
    `hash` String CODEC(NONE),

    INDEX by_actor actor_id TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX by_target target_id TYPE bloom_filter(0.01) GRANULARITY 1,

    CONSTRAINT number_is_known CHECK sequence > 0,
    CONSTRAINT hash_is_sha256 CHECK length(hash) = 64
)
ENGINE = ReplacingMergeTree
PARTITION BY toYYYYMM(at)
ORDER BY (sequence, hash)
SETTINGS non_replicated_deduplication_window = 1000;
