"""A console on stores of a test, whole but for what a test is not about."""

from msgspec.structs import replace

from adapters.memory.idempotency import MemoryIdempotencyKeys
from adapters.memory.request_log import MemoryRequestLog
from adapters.system.identifiers import UuidGenerator
from application.console.idempotency import IdempotentRequests
from application.console.request_records import RequestRecords
from application.ports.clock import Clock
from application.ports.unit_of_work import UnitOfWork
from domain.secret import Secret
from entrypoints.console.services import Console
from entrypoints.health import HealthChecks
from tests.support.catalog_services import catalog_services
from tests.support.configuration import memory_configuration
from tests.support.console_sso import console_sso
from tests.support.identity_services import identity_services
from tests.support.installation_services import installation_services
from tests.support.key_services import key_services
from tests.support.limit_services import limit_services
from tests.support.people_services import people_services
from tests.support.provider_inspection import provider_inspection
from tests.support.routing_services import routing_services


def console_over(uow: UnitOfWork, clock: Clock, token: str = "token", **others: object) -> Console:
    """Return a console whose operator token is `token`; `others` are members in place of these."""
    console = Console(
        request_records=RequestRecords(MemoryRequestLog(clock=clock), clock=clock),
        limits=limit_services(uow, clock),
        providers=provider_inspection(uow, clock),
        catalog=catalog_services(uow, clock),
        people=people_services(uow, clock),
        keys=key_services(uow, clock),
        routing=routing_services(uow, clock),
        identity=identity_services(uow, clock, token),
        single_sign_on=console_sso(uow, clock),
        installation=installation_services(memory_configuration()),
        requests=IdempotentRequests(
            MemoryIdempotencyKeys(), clock, UuidGenerator(), secret=Secret("of this test")
        ),
        ids=UuidGenerator(),
        health=HealthChecks({}),
    )
    return replace(console, **others)
