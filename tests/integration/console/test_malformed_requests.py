"""Whatever is wrong with a request in general, every operation refuses it in the same way.

None of it may reach a handler that would have to think of it, and none may end as an internal error.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

import httpx
import msgspec
import pytest

from tests.support.described_api import Described, an_instance, operations, resolved
from tests.support.known_things import Known
from tests.support.whole_program import WholeProgram

LEFT_OUT: dict[str, str] = {}
"""Operations that must not be called, and why: those that end the test's own access."""
HUGE = 10**30


@dataclass
class Sent:
    """A request that is sound except for what is done to it."""

    operation: Described
    path: dict[str, str]
    query: str = ""
    headers: dict[str, str] = field(default_factory=dict[str, str])
    body: bytes | None = None


def _sound(operation: Described, known: Known) -> Sent:
    there = known.get(operation.path, {})
    path = {
        each["name"]: quote(there.get(each["name"], "x")) for each in operation.parameters("path")
    }
    sent = Sent(operation, path)
    if operation.body is not None:
        sent.headers["content-type"] = "application/json"
        sent.body = msgspec.json.encode(an_instance(operation.body, "a", 1))
    return sent


def _query(sent: Sent, kinds: set[str], value: str) -> bool:
    pairs = [
        f"{each['name']}={value}"
        for each in sent.operation.parameters("query")
        if kinds & _kinds(each["schema"])
    ]
    sent.query = "&".join(pairs)
    return bool(pairs)


def _kinds(schema: dict[str, Any]) -> set[str]:
    kind: str | list[str] = resolved(schema).get("type", [])
    return {kind} if isinstance(kind, str) else set(kind)


def _path(sent: Sent, value: str) -> bool:
    sent.path = dict.fromkeys(sent.path, value)
    return bool(sent.path)


def _body(sent: Sent, body: bytes) -> bool:
    sent.body = body
    return sent.operation.body is not None


def _text_body(sent: Sent, text: str) -> bool:
    """Put JSON's own spelling of a text into every free text of the body."""
    if sent.operation.body is None:
        return False
    marked = msgspec.json.encode(an_instance(sent.operation.body, "MARK", 1))
    sent.body = marked.replace(b"MARK", text.encode())
    return b"MARK" in marked


def _number_body(sent: Sent, number: int) -> bool:
    if sent.operation.body is None:
        return False
    marked = msgspec.json.encode(an_instance(sent.operation.body, "a", 424242))
    sent.body = marked.replace(b"424242", str(number).encode())
    return b"424242" in marked


def _without_type(sent: Sent) -> bool:
    sent.headers.pop("content-type", None)
    return sent.operation.body is not None


def _typed(sent: Sent, content_type: str, body: bytes | None = None) -> bool:
    sent.headers["content-type"] = content_type
    sent.body = body or sent.body
    return sent.operation.body is not None


def _header(sent: Sent, name: str, value: str) -> bool:
    sent.headers[name] = value
    return any(each["name"] == name for each in sent.operation.parameters("header"))


