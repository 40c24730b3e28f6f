"""Redis or Valkey: connections, change feed, limits."""
