"""Protocols that adapters implement. Domain types only."""
