"""Strategies for JSON texts written in every way the grammar allows."""

import json
from typing import Any, cast

from hypothesis import strategies as st

TRICKY_TEXTS = (
    "model",
    "stream_options",
    "include_usage",
    "n",
    '"model"',
    '","model":"x"',
    'a\\"model":"y"',
    "\\",
    '\\\\"',
    "{[",
    "]}",
    '"',
    "é",
    "你好",
    "😀",
    "\u2028",
    "\x7f",
    "model\\",
    "",
)

texts = st.one_of(st.sampled_from(TRICKY_TEXTS), st.text(max_size=8))
values: st.SearchStrategy[Any] = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.floats(allow_nan=False, allow_infinity=False),
        texts,
    ),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(texts, inner, max_size=4)),
    max_leaves=20,
)


@st.composite
def spellings(draw: st.DrawFn, value: Any, *, escapes: bool = True) -> str:
    """Return `value` as JSON with random white space, escapes and number spellings."""
    space = draw(st.sampled_from(("", "", " ", "\n", "\t ", "\r\n")))
    if isinstance(value, dict):
        members = [
            f"{draw(spellings(name, escapes=escapes))}{space}:{space}{draw(spellings(inner))}"
            for name, inner in cast("dict[str, Any]", value).items()
        ]
        return "{" + space + f"{space},{space}".join(members) + space + "}"
    if isinstance(value, list):
        return (
            "["
            + space
            + f",{space}".join(draw(spellings(inner)) for inner in cast("list[Any]", value))
            + "]"
        )
    if isinstance(value, str):
        if escapes and draw(st.integers(0, 5)) == 0:
            units = value.encode("utf-16-be", "surrogatepass")
            return (
                '"' + "".join(f"\\u{units[i : i + 2].hex()}" for i in range(0, len(units), 2)) + '"'
            )
        return json.dumps(value, ensure_ascii=draw(st.booleans()))
    if isinstance(value, float) and draw(st.booleans()):
        return f"{value:.10e}"
    return json.dumps(value)
