"""What `deploy/` says about the program is true of the program."""

import re

from entrypoints import tracing
from entrypoints.cli import COMMANDS
from entrypoints.config import VARIABLES, load_config
from tests.support.source_tree import ROOT

DEPLOY = ROOT / "deploy"


def test_the_example_environment_names_only_variables_there_are() -> None:
    text = (DEPLOY / "env.example").read_text(encoding="utf-8")
    named = set(re.findall(r"^#?([A-Z][A-Z_]+)=", text, re.MULTILINE))
    known = {variable.name for variable in VARIABLES}
    files = {f"{variable.name}_FILE" for variable in VARIABLES if variable.secret}
    assert named
    assert named <= known | files | set(tracing.VARIABLES)


def test_the_example_environment_is_a_valid_configuration() -> None:
    lines = (DEPLOY / "env.example").read_text(encoding="utf-8").splitlines()
    environment = dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))
    assert load_config(environment).config.workers == 2


def test_the_service_waits_for_the_whole_drain_and_starts_a_command_there_is() -> None:
    text = (DEPLOY / "thinkwatch.service").read_text(encoding="utf-8")
    command = re.search(r"^ExecStart=\S+/thinkwatch (\w+)", text, re.MULTILINE)
    patience = re.search(r"^TimeoutStopSec=(\d+)", text, re.MULTILINE)
    assert command is not None
    assert patience is not None
    assert command[1] in COMMANDS
    grace = next(v.default for v in VARIABLES if v.name.endswith("SHUTDOWN_GRACE_SECONDS"))
    assert grace is not None
    assert int(patience[1]) > 2 * (int(grace) + 10)
