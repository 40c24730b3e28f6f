-- What every limit of a request stood at when it was checked, by label.
ALTER TABLE requests ADD COLUMN IF NOT EXISTS `limit_usages` Map(LowCardinality(String), UInt64) CODEC(ZSTD(1)) AFTER `limit_label`;
