"""Real, bounded implementations of the ports in process memory, for tests and trials."""
