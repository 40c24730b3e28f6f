"""Estimates of token counts where the provider gives none."""

CHARACTERS_PER_TOKEN = 4
"""OpenAI's rule of thumb for English text."""


def tokens_in_text(characters: int) -> int:
    """Estimate the tokens of a text of that many characters (or bytes), rounded up."""
    return -(-characters // CHARACTERS_PER_TOKEN)
