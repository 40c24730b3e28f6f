"""Writes docs/fidelity.md from the field tables of the codecs: `python -m tests.support.fidelity_page`."""

from collections.abc import Mapping
from pathlib import Path

from adapters.wire.anthropic_messages import fields as anthropic
from adapters.wire.bedrock_converse import fields as bedrock
from adapters.wire.fidelity import RequestField, RequestFields
from adapters.wire.gemini_generate import fields as gemini
from adapters.wire.openai_chat import fates as openai_chat_fates
from adapters.wire.openai_chat import fields as openai_chat
from adapters.wire.openai_responses import fields as openai_responses
from domain.inference.dialect import Dialect, WireFormat
from domain.inference.fields import CANONICAL_FIELDS, Fate

PAGE = Path(__file__).parents[2] / "docs" / "fidelity.md"

DIALECTS: Mapping[Dialect, RequestFields] = {
    Dialect.OPENAI_CHAT: openai_chat.REQUEST_FIELDS,
    Dialect.OPENAI_RESPONSES: openai_responses.REQUEST_FIELDS,
    Dialect.ANTHROPIC_MESSAGES: anthropic.REQUEST_FIELDS,
    Dialect.GEMINI_GENERATE: gemini.REQUEST_FIELDS,
    Dialect.BEDROCK_CONVERSE: bedrock.REQUEST_FIELDS,
}
FORMATS: Mapping[WireFormat, Mapping[str, Fate]] = {
    WireFormat.OPENAI_CHAT: openai_chat_fates.FATES,
    WireFormat.OPENAI_RESPONSES: openai_responses.FATES,
    WireFormat.ANTHROPIC_MESSAGES: anthropic.FATES,
    WireFormat.GEMINI_GENERATE: gemini.FATES,
    WireFormat.BEDROCK_CONVERSE: bedrock.FATES,
}
TITLES = {
    "openai_chat": "OpenAI Chat Completions",
    "openai_responses": "OpenAI Responses",
    "anthropic_messages": "Anthropic Messages",
    "gemini_generate": "Gemini generateContent",
    "bedrock_converse": "Bedrock Converse",
}
SHORT = {
    "openai_chat": "Chat",
    "openai_responses": "Responses",
    "anthropic_messages": "Messages",
    "gemini_generate": "Gemini",
    "bedrock_converse": "Converse",
}
_INTRODUCTION = """\
# What becomes of every field

Written from the codecs' own tables by `python -m tests.support.fidelity_page`; a test fails when it
is out of date, and another when an official SDK knows a request field that no table has.

When a client's API is the provider's API, the bytes pass through and nothing on this page applies.
When it is not, every field of a request is

* **mapped**: it has the same meaning at the provider, perhaps under another name;
* **passed**: kept, and given to a provider of the same vendor; others: see *dropped*;
* **dropped**: left out, and named in the answer's `x-thinkwatch-warnings` header;
* **refused**: the request is answered 400, naming the field, because leaving it out would change
  what was asked.

A value may still be refused where only some values have an equivalent; the error says so.
"""


def page() -> str:
    """Return the text of docs/fidelity.md."""
    parts = [_INTRODUCTION, _canonical_table()]
    parts += [_dialect_table(dialect, fields) for dialect, fields in DIALECTS.items()]
    return "\n".join(parts)


def _canonical_table() -> str:
    lines = ["## Towards providers", "", _row("what a request says", *SHORT.values())]
    lines.append(_row(*["---"] * (1 + len(FORMATS))))
    lines += [
        _row(f"`{field}`", *(fates[field].value for fates in FORMATS.values()))
        for field in CANONICAL_FIELDS
    ]
    return "\n".join(lines) + "\n"


def _dialect_table(dialect: Dialect, fields: RequestFields) -> str:
    targets = [target for target in FORMATS if target.value != dialect.value]
    lines = [
        f"## From {TITLES[dialect.value]}",
        "",
        _row("field", "stands for", *(f"to {SHORT[target.value]}" for target in targets), "note"),
        _row(*["---"] * (3 + len(targets))),
    ]
    for path, field in sorted(fields.items()):
        fates = (_fate(field, path, target) for target in targets)
        lines.append(_row(f"`{path}`", _code(field.to), *fates, field.note))
    return "\n".join(lines) + "\n"


def _fate(field: RequestField, path: str, target: WireFormat) -> str:
    if field.fate is Fate.PASSED:
        return FORMATS[target].get(f"extensions.{path.partition('.')[0]}", Fate.DROPPED).value
    if field.fate is not Fate.MAPPED:
        return field.fate.value
    return FORMATS[target].get(field.to, Fate.MAPPED).value


def _code(text: str) -> str:
    return f"`{text}`" if text else ""


def _row(*cells: str) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


if __name__ == "__main__":
    PAGE.write_text(page())
