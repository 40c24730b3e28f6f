"""Port 3001: the internal console."""
