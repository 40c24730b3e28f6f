"""What the app on port 3001 is made of."""

from application.console.request_records import RequestRecords
from msgspec import Struct

from application.ports.clock import IdGenerator
from domain.secret import Secret
from entrypoints.health import HealthChecks


class Console(Struct, frozen=True, kw_only=True):
    """Collaborators of the console's routes."""

    request_records: RequestRecords
    token: Secret
    ids: IdGenerator
    health: HealthChecks
