"""Which metrics and labels a PromQL expression speaks of, as far as our own expressions go."""

import re
from dataclasses import dataclass

_STRING = re.compile(r'"(?:[^"\\]|\\.)*"')
_RANGE = re.compile(r"\[[^\]]*\]")
_GROUPING = re.compile(
    r"\b(?:by|without|on|ignoring|group_left|group_right)\s*\(([^)]*)\)", re.IGNORECASE
)
_SELECTOR = re.compile(r"([A-Za-z_:][\w:]*)\s*\{([^}]*)\}")
_WORD = re.compile(r"(?<![\w.$])([A-Za-z_:][\w:]*)(?!\w)(\s*\()?")
_KEYWORDS = frozenset({"and", "or", "unless", "offset", "bool"})


@dataclass(frozen=True, slots=True)
class Spoken:
    """Metrics with the labels asked of each, and the labels that results are grouped by."""

    metrics: dict[str, set[str]]
    grouped_by: set[str]


def spoken_of(expression: str) -> Spoken:
    """Return what `expression` names."""
    text = _RANGE.sub("", _STRING.sub('""', expression))
    grouped = {
        label.strip() for found in _GROUPING.findall(text) for label in found.split(",") if label
    }
    text = _GROUPING.sub(" ", text)
    metrics: dict[str, set[str]] = {}
    for name, matchers in _SELECTOR.findall(text):
        labels = {re.split(r"[=!~]", one)[0].strip() for one in matchers.split(",") if one.strip()}
        metrics.setdefault(name, set()).update(labels)
    text = _SELECTOR.sub(" ", text)
    text = re.sub(r"\boffset\s+\w+", " ", text)
    for name, call in _WORD.findall(text):
        if not call and name.lower() not in _KEYWORDS and not re.fullmatch(r"\d.*", name):
            metrics.setdefault(name, set())
    return Spoken(metrics, grouped)
