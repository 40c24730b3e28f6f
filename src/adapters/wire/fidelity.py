"""The field tables: what becomes of every member of a vendor's request.

Towards clients a dialect lists the members of its requests (`RequestField`), by the names of the
vendor's official SDK; towards providers a format lists the canonical fields (`Fate`). Both are data:
the decoder's and encoder's documentation, `docs/fidelity.md`, and what tests compare with the SDKs.
"""

from collections.abc import Mapping

from msgspec import Struct

from domain.errors import UnsupportedField
from domain.inference.dialect import WireFormat
from domain.inference.fields import Fate, losses
from domain.inference.request import InferenceRequest


class RequestField(Struct, frozen=True, gc=False):
    """What the decoder of a dialect does with one member.

    Attributes:
        fate: `mapped` has a canonical place; `passed` is kept for the same vendor and named in the
            warnings elsewhere; `refused` is answered 400 when a translation is needed; `dropped`
            is always named in the warnings.
        to: canonical name, for `mapped`.
        note: what a reader should know.
    """

    fate: Fate
    to: str = ""
    note: str = ""


RequestFields = Mapping[str, RequestField]
"""Path in the request, without list indices (`messages.content.image_url.detail`) -> its fate.

An entry speaks for everything below it unless something below has an entry of its own.
"""


def mapped(to: str, note: str = "") -> RequestField:
    """Return the entry of a member with a canonical place."""
    return RequestField(Fate.MAPPED, to, note)


def passed(note: str = "") -> RequestField:
    """Return the entry of a member that its own vendor gets and others do not."""
    return RequestField(Fate.PASSED, "", note)


def refused(note: str = "") -> RequestField:
    """Return the entry of a member that cannot be translated and must not be dropped."""
    return RequestField(Fate.REFUSED, "", note)


def dropped(note: str = "") -> RequestField:
    """Return the entry of a member that is left out with a warning."""
    return RequestField(Fate.DROPPED, "", note)


def dropped_fields(
    request: InferenceRequest, target: WireFormat, fates: Mapping[str, Fate]
) -> tuple[str, ...]:
    """Return the canonical names of what `target` has no place for, to be named in the warnings.

    Raises:
        UnsupportedField: something that must not be dropped; `param` is its canonical name.
    """
    lost = losses(request, target, fates)
    if lost.refused:
        raise UnsupportedField(
            f"The field '{lost.refused[0]}' cannot be sent to the provider of this model.",
            param=lost.refused[0],
        )
    return lost.dropped
