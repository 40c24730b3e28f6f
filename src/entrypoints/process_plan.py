"""What the parent tells a process of a running server: over its standard input, never in argv."""

import signal

import msgspec
from msgspec import Struct

from entrypoints.config import BootConfig, from_wire_hook, to_wire
from entrypoints.roles import ConsoleTokens, Role, StoreUrls

READY, GOODBYE = b"1", b"0"
"""What a process says to its parent: that it serves, and that it takes no more traffic."""
TURN_RED = signal.SIGUSR1
"""Asks a process that serves to turn its readiness red and to serve on."""


class ProcessPlan(Struct, frozen=True, kw_only=True):
    """One process: its roles, and the descriptors it inherits.

    Attributes:
        name: unique among the processes of a server and the same after a restart, e.g. `gateway-0`.
        config: with all secrets and with the ports that are really open.
        gateway_socket, console_socket: listening; None when the process has no such role.
        ready_pipe: one byte goes into it when the process serves.
    """

    name: str
    roles: frozenset[Role]
    config: BootConfig
    stores: StoreUrls
    console_tokens: ConsoleTokens
    gateway_socket: int | None
    console_socket: int | None
    ready_pipe: int

    def encode(self) -> bytes:
        """For the child's standard input; holds secrets in clear."""
        return to_wire(self)

    @staticmethod
    def decode(data: bytes) -> "ProcessPlan":
        """Undo `encode`."""
        return msgspec.json.decode(data, type=ProcessPlan, dec_hook=from_wire_hook)
