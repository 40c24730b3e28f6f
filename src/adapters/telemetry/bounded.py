"""Prometheus metrics whose children are bound once and bounded in number.

Looking a child up by its label values costs five times what counting costs, so it is done once. And
a label value is kept in memory, and at every scraper, for as long as the process lives: whoever can
invent values could fill both.
"""

from typing import Generic, TypeVar

from prometheus_client import Counter, Gauge, Histogram

MOST_VALUES = 200
"""Most values of one label, over all metrics; further ones are counted as `other`."""
MOST_CHILDREN = 1000
"""Most label sets of one metric; further ones are counted with `other` for every label."""
LONGEST_VALUE = 128
OTHER = "other"

_Metric = TypeVar("_Metric", Counter, Gauge, Histogram)


class LabelValues:
    """The values one label has taken, up to a bound."""

    def __init__(self, most: int = MOST_VALUES) -> None:
        """Keep the first `most` values."""
        self._most = most
        self._known: set[str] = set()

    def keep(self, value: str) -> str:
        """Return the value to count under."""
        if value not in self._known:
            if len(self._known) >= self._most:
                return OTHER
            self._known.add(value)
        return value


class Bound(Generic[_Metric]):
    """A metric with the children that have been used."""

    def __init__(
        self, metric: _Metric, *labels: LabelValues, most_children: int = MOST_CHILDREN
    ) -> None:
        """`labels` are those of `metric`, in the same order."""
        self._metric = metric
        self._labels = labels
        self._most_children = most_children
        self._children: dict[tuple[str, ...], _Metric] = {}

    def of(self, *values: str) -> _Metric:
        """Return the child of these label values, or the one that stands for all others."""
        child = self._children.get(values)
        return self._bind(values) if child is None else child

    def _bind(self, values: tuple[str, ...]) -> _Metric:
        # A page with a character that has no encoding could not be shown at all.
        texts = (value.encode("utf-8", "replace").decode()[:LONGEST_VALUE] for value in values)
        kept = tuple(label.keep(text) for label, text in zip(self._labels, texts, strict=True))
        if kept not in self._children and len(self._children) >= self._most_children:
            kept = (OTHER,) * len(kept)
        child = self._children.get(kept)
        if child is None:
            child = self._metric.labels(*kept) if kept else self._metric
            self._children[kept] = child
        return child
