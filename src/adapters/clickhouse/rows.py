"""Rows of the table `requests` as records."""

import msgspec

from domain.records.events import Outcome, RequestRecord

_record = msgspec.json.Decoder(RequestRecord)
_fields = msgspec.json.Decoder(dict[str, object])


def read_record(line: bytes) -> RequestRecord:
    """Return the record of one JSON row.

    A row this version cannot express - another version's outcome, text that is not UTF-8 - is shown
    as near as possible: one odd row must not hide the others.
    """
    try:
        return _record.decode(line)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        fields = _fields.decode(line.decode("utf-8", "replace"))
        if fields.get("outcome") not in frozenset(Outcome):
            fields["outcome"] = Outcome.INTERNAL_ERROR
        return msgspec.convert(fields, RequestRecord)
