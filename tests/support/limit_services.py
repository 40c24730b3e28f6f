"""The console's use cases about limits, on stores of a test."""

from adapters.memory.budget_alerts import MemoryBudgetAlerts
from adapters.memory.limits import MemoryLimitStore
from adapters.redis.limits import RedisLimitStore
from adapters.system.identifiers import UuidGenerator
from application.console.limits.alerts import BudgetAlertList
from application.console.limits.collection import BudgetCollection, RuleCollection
from application.console.limits.overrides import ManageOverrides
from application.console.limits.standing import LimitStandings
from application.ports.budget_alerts import BudgetAlertArchive
from application.ports.clock import Clock
from application.ports.unit_of_work import UnitOfWork
from entrypoints.console.services import LimitServices


def limit_services(
    uow: UnitOfWork,
    clock: Clock,
    store: MemoryLimitStore | RedisLimitStore | None = None,
    alerts: BudgetAlertArchive | None = None,
) -> LimitServices:
    """Return them; without `store` the counters are in memory."""
    ids, counters = UuidGenerator(), store or MemoryLimitStore(clock)
    return LimitServices(
        rules=RuleCollection(uow, clock, ids),
        budgets=BudgetCollection(uow, clock, ids),
        overrides=ManageOverrides(uow, clock, ids),
        standings=LimitStandings(uow, counters, counters, clock),
        alerts=BudgetAlertList(alerts or MemoryBudgetAlerts(), uow),
    )
