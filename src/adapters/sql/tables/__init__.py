"""The rows. Importing this package registers every table with the metadata."""

from adapters.sql.tables.access import RoleAssignmentRow, RoleRow
from adapters.sql.tables.audit import AuditCheckpointRow, AuditEventRow, AuditHeadRow
from adapters.sql.tables.budget_alerts import BudgetAlertRow
from adapters.sql.tables.catalog import ModelAliasRow, ModelRow, PriceRow, ProviderRow, RouteRow
from adapters.sql.tables.idempotency import IdempotencyKeyRow
from adapters.sql.tables.keys import ApiKeyRow, ApiKeyTeamRow
from adapters.sql.tables.limits import (
    BudgetCapRow,
    ConcurrencyCapRow,
    LimitOverrideRow,
    LimitRuleRow,
)
from adapters.sql.tables.people import TeamMemberRow, TeamRow, UserRow
from adapters.sql.tables.setting_history import SettingRevisionRow, StagedSettingRow
from adapters.sql.tables.settings import ConfigRevisionRow, SettingRow

__all__ = [
    "ApiKeyRow",
    "ApiKeyTeamRow",
    "AuditCheckpointRow",
    "AuditEventRow",
    "AuditHeadRow",
    "BudgetAlertRow",
    "BudgetCapRow",
    "ConcurrencyCapRow",
    "ConfigRevisionRow",
    "IdempotencyKeyRow",
    "LimitOverrideRow",
    "LimitRuleRow",
    "ModelAliasRow",
    "ModelRow",
    "PriceRow",
    "ProviderRow",
    "RoleAssignmentRow",
    "RoleRow",
    "RouteRow",
    "SettingRevisionRow",
    "SettingRow",
    "StagedSettingRow",
    "TeamMemberRow",
    "TeamRow",
    "UserRow",
]
