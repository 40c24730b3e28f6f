"""Anthropic Messages, in both roles."""
