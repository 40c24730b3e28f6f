r"""Finding the top-level members of a JSON object in its bytes, without decoding the rest.

The decoder (C, about 3 µs for 11 KB) says *which* members the object has, a search for the quoted
name says *where* such text stands. In valid JSON the bytes `"name"` not preceded by a backslash are
a whole key or a whole string value. So when the decoder sees the member and its quoted name stands
exactly once, that is the place. When it stands more often (a tool schema with a property called
`model`), occurrences are masked and the decoder is asked again, which settles the matter without
a second parser that might disagree with the first.

A member given twice, or spelled with `\u` escapes, is refused: parsers differ in which of the two
they believe, and what the gateway governed must be what the provider reads.
"""

import re
from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType

from domain.errors import InvalidRequest

# `\u0040` to `\u007f`: the only escapes with which a name of ASCII letters and `_` can be spelled
# differently. Escapes of other characters are everyday (é is `\u00e9`) and do not matter.
_SPELLED_LETTER = re.compile(rb"\\u00[4-7]")
_SPELLED_P_TO_Z = re.compile(rb"\\u005(?=[0-9a])")
_COLON = re.compile(rb"[ \t\n\r]*:[ \t\n\r]*")
# No honest body repeats one governing name this often; a bound keeps the work for others small.
_MOST_OCCURRENCES = 10_000
_LONG_S = "\u017f".encode()
_KELVIN_SIGN = "\u212a".encode()
_MASK = ord("-")


class Member(Struct, frozen=True, gc=False):
    """Where the value of a top-level member stands: `document[start:end]`."""

    start: int
    end: int


