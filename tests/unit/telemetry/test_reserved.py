"""Files of metrics: every block reserved, and on a full disk nothing is lost but the view."""

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import cast

import pytest
from prometheus_client import values
from prometheus_client.mmap_dict import MmapedDict
from structlog.testing import capture_logs

from adapters.telemetry.metrics import PrometheusTelemetry
from adapters.telemetry.reserved import (
    AGAIN_AFTER_S,
    FIRST_BYTES,
    ReservedDict,
    reserve,
    write_zeros,
)
from tests.support.manual_clock import ManualClock
from tests.support.small_disk import largest_file

MORE_THAN_FIT = 800
Reserve = Callable[[int, int, int], None]
_Entry = tuple[str, float, float, int]


def key(number: int) -> str:
    return json.dumps(["requests", "requests_total", {"model": f"m{number}"}, "Requests." * 5])


def stored(file: Path) -> dict[str, float]:
    """Return what a page would be made of."""
    read = cast("Iterator[_Entry]", MmapedDict.read_all_values_from_file(str(file)))
    return {name: value for name, value, _, _ in read}


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "counter_1.db"


@pytest.fixture
def kept(file: Path, clock: ManualClock) -> ReservedDict:
    return ReservedDict(str(file), now=clock.monotonic)


@pytest.mark.parametrize("way", [reserve, write_zeros])
def test_a_range_has_its_blocks_or_there_is_an_error(tmp_path: Path, way: Reserve) -> None:
    with (tmp_path / "file").open("w+b") as opened:
        opened.write(b"there")
        opened.flush()
        way(opened.fileno(), 5, 3 * FIRST_BYTES)
        state = os.fstat(opened.fileno())
        assert state.st_size == 3 * FIRST_BYTES + 5
        assert state.st_blocks * 512 >= state.st_size
        opened.seek(0)
        assert opened.read() == b"there" + bytes(3 * FIRST_BYTES)
        with largest_file(4 * FIRST_BYTES), pytest.raises(OSError, match="File too large"):
            way(opened.fileno(), 3 * FIRST_BYTES, 2 * FIRST_BYTES)


def test_a_file_is_without_holes_when_it_begins_and_when_it_grows(
    file: Path, kept: ReservedDict
) -> None:
    assert kept.read_value(key(0)) == (0.0, 0.0)
    assert file.stat().st_size == FIRST_BYTES
    assert file.stat().st_blocks * 512 >= FIRST_BYTES
    for number in range(MORE_THAN_FIT):
        kept.write_value(key(number), float(number), 0.0)
    assert file.stat().st_size > FIRST_BYTES
    assert file.stat().st_blocks * 512 >= file.stat().st_size
    assert stored(file) == {key(number): float(number) for number in range(MORE_THAN_FIT)}
    kept.close()


def test_a_file_that_cannot_grow_keeps_its_values_and_gets_the_others_when_it_can(
    file: Path, kept: ReservedDict, clock: ManualClock
) -> None:
    with capture_logs() as logs, largest_file(FIRST_BYTES):
        for number in range(MORE_THAN_FIT):
            assert kept.read_value(key(number)) == (0.0, 0.0)
            kept.write_value(key(number), 1.0, 0.0)
        for number in range(MORE_THAN_FIT):
            kept.write_value(key(number), 2.0, 0.0)
            assert kept.read_value(key(number)) == (2.0, 0.0)
        clock.advance(AGAIN_AFTER_S)
        kept.write_value(key(MORE_THAN_FIT - 1), 3.0, 0.0)
    assert [entry["event"] for entry in logs] == ["metrics_off"]
    assert logs[0]["error"] == "File too large"
    assert file.stat().st_size == FIRST_BYTES
    found = stored(file)
    assert 0 < len(found) < MORE_THAN_FIT
    assert set(found.values()) == {2.0}

    with capture_logs() as logs:
        clock.advance(AGAIN_AFTER_S - 1)
        kept.write_value(key(MORE_THAN_FIT - 1), 4.0, 0.0)
        assert stored(file) == found, "it is not asked for with every request"
        clock.advance(1)
        kept.write_value(key(MORE_THAN_FIT - 1), 5.0, 0.0)
    assert [entry["event"] for entry in logs] == ["metrics_on"]
    wanted = {key(number): 2.0 for number in range(MORE_THAN_FIT)}
    assert stored(file) == wanted | {key(MORE_THAN_FIT - 1): 5.0}
    kept.close()


def test_a_file_that_cannot_begin_leaves_nothing_behind_and_begins_when_it_can(
    file: Path, kept: ReservedDict, clock: ManualClock
) -> None:
    with largest_file(FIRST_BYTES - 1):
        assert kept.read_value(key(0)) == (0.0, 0.0)
        kept.write_value(key(0), 1.0, 0.0)
        assert kept.read_value(key(0)) == (1.0, 0.0)
    assert list(file.parent.iterdir()) == []
    clock.advance(AGAIN_AFTER_S)
    kept.read_value(key(1))
    assert stored(file) == {key(0): 1.0, key(1): 0.0}
    kept.close()


def test_one_that_never_began_can_be_closed(kept: ReservedDict) -> None:
    kept.close()


def test_counting_goes_on_where_a_process_of_the_same_number_ended(
    file: Path, kept: ReservedDict
) -> None:
    kept.write_value(key(0), 7.0, 0.0)
    kept.close()
    successor = ReservedDict(str(file))
    assert successor.read_value(key(0)) == (7.0, 0.0)
    successor.close()


def test_the_library_opens_such_files() -> None:
    PrometheusTelemetry()
    assert vars(values)["MmapedDict"] is ReservedDict
