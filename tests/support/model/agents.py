"""What the model says to a coding agent: look, edit a file, run a command, done.

The tools are whatever the agent offers; they are recognised by their names, and their arguments by
the names in their schemas. The prompt names the file: `Change the colour in /path/colour.txt`.
"""

import re

from tests.support.model.talk import (
    Call,
    Conversation,
    Json,
    Refused,
    Result,
    Tokens,
    Turn,
    inside,
    listed,
)

MODEL = "scripted-agent"
FILE = "colour.txt"
BEFORE = "the colour is red\n"
AFTER = "the colour is blue\n"
MADE_BY_SHELL = "made-by-shell.txt"
LAST_WORDS = "The colour is blue now, and the command has run."
TOKENS = Tokens(uncached=1200, cache_read=300, output=40, reasoning=20)
_PATH = re.compile(rf"/[\w./-]+/{re.escape(FILE)}")
_READERS = ("Read", "read", "read_file")
_EDITORS = ("Edit", "edit", "replace")
_SHELLS = ("Bash", "bash", "run_shell_command", "exec_command", "shell_command", "shell")


def prompt(path: str) -> str:
    """Return what the user asks."""
    return f"Change the colour in {path} from red to blue, then run the command that was agreed."


def agent(asked: Conversation) -> Turn:
    """Say the next thing; whatever else an agent asks on the side gets a short answer."""
    found = _PATH.search(asked.user_text)
    shell = _first(asked, _SHELLS)
    if found is None or shell is None:
        return _aside(asked)
    path = found[0]
    folder = path.rpartition("/")[0]
    editor, reader = _first(asked, _EDITORS), _first(asked, _READERS)
    command = f"printf 'made\\n' > {folder}/{MADE_BY_SHELL}"
    made = _call(asked, shell, {"command": command})
    edit = (
        _call(asked, editor, {"path": path, "old": "colour is red", "new": "colour is blue"})
        if editor
        else _call(asked, shell, {"command": f"sed -i 's/is red/is blue/' {path}"})
    )
    look = (
        _call(asked, reader, {"path": path})
        if reader
        else _call(asked, shell, {"command": f"cat {path}"})
    )
    results: list[Result] = asked.parts(Result)
    match len(asked.parts(Call)):
        case 0:
            text, thought = (
                "I look at the file first.",
                "The file must be read before it is edited.",
            )
            return Turn(text=text, thought=thought, calls=(look,), tokens=TOKENS)
        case 1:
            if "colour is red" not in results[0].text:
                raise Refused(f"the file was not shown: {results[0].text[:500]}")
            return Turn(thought="Both at once.", calls=(edit, made), tokens=TOKENS)
        case 3:
            return Turn(text=LAST_WORDS, tokens=TOKENS)
        case number:
            raise Refused(f"the agent remembers {number} calls")


def _first(asked: Conversation, names: tuple[str, ...]) -> str | None:
    return next((name for name in names if name in asked.tools), None)


def _call(asked: Conversation, tool: str, known: dict[str, str]) -> Call:
    properties: Json = inside(asked.tools[tool], "properties")
    required: list[str] = listed(asked.tools[tool], "required")
    arguments: Json = {}
    for name, schema in properties.items():
        value = _argument(name, schema, known)
        if value is not None:
            arguments[name] = value
        elif name in required:
            arguments[name] = False if schema.get("type") in ("boolean", "BOOLEAN") else "as agreed"
    return Call(tool, arguments)


def _argument(name: str, schema: Json, known: dict[str, str]) -> object:
    plain = name.replace("_", "").lower()
    if plain in ("filepath", "absolutepath", "path"):
        return known.get("path")
    if plain == "oldstring":
        return known.get("old")
    if plain == "newstring":
        return known.get("new")
    if plain in ("command", "cmd") and "command" in known:
        as_list = schema.get("type") in ("array", "ARRAY")
        return ["bash", "-lc", known["command"]] if as_list else known["command"]
    return None


def _aside(asked: Conversation) -> Turn:
    if asked.schema is None:
        return Turn(text="Colours", tokens=TOKENS)
    raise Refused(f"nobody expected a question with the schema {asked.schema}")
