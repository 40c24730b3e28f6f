"""Reading an answer apart from its client."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from application.gateway.pump import Pump
from application.runtime.supervisor import TaskSupervisor
from domain.errors import UpstreamTimeout, UpstreamUnavailable


async def parts(*given: bytes | Exception) -> AsyncIterator[bytes]:
    for each in given:
        if isinstance(each, Exception):
            raise each
        yield each


@pytest.mark.parametrize(
    ("end", "told"),
    [
        (UpstreamTimeout("idle"), UpstreamTimeout),
        (RuntimeError("a fault of the program"), UpstreamUnavailable),
    ],
)
async def test_whatever_ends_the_reading_ends_the_answer(
    end: Exception, told: type[Exception]
) -> None:
    tasks = TaskSupervisor()
    chunks = Pump(parts(b"a", b"b", end), tasks).chunks()
    async with asyncio.timeout(5):
        assert [await anext(chunks), await anext(chunks)] == [b"a", b"b"]
        with pytest.raises(told):
            await anext(chunks)
    await tasks.cancel_all(5)
