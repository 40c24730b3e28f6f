"""The rows. Importing this package registers every table with the metadata."""

from adapters.sql.tables.access import RoleAssignmentRow, RoleRow
from adapters.sql.tables.audit import AuditCheckpointRow, AuditEventRow, AuditHeadRow
from adapters.sql.tables.budget_alerts import BudgetAlertRow
from adapters.sql.tables.catalog import ModelAliasRow, ModelRow, PriceRow, ProviderRow, RouteRow
from adapters.sql.tables.idempotency import IdempotencyKeyRow
from adapters.sql.tables.invites import InviteRow, InviteTeamRow
from adapters.sql.tables.key_lifecycle import KeyHandoverRow, KeyWarningRow
from adapters.sql.tables.keys import ApiKeyRow, ApiKeyTeamRow
from adapters.sql.tables.limits import (
    BudgetCapRow,
    ConcurrencyCapRow,
    LimitOverrideRow,
    LimitRuleRow,
)
from adapters.sql.tables.people import TeamMemberRow, TeamRow, UserRow
from adapters.sql.tables.sessions import SecondFactorRow, SessionRow, SignInAttemptRow
from adapters.sql.tables.setting_history import SettingRevisionRow, StagedSettingRow
from adapters.sql.tables.settings import ConfigRevisionRow, SettingRow
from adapters.sql.tables.single_sign_on import SsoAttemptRow, SsoIdentityRow, SsoProviderRow

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
    "InviteRow",
    "InviteTeamRow",
    "KeyHandoverRow",
    "KeyWarningRow",
    "LimitOverrideRow",
    "LimitRuleRow",
    "ModelAliasRow",
    "ModelRow",
    "PriceRow",
    "ProviderRow",
    "RoleAssignmentRow",
    "RoleRow",
    "RouteRow",
    "SecondFactorRow",
    "SessionRow",
    "SettingRevisionRow",
    "SettingRow",
    "SignInAttemptRow",
    "SsoAttemptRow",
    "SsoIdentityRow",
    "SsoProviderRow",
    "StagedSettingRow",
    "TeamMemberRow",
    "TeamRow",
    "UserRow",
]
