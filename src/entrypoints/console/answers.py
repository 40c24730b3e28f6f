"""Answers of the console API: exact numbers, entity tags."""

from typing import Annotated, TypeVar, cast

import msgspec
from litestar.params import HeaderParameter
from litestar.response import Response

from application.resources import Versioned
from domain.errors import InvalidRequest

T = TypeVar("T")
V = TypeVar("V")
# Amounts are JSON numbers: a Decimal keeps every digit of them.
_encoder = msgspec.json.Encoder(decimal_format="number")

IfMatch = Annotated[
    str | None,
    HeaderParameter(
        name="If-Match", description="The ETag of the version to change; 412 when it is another."
    ),
]


def answer(
    value: T, *, status: int = 200, etag: str | None = None, location: str | None = None
) -> Response[T]:
    """Return `value` as JSON."""
    headers = {"ETag": etag, "Location": location}
    return Response(
        cast("T", _encoder.encode(value)),
        status_code=status,
        media_type="application/json",
        headers={name: text for name, text in headers.items() if text is not None},
    )


def versioned(
    found: Versioned[V], *, status: int = 200, location: str | None = None
) -> Response[V]:
    """Return a view with its entity tag."""
    return answer(found.view, status=status, etag=found.etag, location=location)


def expected(if_match: str | None) -> str | None:
    """Return the one entity tag that `If-Match` names; `*` matches whatever there is.

    Raises:
        InvalidRequest: a list or a weak tag, neither of which this API gives out.
    """
    if if_match is None or if_match.strip() == "*":
        return None
    tag = if_match.strip()
    if len(tag) < 2 or tag[0] != '"' or tag[-1] != '"' or '"' in tag[1:-1]:
        raise InvalidRequest("'If-Match' must be one entity tag in quotes.", param="If-Match")
    return tag
