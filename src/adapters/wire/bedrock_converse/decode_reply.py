"""A whole answer of Converse, read into the canonical model."""

import msgspec

from adapters.wire.bedrock_converse.decode_content import ContentReader
from adapters.wire.bedrock_converse.frames import decode_payload
from adapters.wire.bedrock_converse.stopping import reason_of, stop_sequence_in
from adapters.wire.bedrock_converse.usage import parse_usage
from adapters.wire.reading import Members
from domain.errors import InvalidRequest, UpstreamProtocolError
from domain.inference.response import Candidate, InferenceResponse


def decode_reply(body: bytes) -> InferenceResponse:
    """Return the answer. Bedrock names neither an id nor the model.

    Raises:
        UpstreamProtocolError: not JSON, no message in it, or a block of the wrong shape.
    """
    given = decode_payload(body, dict[str, object])
    try:
        return _reply(Members(given, "", []))
    except InvalidRequest as error:
        raise UpstreamProtocolError(f"not an answer of Converse: {error.message}") from None


def _reply(top: Members) -> InferenceResponse:
    output = top.members("output")
    message = output.members("message") if output is not None else None
    if message is None:
        raise UpstreamProtocolError("the answer has no message")
    tier = top.members("serviceTier")
    candidate = Candidate(
        parts=ContentReader([]).read(message, "content"),
        finish=reason_of(top.text("stopReason") or ""),
        stop_sequence=stop_sequence_in(top.any("additionalModelResponseFields")),
    )
    return InferenceResponse(
        id="",
        model="",
        candidates=(candidate,),
        usage=parse_usage(msgspec.Raw(msgspec.json.encode(top.any("usage")))),
        service_tier=tier.text("type") if tier is not None else None,
    )
