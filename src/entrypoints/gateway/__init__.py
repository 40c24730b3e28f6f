"""Port 3000: the public gateway."""
