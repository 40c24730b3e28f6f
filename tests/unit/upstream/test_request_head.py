"""Request lines, headers and URLs."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.upstream.request_head import encode_head
from adapters.upstream.target import MAX_URL_LENGTH, Origin, parse_target
from domain.errors import InvalidRequest
from tests.support.exchanges import post

URL = "https://api.example.com/v1/chat"


@pytest.mark.parametrize(
    ("url", "origin", "authority", "path"),
    [
        (URL, Origin("api.example.com", 443, secure=True), b"api.example.com", b"/v1/chat"),
        ("http://h", Origin("h", 80, secure=False), b"h", b"/"),
        ("http://h?q=1", Origin("h", 80, secure=False), b"h", b"/?q=1"),
        ("http://h:80/", Origin("h", 80, secure=False), b"h", b"/"),
        ("https://h:80/", Origin("h", 80, secure=True), b"h:80", b"/"),
        ("HTTP://My_Host.Local.:8080/", Origin("my_host.local", 8080, secure=False),
         b"my_host.local.:8080", b"/"),
        ("http://[::1]:9/x", Origin("::1", 9, secure=False), b"[::1]:9", b"/x"),
        ("http://[2001:DB8:0::1]/", Origin("2001:db8::1", 80, secure=False), b"[2001:db8::1]", b"/"),
    ],
)  # fmt: skip
def test_urls_are_taken_apart(url: str, origin: Origin, authority: bytes, path: bytes) -> None:
    target = parse_target(url)
    assert (target.origin, target.authority, target.path) == (origin, authority, path)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "http://",
        "http://:80/",
        "http://h:/",
        "http://h:99999999/",
        "http://.h/",
        "http://a..b/",
        "http://-h/",
        "http://h-/",
        "http://" + "a" * 64 + ".example/",
        "http://[::1%25eth0]/",
        "http://h/\u00e9",
        "http://h/\x7f",
        "http://h/[x]",
        "http://h/" + "a" * MAX_URL_LENGTH,
        " http://h/",
        "http://h/ ",
        "http://h/\n",
    ],
)
def test_other_urls_are_refused(url: str) -> None:
    with pytest.raises(InvalidRequest):
        parse_target(url)


@given(
    st.lists(
        st.tuples(
            st.one_of(st.binary(max_size=6), st.from_regex(rb"[a-z-]{1,8}", fullmatch=True)),
            st.one_of(st.binary(max_size=12), st.sampled_from([b"a\r\nb: c", b"x\n", b"\r"])),
        ),
        max_size=4,
    )
)
def test_a_head_is_refused_or_has_exactly_the_lines_it_was_given(
    headers: list[tuple[bytes, bytes]],
) -> None:
    try:
        head = encode_head(post(URL, b"{}", *headers), parse_target(URL))
    except InvalidRequest:
        return
    assert head.endswith(b"\r\n\r\n")
    assert b"\0" not in head
    lines = head[:-4].split(b"\r\n")
    assert lines[0] == b"POST /v1/chat HTTP/1.1"
    assert not any(re.search(rb"[\r\n]", line) for line in lines)
    expected = [b"host: api.example.com", *(b"%b: %b" % header for header in headers)]
    if not any(name == b"accept-encoding" for name, _ in headers):
        expected.append(b"accept-encoding: identity")
    assert lines[1:] == [*expected, b"content-length: 2"]


def test_a_refused_name_is_refused_again() -> None:
    for _ in range(2):
        with pytest.raises(InvalidRequest):
            encode_head(post(URL, b"", (b"host", b"evil")), parse_target(URL))


def test_the_callers_accept_encoding_stands() -> None:
    head = encode_head(post(URL, b"", (b"accept-encoding", b"gzip")), parse_target(URL))
    assert head.count(b"accept-encoding") == 1
