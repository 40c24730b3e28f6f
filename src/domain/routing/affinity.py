"""Which route a conversation stays on: weighted rendezvous hashing.

Every route is given a score from a hash of the key and its own id, and the highest wins (Thaler and
Ravishankar, "Using name-based mappings to increase hit rates", 1998). All replicas agree without
talking to one another; a route that goes away only moves the conversations it had, one that comes
only takes its share. With the score -weight / ln(u) the shares are those of the weights (Schindelhauer
and Schomaker, "Weighted distributed hash tables", 2005).
"""

import hashlib
import math
from collections.abc import Iterable, Sequence
from enum import StrEnum

from msgspec import Struct

from domain.inference.conversation import (
    AudioPart,
    DocumentPart,
    ImagePart,
    Message,
    Part,
    RefusalPart,
    Role,
    TextPart,
    VideoPart,
)
from domain.inference.request import InferenceRequest
from domain.routing.catalog import Affinity
from domain.routing.strategy import Candidate, Score, Scored

_LONGEST_KEY = 512
_BITS = 52  # the middle of the last of 2**52 steps is the greatest float below 1


class KeySource(StrEnum):
    """Where an affinity key was taken from, in order of preference."""

    SESSION = "session"
    PROMPT_CACHE_KEY = "prompt_cache_key"
    PREFIX = "prefix"


class AffinityKey(Struct, frozen=True, kw_only=True):
    """What the requests of one conversation have in common, and nobody else's."""

    source: KeySource
    text: str


def affinity_key(
    mode: Affinity,
    *,
    session_id: str = "",
    prompt_cache_key: str | None = None,
    request: InferenceRequest | None = None,
) -> AffinityKey | None:
    """Return the key of a request, or None when it is not to be kept anywhere.

    Args:
        mode: the model's.
        session_id: value of the session header; empty for none.
        prompt_cache_key: the client's own grouping; None for none.
        request: the decoded request, needed with `Affinity.PREFIX` only.
    """
    if mode is Affinity.OFF:
        return None
    if session_id:
        return AffinityKey(source=KeySource.SESSION, text=session_id[:_LONGEST_KEY])
    if prompt_cache_key:
        return AffinityKey(source=KeySource.PROMPT_CACHE_KEY, text=prompt_cache_key[:_LONGEST_KEY])
    if mode is Affinity.PREFIX and request is not None:
        digest = prefix_hash(request.messages)
        return None if digest is None else AffinityKey(source=KeySource.PREFIX, text=digest)
    return None


def prefix_hash(messages: Sequence[Message]) -> str | None:
    """Return a hash of how a conversation begins, None when it says nothing.

    It reads the system's texts and the first turn of the user: what later turns repeat unchanged.
    Cache markers are left out, because clients move them along as the conversation grows.
    """
    digest = hashlib.blake2b(digest_size=16)
    said = False
    for message in messages:
        for part in message.parts:
            for kind, value in _content(part):
                # Lengths keep "ab"+"c" apart from "a"+"bc".
                data = value.encode("utf-8", "surrogatepass")
                digest.update(f"{message.role.value}:{kind}:{len(data)}:".encode())
                digest.update(data)
                said = True
        if message.role is Role.USER:
            break
    return digest.hexdigest() if said else None


def _content(part: Part) -> Iterable[tuple[str, str]]:
    match part:
        case TextPart() | RefusalPart():
            return (("text", part.text),)
        case ImagePart() | DocumentPart() | AudioPart() | VideoPart():
            source = part.source
            return (("media", source.data or source.url or source.file_id or ""),)
        case _:
            return ()


def rendezvous_score(key: str, member: str, weight: float) -> float:
    """Return the score of `member` for `key`; the highest wins, without weight it is 0."""
    if weight <= 0:
        return 0.0
    text = f"{member}\0{key}".encode("utf-8", "surrogatepass")
    number = int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "big")
    # In the middle of each step, so that u is neither 0 nor 1.
    uniform = ((number >> (64 - _BITS)) + 0.5) / 2**_BITS
    return -weight / math.log(uniform)


def keep_together(key: AffinityKey, tier: Sequence[Candidate]) -> list[Scored]:
    """Return the candidates of one tier as this conversation ranks them.

    The second is where the conversation goes while the first is not available, and it comes back
    afterwards. Routes of weight 0 follow, by their place in `tier`.
    """
    total = sum(candidate.route.weight for candidate in tier)
    scored = [
        (rendezvous_score(key.text, candidate.route.id, candidate.route.weight), candidate)
        for candidate in tier
    ]
    scored.sort(key=lambda pair: -pair[0])
    return [
        (
            candidate,
            Score(
                strategy="affinity",
                unit="hash",
                value=score,
                share=candidate.route.weight / total if total else None,
            ),
        )
        for score, candidate in scored
    ]
