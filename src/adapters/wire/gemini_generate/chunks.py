"""Reading what a provider sends: whole answers and chunks of streamed ones, which look alike.

https://ai.google.dev/api/generate-content#GenerateContentResponse
"""

import hashlib
from datetime import datetime
from typing import cast

import msgspec
from msgspec import Struct

from adapters.wire.gemini_generate.call_ids import ReplyIds
from adapters.wire.gemini_generate.citations import FoundCitation, read_citations
from adapters.wire.gemini_generate.errors import failure_for, parse_error_body, status_of
from adapters.wire.gemini_generate.logprobs import read_logprobs
from adapters.wire.gemini_generate.parts import read_parts
from adapters.wire.gemini_generate.reading import SpelledMembers
from adapters.wire.gemini_generate.usage import usage_of
from adapters.wire.reading import JsonObject
from adapters.wire.schemas.gemini_generate import UsageMetadata
from adapters.wire.surrogates import without_surrogates
from adapters.wire.upstream_errors import MessageScrubber
from domain.accounting.usage import TokenUsage
from domain.errors import InvalidRequest, UpstreamProtocolError
from domain.inference.conversation import Part

_UNSPECIFIED = frozenset({"", "FINISH_REASON_UNSPECIFIED"})


class CandidateChunk(Struct, frozen=True, kw_only=True):
    """What a chunk tells of one candidate; `finish` is the provider's word, empty for none."""

    index: int
    parts: tuple[Part, ...]
    finish: str
    citations: tuple[FoundCitation, ...]
    logprobs: JsonObject | None


class Chunk(Struct, frozen=True, kw_only=True):
    """A whole answer or a part of one.

    Attributes:
        created_s: Unix seconds, 0 when not told.
        blocked: there is no answer because of the prompt.
    """

    id: str
    model: str
    created_s: int
    candidates: tuple[CandidateChunk, ...]
    blocked: bool
    usage: TokenUsage | None


class ChunkReader:
    """Reads the chunks of one answer; calls without an id get one that is this answer's own."""

    def __init__(self, scrubber: MessageScrubber) -> None:
        """`scrubber` makes the messages of errors fit for clients."""
        self._scrubber = scrubber
        self._seed = ""
        self._ids: dict[int, ReplyIds] = {}

    def read(self, data: bytes) -> Chunk:
        """Return what `data` tells.

        Raises:
            UpstreamFailure: it is an error, classified like an error status.
            UpstreamProtocolError: not JSON, or not of this format.
        """
        try:
            parsed: object = msgspec.json.decode(data)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            parsed = _decoded(without_surrogates(data))
        if isinstance(parsed, list) or _has_error(parsed):
            self._raise_error(data)
        try:
            return self._read(SpelledMembers(cast("object", parsed), "", []), data)
        except InvalidRequest as error:
            raise UpstreamProtocolError(error.message) from None

    def _raise_error(self, data: bytes) -> None:
        error = parse_error_body(data)
        if error is None:
            raise UpstreamProtocolError("an error of another shape")
        raise failure_for(status_of(error), error, self._scrubber)

    def _read(self, members: SpelledMembers, data: bytes) -> Chunk:
        reply_id = members.text("responseId") or ""
        if not self._seed:
            self._seed = reply_id or hashlib.sha256(data).hexdigest()
        feedback = members.members("promptFeedback")
        return Chunk(
            id=reply_id,
            model=members.text("modelVersion") or "",
            created_s=_seconds(members.text("createTime")),
            candidates=tuple(
                self._read_candidate(candidate) for candidate in members.objects("candidates")
            ),
            blocked=feedback is not None and bool(feedback.text("blockReason")),
            usage=_usage(members.any("usageMetadata")),
        )

    def _read_candidate(self, members: SpelledMembers) -> CandidateChunk:
        index = members.integer("index") or 0
        ids = self._ids.setdefault(index, ReplyIds(f"{self._seed}/{index}"))
        content = members.members("content")
        parts: tuple[Part, ...] = ()
        if content is not None:
            _refuse_partial_calls(content)
            parts = read_parts(content, ids)
        finish = members.text("finishReason") or ""
        return CandidateChunk(
            index=index,
            parts=parts,
            finish="" if finish in _UNSPECIFIED else finish,
            citations=read_citations(members),
            logprobs=read_logprobs(members.members("logprobsResult")),
        )


def _has_error(parsed: object) -> bool:
    return isinstance(parsed, dict) and cast("JsonObject", parsed).get("error") is not None


def _decoded(data: bytes) -> object:
    try:
        return msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise UpstreamProtocolError("not an answer of generateContent in JSON") from None


def _refuse_partial_calls(content: SpelledMembers) -> None:
    """Check that no call comes in pieces: that form has to be asked for, and never is."""
    parts = content.list("parts") or []
    content.put("parts", parts)
    for part in parts:
        call = cast("JsonObject", part).get("functionCall") if isinstance(part, dict) else None
        if isinstance(call, dict) and ("partialArgs" in call or call.get("willContinue")):
            raise UpstreamProtocolError("a function call in pieces, which was not asked for")


def _usage(value: object) -> TokenUsage | None:
    if value is None:
        return None
    try:
        return usage_of(msgspec.convert(value, UsageMetadata))
    except msgspec.ValidationError:
        return None


def _seconds(text: str | None) -> int:
    """Return the Unix seconds of an RFC 3339 time; Vertex AI only."""
    if not text:
        return 0
    try:
        return max(0, int(msgspec.convert(text, datetime).timestamp()))
    except (msgspec.ValidationError, OverflowError):
        return 0
