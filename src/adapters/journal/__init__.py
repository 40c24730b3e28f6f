"""Append-only local log of request records: framed segments, one directory per process."""
