"""The caps of a route as entries of a check: one more thing an attempt there must fit into.

They hang on the route and not on a stored limit, so they join the attempt's reservation, beside what
binds its provider: a full route fails over, and what an attempt took is given back or charged with
everything else it reserved. Tokens are counted as they were used (soft), because that is how
providers count; reserving the greatest use would leave half of a provider's allowance unused.
"""

from collections.abc import Iterator

from domain.limits.entries import Entry, LeaseEntry, WindowEntry
from domain.limits.rules import Metric
from domain.limits.windows import Window
from domain.routing.catalog import Route
from domain.subjects import Subject, SubjectKind


def route_entries(route: Route) -> tuple[Entry, ...]:
    """Return what binds one attempt at `route`, in the order of evaluation; mostly nothing.

    The counters depend on the route alone: whoever changes a cap keeps what was counted.
    """
    return tuple(_entries(route)) if route.is_capped else ()


def _entries(route: Route) -> Iterator[Entry]:
    subject = Subject(SubjectKind.ROUTE, route.id)
    for metric, cap in ((Metric.REQUESTS, route.rpm), (Metric.TOKENS, route.tpm)):
        if cap is not None:
            slot = f"{metric}/{Window.MINUTE}"
            yield WindowEntry(
                limit_id=f"route:{route.id}:{slot}",
                subject=subject,
                label=f"{subject.kind}:{slot}",
                limit=cap,
                counter=f"w:route:{route.id}:{slot}",
                metric=metric,
                bucket_ms=Window.MINUTE.bucket_ms,
            )
    if route.max_in_flight is not None:
        yield LeaseEntry(
            limit_id=f"route:{route.id}:concurrency",
            subject=subject,
            label=f"{subject.kind}:concurrency",
            limit=route.max_in_flight,
            counter=f"c:route:{route.id}",
        )
