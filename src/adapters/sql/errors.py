"""Errors of SQLAlchemy and asyncpg in the words of the domain."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from asyncpg.exceptions import InterfaceError as DriverInterfaceError
from asyncpg.exceptions import PostgresError
from sqlalchemy.exc import (
    DBAPIError,
    IntegrityError,
    InterfaceError,
    OperationalError,
    StatementError,
)
from sqlalchemy.exc import TimeoutError as PoolTimeout

from domain.errors import Conflict, DomainError, InvalidRequest, ServiceUnavailable

DEFAULT_TIMEOUT = 15.0

# What a violated constraint means to the person who caused it.
_CONSTRAINTS = {
    "uq_users_email": "A user with this e-mail address exists already.",
    "uq_teams_name": "A team with this name exists already.",
    "uq_api_keys_hash": "This key secret was used before; a secret is never used twice.",
    "uq_api_keys_parent_id": "The key was rotated by somebody else at the same time.",
    "uq_api_keys_active_lineage": "The key was rotated by somebody else at the same time.",
    "uq_api_keys_active_name": "The owner already has an active key with this name.",
    "pk_key_warnings": "The warning was given already.",
    "uq_key_handovers_key": "The secret of this key waits to be collected already.",
    "uq_providers_name": "A provider with this name exists already.",
    "uq_models_name": "A model with this name exists already.",
    "uq_routes_target": "The model already has a route to this provider and upstream model.",
    "uq_prices_effective_from": "The model already has a price with the same effective date.",
    "uq_limit_rules_target": "The subject already has a rule for this metric and window.",
    "uq_budget_caps_target": "The subject already has a budget for this period and unit.",
    "uq_concurrency_caps_target": "The subject already has a concurrency cap.",
    "uq_sso_providers_name": "An identity provider with this name exists already.",
    "pk_sso_identities": "The identity is linked to a user already.",
    "uq_sso_identities_user": "The user has another identity of this provider already.",
    "pk_sso_attempts": "This state was used before.",
    "pk_setting_revisions": "Another change is in progress; try again.",
    "pk_roles": "A role with this name exists already.",
    "fk_users_role": "There is no such role, or it is still given to somebody.",
    "fk_role_assignments_role": "There is no such role, or it is still given to somebody.",
    "fk_role_assignments_user_id": "There is no such role, user or team.",
    "fk_role_assignments_team_id": "There is no such role, user or team.",
    "uq_role_assignments_target": "The role is given already.",
    "uq_invites_email": "There is an open invitation for this address; revoke it first.",
    "fk_invites_role": "There is no such role, or it is still given to somebody.",
    "fk_routes_provider_id": "The provider is still used by a route.",
}
_CONCURRENT = {"40001", "40P01", "55P03"}  # serialisation failure, deadlock, lock not available
_SCHEMA_MISSING = {"42P01", "42703"}  # undefined table, undefined column
# NUL in a text (two), number out of range, malformed value (UUID), text too long, time out of range;
# 22000 is the driver's own, for what it cannot encode. The rest of class 22 is our fault.
_UNSUITABLE = {"22021", "22P05", "22003", "22P02", "22001", "22008", "22000"}
_NOT_STORABLE = "A value cannot be stored: a text has a character, or a number a size, it may not."
_INTERRUPTED = {"57014", "25P03"}  # statement timeout, idle in transaction


@asynccontextmanager
async def database_errors(timeout: float = DEFAULT_TIMEOUT) -> AsyncGenerator[None]:  # noqa: ASYNC109
    """Bound a piece of database work and translate what goes wrong in it.

    Raises:
        Conflict: a constraint was violated or a concurrent transaction won.
        InvalidRequest: a value cannot be stored: a number out of range, a text with NUL.
        ServiceUnavailable: no connection, no pool slot, or no answer within `timeout` seconds.
    """
    try:
        async with asyncio.timeout(timeout):
            yield
    except UnicodeEncodeError as error:
        raise InvalidRequest(_NOT_STORABLE) from error
    except IntegrityError as error:
        raise _violation(error) from error
    except (DBAPIError, PostgresError) as error:  # the driver's own errors come from connecting
        raise _translated(error) from error
    except StatementError as error:  # while a value was made ready for the driver
        if isinstance(error.orig, OverflowError | ValueError):
            raise InvalidRequest(_NOT_STORABLE) from error
        raise
    except (PoolTimeout, TimeoutError) as error:
        raise ServiceUnavailable("The database did not answer in time.") from error
    except (OSError, DriverInterfaceError) as error:
        raise ServiceUnavailable("The database cannot be reached.") from error


def _violation(error: IntegrityError) -> DomainError:
    constraint = getattr(_cause(error), "constraint_name", None)
    return Conflict(
        _CONSTRAINTS.get(constraint or "", "The change contradicts what is stored already.")
    )


def _translated(error: DBAPIError | PostgresError) -> Exception:
    cause = _cause(error) if isinstance(error, DBAPIError) else error
    state = str(getattr(cause, "sqlstate", None) or "")
    if state in _UNSUITABLE or isinstance(cause, UnicodeEncodeError):
        return InvalidRequest(_NOT_STORABLE)
    if state in _CONCURRENT:
        return Conflict("Another change is in progress; try again.")
    if state in _SCHEMA_MISSING:
        return ServiceUnavailable(
            "The database schema is missing or old; run 'thinkwatch migrate'."
        )
    if state in _INTERRUPTED:
        return ServiceUnavailable("The database did not answer in time.")
    # Class 08: connection, 53: resources, 57P: shut down, 28/3D: refused log-in, missing database.
    unreachable = state[:2] in {"08", "53", "28", "3D"} or state.startswith("57P")
    lost = isinstance(error, OperationalError | InterfaceError) or (
        isinstance(error, DBAPIError) and error.connection_invalidated
    )
    return ServiceUnavailable("The database cannot be reached.") if unreachable or lost else error


def _cause(error: DBAPIError) -> BaseException | None:
    """Return asyncpg's own exception below SQLAlchemy's and the dialect's wrapping."""
    return error.orig.__cause__ if error.orig is not None else None
