"""Tokens by kind, prices and costs."""
