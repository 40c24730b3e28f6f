"""Frames of an AWS event stream, written from their description.

https://docs.aws.amazon.com/AmazonS3/latest/API/RESTSelectObjectAppendix.html
"""

import json
import struct
from zlib import crc32

from tests.support.model.talk import Json

_TEXT = 7


def frame(kind: str, payload: Json, *, message_type: str = "event") -> bytes:
    """Return one frame: lengths, their checksum, headers, payload, and the checksum of it all."""
    name = ":exception-type" if message_type == "exception" else ":event-type"
    headers = b"".join(
        _header(key, value)
        for key, value in (
            (name, kind),
            (":content-type", "application/json"),
            (":message-type", message_type),
        )
    )
    body = json.dumps(payload).encode()
    prelude = struct.pack("!II", 16 + len(headers) + len(body), len(headers))
    start = prelude + struct.pack("!I", crc32(prelude)) + headers + body
    return start + struct.pack("!I", crc32(start))


def _header(name: str, value: str) -> bytes:
    key, text = name.encode(), value.encode()
    return struct.pack("!B", len(key)) + key + struct.pack("!BH", _TEXT, len(text)) + text