MISTAKES: dict[str, Callable[[Sent], bool]] = {
    "NUL in the path": lambda sent: _path(sent, "a%00b"),
    "a path that is not UTF-8": lambda sent: _path(sent, "%ff%fe"),
    "a lone surrogate in the path": lambda sent: _path(sent, "%ed%a0%80"),
    "a very long path": lambda sent: _path(sent, "a" * 6000),
    "NUL in the query": lambda sent: _query(sent, {"string"}, "a%00b"),
    "a query that is not UTF-8": lambda sent: _query(sent, {"string"}, "%ff%fe"),
    "a huge integer in the query": lambda sent: _query(sent, {"integer"}, str(HUGE)),
    "a very long integer in the query": lambda sent: _query(sent, {"integer"}, "9" * 6000),
    "text for an integer in the query": lambda sent: _query(sent, {"integer"}, "many"),
    "Arabic digits in the query": lambda sent: _query(sent, {"integer"}, "%D9%A1"),
    "text for a boolean in the query": lambda sent: _query(sent, {"boolean"}, "perhaps"),
    "an empty body": lambda sent: _body(sent, b""),
    "a body that is not JSON": lambda sent: _body(sent, b"{not json"),
    "a body that is not UTF-8": lambda sent: _body(sent, b'{"a": "\xff\xfe"}'),
    "null for a body": lambda sent: _body(sent, b"null"),
    "a list for a body": lambda sent: _body(sent, b"[[]]"),
    "a deep body": lambda sent: _body(sent, b"[" * 100_000 + b"]" * 100_000),
    "a deep body of objects": lambda sent: _body(sent, b'{"a":' * 50_000 + b"1" + b"}" * 50_000),
    "NUL in the texts of the body": lambda sent: _text_body(sent, "a\\u0000b"),
    "lone surrogates in the body": lambda sent: _text_body(sent, "\\ud800"),
    "huge integers in the body": lambda sent: _number_body(sent, HUGE),
    "an infinite number in the body": lambda sent: _body(sent, b'{"limit": 1e999}'),
    "a form": lambda sent: _typed(sent, "application/x-www-form-urlencoded", b"a=b"),
    "a multipart form": lambda sent: _typed(sent, "multipart/form-data", b"--x--"),
    "plain text": lambda sent: _typed(sent, "text/plain"),
    "XML": lambda sent: _typed(sent, "application/xml", b"<a/>"),
    "MessagePack": lambda sent: _typed(sent, "application/x-msgpack", b"\x81\xa1a\x01"),
    "no content type": _without_type,
    "an unknown charset": lambda sent: _typed(sent, "application/json; charset=klingon"),
    "a content type that is none": lambda sent: _typed(sent, ";;;"),
    "an empty Idempotency-Key": lambda sent: _header(sent, "Idempotency-Key", ""),
    "an Idempotency-Key that is not ASCII": lambda sent: _header(sent, "Idempotency-Key", "\u00e9"),
    "an If-Match that is no tag": lambda sent: _header(sent, "If-Match", "W/nothing"),
}
NO_JSON = {
    "a form", "a multipart form", "plain text", "XML", "MessagePack", "no content type",
    "a content type that is none",
}  # fmt: skip
# Some operations look at no number, or compare a text with what they have in memory.
MAY_SUCCEED = {
    "huge integers in the body", "NUL in the texts of the body", "NUL in the query",
    "a query that is not UTF-8", "an unknown charset",
}  # fmt: skip


SHARE = 4
"""Each mistake is made with every fourth operation, another fourth each time; `--thorough`: with all."""


@pytest.mark.parametrize("mistake", MISTAKES)
def test_every_operation_refuses_it(
    mistake: str, described_program: WholeProgram, known: Known, *, thorough: bool
) -> None:
    spoil = MISTAKES[mistake]
    share = 1 if thorough else SHARE
    able = [each for each in operations() if each.id not in LEFT_OUT and spoil(_sound(each, known))]
    faults: list[str] = []
    asked = 0
    headers = {"authorization": f"Bearer {described_program.token}"}
    with httpx.Client(base_url=described_program.console_url, headers=headers, timeout=30) as http:
        for operation in able[[*MISTAKES].index(mistake) % min(share, len(able)) :: share]:
            sent = _sound(operation, known)
            spoil(sent)
            asked += 1
            url = operation.path.format(**sent.path) + (f"?{sent.query}" if sent.query else "")
            encoded = [
                (name.encode(), value.encode("latin-1")) for name, value in sent.headers.items()
            ]
            answer = http.request(operation.method, url, content=sent.body, headers=encoded)
            refused = answer.headers["content-type"] == "application/problem+json"
            right = (
                answer.status_code in operation.statuses - {500, 502, 503, 504}
                and refused == (answer.status_code >= 400)
                and (refused or mistake in MAY_SUCCEED)
                and (answer.status_code == 415 or mistake not in NO_JSON)
            )
            if not right:
                faults.append(f"{operation.id}: {answer.status_code} {answer.text[:200]}")
    assert asked > 0
    assert faults == []
