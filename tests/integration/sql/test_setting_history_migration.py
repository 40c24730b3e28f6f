"""Settings of an installation from before there was a history can be gone back to."""

from alembic.script import ScriptDirectory

from adapters.sql import migrations
from application.console.settings.manage import ManageSettings
from tests.support.acting import OPERATOR
from tests.support.configuration import sql_configuration
from tests.support.manual_clock import ManualClock
from tests.support.stores import connect_postgres

DEPTH = "gateway.max_json_depth"
REVISION = "0010"


async def test_what_was_set_before_is_the_first_revision(empty_postgres_url: str) -> None:
    url = empty_postgres_url
    scripts = ScriptDirectory(str(migrations.scripts_directory()))
    before = scripts.get_revision(REVISION).down_revision
    assert isinstance(before, str)
    await migrations.upgrade(url, before)
    async with connect_postgres(url) as connection:
        await connection.execute(
            f"INSERT INTO settings VALUES ('{DEPTH}', '32'), ('limits.unknown_price', '\"block\"')"
        )
    await migrations.upgrade(url)
    async with sql_configuration(url) as stored:
        settings = ManageSettings(stored.audited, {}, ManualClock())
        [first] = (await settings.history(OPERATOR)).items
        assert [(each.key, each.before, each.after) for each in first.changes] == [
            (DEPTH, None, 32),
            ("limits.unknown_price", None, "block"),
        ]
        await settings.change(OPERATOR, {DEPTH: 64}, reason="larger")
        back = await settings.roll_back(OPERATOR, 1, reason="as it was")
        assert back is not None
        assert back.revision == 3
        assert (await settings.find(OPERATOR, DEPTH)).view.value == 32
