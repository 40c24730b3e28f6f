"""The whole program in this process: gateway, console and worker on the same real stores."""

import contextlib
import os
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from application.console.configuration.interpolation import Interpolated
from domain.secret import Secret
from entrypoints.config import BootConfig
from entrypoints.console.app import create_console_app
from entrypoints.container import Container, open_container
from entrypoints.container.administration import Administration, open_administration
from entrypoints.gateway.app import create_gateway_app
from entrypoints.roles import ALL_ROLES, ConsoleTokens, StoreUrls
from tests.support.acting import OPERATOR
from tests.support.live_server import live_server
from tests.support.stores import ClickHouseDatabase

TOKEN = "token-of-this-test"
SETUP_TOKEN = "set-up-token-of-this-test"


@dataclass(frozen=True, slots=True)
class WholeProgram:
    """Where it listens, and what it was opened with.

    Attributes:
        token: of the operator; a bearer token of the console.
    """

    gateway_url: str
    console_url: str
    token: str
    container: Container
    config: BootConfig
    stores: StoreUrls

    def administration(self) -> contextlib.AbstractAsyncContextManager[Administration]:
        """Open what the commands use, on the same stores."""
        return open_administration(self.config, self.stores)

    async def apply(self, **members: Any) -> None:
        """Apply a document of these members, as the command does."""
        async with self.administration() as administration:
            await administration.apply.apply(OPERATOR, Interpolated({"version": 1, **members}))


@contextlib.asynccontextmanager
async def whole_program(
    postgres_url: str, redis_url: str, clickhouse: ClickHouseDatabase, data_dir: Path
) -> AsyncGenerator[WholeProgram]:
    """Serve everything on these stores; providers may be on this machine."""
    config = BootConfig(
        data_dir=data_dir,
        encryption_keys=(Secret(os.urandom(32).hex()),),
        jwt_secret=Secret(os.urandom(32).hex()),
        clickhouse_url=Secret(clickhouse.url),
        upstream_allowed_networks=("127.0.0.0/8",),
    )
    tokens = ConsoleTokens(setup=Secret(SETUP_TOKEN), operator=Secret(TOKEN))
    stores = StoreUrls(database_url=postgres_url, redis_url=redis_url)
    async with open_container(config, stores, ALL_ROLES, tokens) as container:
        assert container.gateway is not None
        assert container.console is not None
        async with (
            live_server(create_gateway_app(container.gateway)) as gateway_url,
            live_server(create_console_app(container.console)) as console_url,
        ):
            yield WholeProgram(gateway_url, console_url, TOKEN, container, config, stores)
