"""Virtual API keys."""
