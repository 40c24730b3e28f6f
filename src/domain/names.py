"""What may be the name of a thing that people configure."""

import re

_SLUG = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")
# Without halves of surrogate pairs, which no store takes.
_MODEL = re.compile(r"[^\s\x00-\x1f\x7f\ud800-\udfff]{1,200}")
LONGEST_TITLE = 100


def slug_fault(text: str) -> str | None:
    """Tell what is wrong with the name of a provider, or None.

    Such names appear in labels and URLs, hence the small alphabet.
    """
    if _SLUG.fullmatch(text):
        return None
    return "must be 1 to 63 letters, digits, '.', '_' or '-', starting with a letter or digit"


def model_name_fault(text: str) -> str | None:
    """Tell what is wrong with a model name (public or upstream), or None."""
    if _MODEL.fullmatch(text):
        return None
    return "must be 1 to 200 characters without white space"


def title_fault(text: str) -> str | None:
    """Tell what is wrong with a free name (key, team), or None."""
    if 0 < len(text) <= LONGEST_TITLE and text == text.strip() and text.isprintable():
        return None
    return f"must be 1 to {LONGEST_TITLE} printable characters without spaces around them"
