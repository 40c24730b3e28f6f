"""Proof of identity: passwords."""
