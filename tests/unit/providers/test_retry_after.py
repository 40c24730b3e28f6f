import pytest

from adapters.providers.retry_after import retry_after_ms

NOW_MS = 1_445_412_440_000  # 2015-10-21T07:27:20Z


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ([(b"retry-after", b"120")], 120_000),
        ([(b"retry-after", b"0.5")], 500),
        ([(b"retry-after", b"0")], 0),
        ([(b"retry-after", b"Wed, 21 Oct 2015 07:28:00 GMT")], 40_000),
        ([(b"retry-after", b"Wed, 21 Oct 2015 07:00:00 GMT")], 0),
        ([(b"retry-after", b"99999999")], 86_400_000),
        ([(b"retry-after", b"Wed, 21 Oct 9999 07:28:00 GMT")], 86_400_000),
        ([(b"retry-after-ms", b"17"), (b"retry-after", b"9")], 17),
        ([(b"retry-after-ms", b"soon"), (b"retry-after", b"9")], 9000),
        ([(b"retry-after", b"soon")], None),
        ([(b"retry-after", b"-5")], None),
        ([(b"retry-after", b"1e9")], None),
        ([(b"retry-after", b"")], None),
        ([(b"retry-after", b".")], None),
        ([(b"retry-after", b"9" * 400)], None),
        ([(b"retry-after", b"\xb2")], None),
        ([(b"retry-after", b"Wed, 99 Oct 2015 07:28:00 GMT")], None),
        ([], None),
    ],
)
def test_the_wait_is_read_in_every_form_and_bounded(
    headers: list[tuple[bytes, bytes]], expected: int | None
) -> None:
    assert retry_after_ms(headers, NOW_MS) == expected
