"""The console's use cases about keys, on stores of a test."""

from adapters.crypto.cipher import AesGcmCipher
from adapters.system.identifiers import UuidGenerator
from adapters.system.randomness import SystemRandomness
from application.console.key_collection import KeyCollection
from application.console.key_handovers import KeyHandoverDesk
from application.console.service_accounts import ManageServiceAccounts
from application.jobs.key_lifecycle import KeyLifecycle
from application.ports.clock import Clock
from application.ports.leases import LeaderLease
from application.ports.unit_of_work import UnitOfWork
from entrypoints.console.services import KeyServices

RING = (b"k" * 32,)


def key_services(uow: UnitOfWork, clock: Clock) -> KeyServices:
    """Return them."""
    ids, randomness = UuidGenerator(), SystemRandomness()
    return KeyServices(
        keys=KeyCollection(uow, clock, ids, randomness),
        handovers=KeyHandoverDesk(uow, AesGcmCipher(RING, randomness), clock),
        accounts=ManageServiceAccounts(uow, clock, ids),
    )


def key_lifecycle(uow: UnitOfWork, lease: LeaderLease, clock: Clock) -> KeyLifecycle:
    """Return the job, sealing with the ring that `key_services` opens."""
    randomness = SystemRandomness()
    return KeyLifecycle(
        uow,
        lease,
        AesGcmCipher(RING, randomness),
        clock=clock,
        ids=UuidGenerator(),
        randomness=randomness,
    )
