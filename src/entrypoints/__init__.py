"""Litestar apps, command line and the composition root."""
