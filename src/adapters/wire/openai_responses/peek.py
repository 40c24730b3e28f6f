"""What governs a Responses request: the few members read before anything is decided."""

import re

import msgspec
from msgspec import Raw, structs

from adapters.wire.governing import (
    MOST_OUTPUT_TOKENS,
    MaybeRaw,
    decode_members,
    end_user,
    model_name,
    tags,
)
from adapters.wire.members import MemberFinder
from adapters.wire.openai_chat.media import media_of
from adapters.wire.schemas.openai_responses import RequestMembers
from domain.errors import InvalidRequest
from domain.inference.head import Media, RequestHead

_REQUEST = msgspec.json.Decoder(RequestMembers)
_GOVERNING = MemberFinder(
    ("model", "stream", "max_output_tokens", "previous_response_id", "store", "conversation")
)
_IMAGE_PART = re.compile(rb'"input_image"')


def peek(body: bytes, max_depth: int) -> RequestHead:
    """Return the governing fields of a request body.

    Raises:
        InvalidRequest: see `DialectCodec.peek`.
    """
    members = decode_members(body, _REQUEST.decode, max_depth)
    _GOVERNING.refuse_ambiguous(body)
    _refuse_conversation(members.conversation)
    return RequestHead(
        model=model_name(members.model),
        stream=members.stream or False,
        max_output_tokens=_output_bound(members.max_output_tokens),
        end_user=end_user(members.safety_identifier) or end_user(members.user),
        media=_media(members.input),
        metadata=tags(members.metadata),
        prompt_cache_key=end_user(members.prompt_cache_key),
        continues=members.previous_response_id or None,
        stored=members.store is not False,
    )


def _refuse_conversation(value: MaybeRaw) -> None:
    """Refuse what belongs to the provider's account, and so to nobody in particular here.

    Conversations are made by an operation that is not served, so whoever names one would read and
    extend what somebody else has said.
    """
    if isinstance(value, Raw) and bytes(value) != b"null":
        raise InvalidRequest(
            "The field 'conversation' cannot be used here: nobody knows whose it is. "
            "Go on from an answer with 'previous_response_id'.",
            param="conversation",
        )


def _output_bound(value: int | None) -> int | None:
    """Zero and below mean "no cap" to some servers and are no cap to us."""
    if value is None or value <= 0:
        return None
    if value > MOST_OUTPUT_TOKENS:
        raise InvalidRequest(
            f"The field 'max_output_tokens' must be at most {MOST_OUTPUT_TOKENS}.",
            param="max_output_tokens",
        )
    return value


def _media(items: MaybeRaw) -> Media:
    """Count as Chat Completions does, and images that are named by the id of a file."""
    found = media_of(items)
    if not isinstance(items, Raw):
        return found
    parts = sum(1 for _ in _IMAGE_PART.finditer(memoryview(items)))
    return found if parts <= found.images else structs.replace(found, images=parts)
