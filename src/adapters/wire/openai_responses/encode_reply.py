"""A whole answer of any provider as this API's clients expect it."""

import msgspec

from adapters.wire.openai_responses.encode_output import OutputWriter, logprobs_of
from adapters.wire.openai_responses.naming import names_of, response_id
from adapters.wire.openai_responses.response_object import ResponseObject, ending_of
from application.ports.dialect import ReplyContext
from domain.inference.conversation import RefusalPart
from domain.inference.response import Candidate, FinishReason, InferenceResponse

_ENCODER = msgspec.json.Encoder()
_NOTHING = Candidate(parts=(), finish=FinishReason.STOP)


def encode_reply(reply: InferenceResponse, context: ReplyContext) -> bytes:
    """Return the whole answer; of several candidates, which nobody can ask for here, the first."""
    answer = next(iter(reply.candidates), _NOTHING)
    identifier = response_id(reply.id or context.reply_id)
    writer = OutputWriter(identifier, names_of(context.request), logprobs_of(answer.logprobs))
    refused = any(isinstance(part, RefusalPart) for part in answer.parts)
    ending = ending_of(answer.finish, refused=refused)
    writer.write(answer.parts, "completed" if ending.status == "completed" else "incomplete")
    body = ResponseObject(context).at(
        ending,
        identifier=identifier,
        created_s=reply.created_s or context.created_s,
        output=writer.items,
        usage=reply.usage,
        service_tier=reply.service_tier,
    )
    return _ENCODER.encode(body)
