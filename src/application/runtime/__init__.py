"""What every process holds in memory: the configuration snapshot and its background tasks."""
