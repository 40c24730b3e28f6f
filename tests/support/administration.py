"""The use cases of the console and the command line on a configuration store of either kind."""

from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from adapters.crypto.cipher import AesGcmCipher
from adapters.identity.passwords import Argon2Passwords
from adapters.providers.factory import ProvidersByKind
from adapters.system.identifiers import UuidGenerator
from adapters.system.randomness import SystemRandomness
from adapters.upstream.http11 import Http11Transport
from adapters.upstream.options import TransportOptions
from application.console.administrators import ManageAdministrators
from application.console.configuration.apply import ApplyConfiguration
from application.console.configuration.export import ExportConfiguration
from application.console.configuration.interpolation import Interpolated, Lookup, interpolate
from application.console.configuration.plan import Action, Applied
from application.console.keys import ManageKeys
from application.ports.secrets import SecretCipher
from domain.routing.catalog import ProviderSpec
from tests.support.acting import OPERATOR
from tests.support.configuration import Configuration
from tests.support.manual_clock import ManualClock


class Administration(Struct):
    """Use cases that share a store and a clock."""

    stored: Configuration
    clock: ManualClock
    cipher: SecretCipher
    keys: ManageKeys
    administrators: ManageAdministrators
    configuration: ApplyConfiguration
    export: ExportConfiguration

    async def apply(self, _prune: bool = False, _dry_run: bool = False, **members: Any) -> Applied:
        """Apply a document of these members, as it is."""
        return await self.configuration.apply(
            OPERATOR, Interpolated({"version": 1, **members}), prune=_prune, dry_run=_dry_run
        )


def administration(stored: Configuration, *keys: bytes) -> Administration:
    """Return the use cases on `stored`; `keys` is the key ring of the cipher."""
    clock, ids, randomness = ManualClock(), UuidGenerator(), SystemRandomness()
    cipher = AesGcmCipher(keys or (b"k" * 32,), randomness)
    passwords = Argon2Passwords(time_cost=1, memory_kib=64, lanes=1)

    def transport(spec: ProviderSpec, proxy: str | None) -> Http11Transport:
        del spec, proxy
        return Http11Transport(TransportOptions())

    providers = ProvidersByKind(cipher, transport, clock)
    return Administration(
        stored=stored,
        clock=clock,
        cipher=cipher,
        keys=ManageKeys(stored.uow, clock, ids, randomness),
        administrators=ManageAdministrators(stored.uow, passwords, clock, ids, randomness),
        configuration=ApplyConfiguration(stored.uow, cipher, providers, clock, ids, randomness),
        export=ExportConfiguration(stored.uow, clock),
    )


def plan(applied: Applied) -> list[tuple[str, str]]:
    """Return (action, "kind name") of every step that changes something."""
    return [
        (step.action.value, f"{step.kind} {step.name}")
        for step in applied.steps
        if step.action is not Action.UNCHANGED
    ]


class FixedLookup(Lookup):
    """Variables and files from mappings."""

    def __init__(self, variables: Mapping[str, str], files: Mapping[str, str]) -> None:
        self._variables = variables
        self._files = files

    def variable(self, name: str) -> str:
        if name not in self._variables:
            raise LookupError(f"the environment variable {name} is not set")
        return self._variables[name]

    def file(self, path: str) -> str:
        if path not in self._files:
            raise LookupError(f"the file {path} does not exist")
        return self._files[path]


def resolved(tree: object, **variables: str) -> Interpolated:
    """Interpolate a tree with variables and the one file `key.txt`."""
    return interpolate(tree, FixedLookup(variables, {"key.txt": "sk-from-a-file"}))
