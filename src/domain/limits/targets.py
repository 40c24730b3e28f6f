"""What makes two limits the same limit with another value."""

from domain.limits.rules import BudgetCap, ConcurrencyCap, Limit, WindowRule

Target = tuple[object, ...]


def target_of(limit: Limit) -> Target:
    """Return what at most one stored limit may have."""
    match limit:
        case WindowRule():
            return ("rule", limit.holder, limit.surface, limit.metric, limit.window)
        case BudgetCap():
            return ("budget", limit.holder, limit.period, limit.unit)
        case ConcurrencyCap():
            return ("concurrency", limit.holder, limit.surface)
