"""Storage and queries of log tables in ClickHouse: a server, or the engine in this process."""
