"""Every test here runs on both event loops."""

import asyncio
from collections.abc import Callable, Mapping

import uvloop


def pytest_asyncio_loop_factories() -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """uvloop is what the gateway runs on; asyncio is what a debugger gets."""
    return {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}
