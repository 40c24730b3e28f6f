"""Types that `openapi-typescript` generates from the document are what a program wants to use."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from entrypoints.cli.openapi import command
from tests.support.clients.npm import MODULES, NODE, offline

GENERATOR = MODULES / "openapi-typescript" / "bin" / "cli.js"
COMPILER = MODULES / "typescript" / "bin" / "tsc"
TIMEOUT_S = 120.0
STRICT = {
    "compilerOptions": {
        "target": "es2022",
        "module": "nodenext",
        "moduleResolution": "nodenext",
        "strict": True,
        "exactOptionalPropertyTypes": True,
        "noUncheckedIndexedAccess": True,
        "noEmit": True,
        "skipLibCheck": True,
        "types": [],
        "lib": ["es2022", "dom"],
    },
    "include": ["*.ts"],
}
PROGRAM = """\
import type { components, operations, paths } from "./console.js";

type Body<Name extends keyof operations> = operations[Name] extends {
  requestBody: { content: { "application/json": infer Content } };
} ? Content : never;
type Answered<Name extends keyof operations, Status extends number> =
  operations[Name]["responses"] extends { [key in Status]: { content: { "application/json": infer Content } } }
    ? Content : never;

const rule: Body<"create_rule"> = {
  subject: "platform", metric: "requests", limit: 7, window: "1m",
  surface: "ai_gateway", enforcement: "soft", mode: "enforce", enabled: true,
};
const changes: Body<"update_rule"> = { limit: 8, mode: null };

function names(page: Answered<"list_limits", 200>): string[] {
  return page.items.map((each) => `${each.id}: ${each.limit.toFixed()} of ${each.subject}`);
}

function why(problem: components["responses"]["BadRequest"]["content"]["application/problem+json"]): string {
  const faults = problem.errors ?? [];
  return [problem.detail, ...faults.map((fault) => `${fault.field}: ${fault.message}`)].join("; ");
}

type Asked = NonNullable<paths["/api/limits"]["get"]["parameters"]["query"]>;
const asked: Asked = { limit: 10, subject: "platform" };
export { asked, changes, names, rule, why };
"""
WRONG = {  # what is wrong: (right, wrong)
    "an unknown member": ("limit: 7,", "limits: 7,"),
    "a value that is not listed": ('metric: "requests"', 'metric: "miles"'),
    "null where it must be a number": ("limit: 7", "limit: null"),
    "a member that an answer has not": ("each.subject", "each.sobject"),
}


def _run(*arguments: object, directory: Path) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [NODE, *map(str, arguments)],
        cwd=directory,
        env=offline(HOME=str(directory)),
        capture_output=True,
        text=True,
        check=False,
        timeout=TIMEOUT_S,
    )


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with the generated types."""
    if not GENERATOR.exists():
        pytest.fail("openapi-typescript is not installed: run 'make setup'")
    directory = tmp_path_factory.mktemp("typescript")
    described = CliRunner().invoke(command, ["--json"])
    assert described.exit_code == 0, described.output
    document: dict[str, Any] = json.loads(described.output)
    (directory / "openapi.json").write_text(json.dumps(document))
    (directory / "package.json").write_text('{"type": "module"}')
    (directory / "tsconfig.json").write_text(json.dumps(STRICT))
    made = _run(GENERATOR, "openapi.json", "-o", "console.ts", directory=directory)
    said = made.stdout + made.stderr
    assert made.returncode == 0, said
    assert "warn" not in said.lower(), said
    assert "error" not in said.lower(), said
    return directory


def test_programs_compile_against_the_generated_types_unless_they_are_wrong(project: Path) -> None:
    (project / "program.ts").write_text(PROGRAM)
    for number, (right, wrong) in enumerate(WRONG.values()):
        assert right in PROGRAM
        (project / f"wrong{number}.ts").write_text(PROGRAM.replace(right, wrong))
    checked = _run(COMPILER, "-p", "tsconfig.json", "--pretty", "false", directory=project)
    faults = [line for line in checked.stdout.splitlines() if not line.startswith(" ")]
    assert {line.partition("(")[0] for line in faults} == {
        f"wrong{number}.ts" for number in range(len(WRONG))
    }, checked.stdout + checked.stderr