class MemberFinder:
    """Finds the members of the given names; built once, used for every document."""

    def __init__(self, names: Iterable[str], *, shown: Mapping[str, str] | None = None) -> None:
        """`names` are ASCII identifiers, so they need no escaping in JSON.

        `shown` are the names for error messages, where they differ.
        """
        self._names = tuple(names)
        self._shown = dict(zip(self._names, self._names, strict=True)) | dict(shown or {})
        fields = [(name, Raw | UnsetType, UNSET) for name in self._names]
        self._decoder = msgspec.json.Decoder(msgspec.defstruct("Members", fields))
        alternatives = "|".join(sorted(self._names, key=len, reverse=True))
        self._pattern = re.compile(rb'"(?:' + alternatives.encode() + rb')"')
        # What is looked for once letter case is folded: `inferenceconfig` for `inferenceConfig`.
        small = {name.lower(): name for name in self._names}
        self._folded = self if tuple(small) == self._names else MemberFinder(small, shown=small)

    def find(self, document: bytes) -> Mapping[str, Member]:
        r"""Return where the values of those members stand that the object has.

        `document` is a JSON object.

        Raises:
            InvalidRequest: a member is given twice or its name is written with `\u` escapes.
        """
        values = self._present(document)
        found: dict[str, Member] = {}
        for name, key_start in self._key_positions(document, values).items():
            colon = _COLON.match(document, key_start + len(name) + 2)
            assert colon is not None
            start = colon.end()
            found[name] = Member(start, start + len(memoryview(values[name])))
        return found

    def refuse_ambiguous(self, document: bytes) -> None:
        """Check that nobody can read one of the members differently from us.

        Also refuses a spelling in other letter case (`Model`), beside the right one or alone: some
        parsers match names regardless of case. Go's standard one does, for which the long s
        (U+017F) is an `s` and the Kelvin sign (U+212A) a `k`; see
        https://pkg.go.dev/encoding/json#Unmarshal and `bytes.EqualFold`.

        Raises:
            InvalidRequest: as `find`, or a member has its name in another spelling.
        """
        folded = _fold_case(document)
        self._folded.refuse_folded(folded, document, self._present)

    def refuse_folded(
        self, folded: bytes, document: bytes, present: Callable[[bytes], Mapping[str, Raw]]
    ) -> None:
        """Do the work of `refuse_ambiguous` on a document in small letters.

        `present` tells which members are in `document`, as it came, under their right names.
        """
        occurrences = self._occurrences(folded)
        if not self._all_plain(folded, occurrences):
            self._resolve(folded, occurrences)
        if len(folded) == len(document) and all(
            document.startswith(self._shown[name].encode(), place + 1)
            for name, places in occurrences.items()
            for place in places
        ):
            return
        spelled = present(document)
        for name in self._present(folded):
            right = self._shown[name]
            if right not in spelled:
                raise InvalidRequest(f"Write the name of the field as '{right}'.", param=right)

    def _present(self, document: bytes | bytearray) -> dict[str, Raw]:
        decoded = self._decoder.decode(document)
        return {
            name: value for name in self._names if (value := getattr(decoded, name)) is not UNSET
        }

    def _key_positions(self, document: bytes, values: Mapping[str, Raw]) -> dict[str, int]:
        """Return name -> position of the key's opening quote, for the members present."""
        occurrences = self._occurrences(document)
        if self._all_plain(document, occurrences):
            return {name: occurrences[name][0] for name in values}
        return self._resolve(document, occurrences)

    def _occurrences(self, document: bytes) -> dict[str, list[int]]:
        """Return where the quoted names stand, as keys of any object or as values."""
        occurrences: dict[str, list[int]] = {}
        for count, hit in enumerate(self._pattern.finditer(document)):
            if count == _MOST_OCCURRENCES:
                raise InvalidRequest("The request body repeats the names of its fields too often.")
            occurrences.setdefault(hit[0][1:-1].decode(), []).append(hit.start())
        return occurrences

    def _all_plain(self, document: bytes, occurrences: Mapping[str, list[int]]) -> bool:
        """Tell whether no name stands twice and none can hide behind escapes."""
        disguised = b"\\u00" in document and _SPELLED_LETTER.search(document) is not None
        return not disguised and all(len(places) == 1 for places in occurrences.values())

    def _resolve(self, document: bytes, occurrences: Mapping[str, list[int]]) -> dict[str, int]:
        """Settle which occurrence is the top-level key, by masking the others."""
        masked = bytearray(document)
        for places in occurrences.values():
            _mask(masked, places)
        for name in self._present(masked):
            shown = self._shown[name]
            raise InvalidRequest(
                f"The name of the field '{shown}' must not be written with \\u escapes.",
                param=shown,
            )
        resolved: dict[str, int] = {}
        for name, places in occurrences.items():
            first = self._first_top_level(document, masked, name, places)
            if first is not None:
                resolved[name] = places[first]
        return resolved

    def _first_top_level(
        self, document: bytes, masked: bytearray, name: str, places: list[int]
    ) -> int | None:
        """Return the index in `places` of the top-level key; `masked` is left as it came.

        Raises:
            InvalidRequest: there is a second one.
        """

        def seen_within(count: int) -> bool:
            """Tell whether one of the first `count` occurrences is the top-level key."""
            _unmask(masked, document, places[:count])
            seen = name in self._present(masked)
            _mask(masked, places[:count])
            return seen

        first = bisect_left(range(1, len(places) + 1), x=True, key=seen_within)
        if first == len(places):
            return None
        rest = places[first + 1 :]
        _unmask(masked, document, rest)
        repeated = bool(rest) and name in self._present(masked)
        _mask(masked, rest)
        if repeated:
            shown = self._shown[name]
            raise InvalidRequest(f"The field '{shown}' is given more than once.", param=shown)
        return first


def _fold_case(document: bytes) -> bytes:
    """Return the document with letters made small that Go takes for ASCII ones, escaped ones too.

    It remains valid JSON with the same members, and every byte keeps its place unless it is shorter.
    """
    folded = document.lower()
    # A search for one byte is ten times as fast as one for more, and mostly enough.
    if b"\xc5" in folded:
        folded = folded.replace(_LONG_S, b"s")
    if b"\x84" in folded and b"\xaa" in folded:
        folded = folded.replace(_KELVIN_SIGN, b"k")
    if b"\\" in folded and b"\\u" in folded:
        folded = folded.replace(b"\\u017f", b"\\u0073").replace(b"\\u212a", b"\\u006b")
        folded = folded.replace(b"\\u004", b"\\u006")  # A to O; `@` becomes another non-letter
        folded = _SPELLED_P_TO_Z.sub(rb"\\u007", folded)  # not `_`, which is among them
    return folded


def _mask(document: bytearray, places: list[int]) -> None:
    """Change the first letter of the quoted names at `places`, so that they are other names."""
    for place in places:
        document[place + 1] = _MASK


def _unmask(document: bytearray, original: bytes, places: list[int]) -> None:
    for place in places:
        document[place + 1] = original[place + 1]
