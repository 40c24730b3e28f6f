"""Writing a whole answer.

https://ai.google.dev/api/generate-content#GenerateContentResponse
"""

import msgspec

from adapters.wire.gemini_generate.citations import write_grounding
from adapters.wire.gemini_generate.finish import write_finish
from adapters.wire.gemini_generate.logprobs import write_logprobs
from adapters.wire.gemini_generate.reply_parts import PartWriter
from adapters.wire.gemini_generate.usage import write_usage
from adapters.wire.reading import JsonObject
from application.ports.dialect import ReplyContext
from domain.inference.conversation import Citation, TextPart
from domain.inference.response import Candidate, InferenceResponse

_ENCODER = msgspec.json.Encoder()


def encode_reply(reply: InferenceResponse, context: ReplyContext) -> bytes:
    """Return the answer as a `GenerateContentResponse`."""
    show = shows_thoughts(context)
    answer: JsonObject = {
        "candidates": [
            _candidate(index, candidate, show_thoughts=show)
            for index, candidate in enumerate(reply.candidates)
        ]
    }
    if reply.usage is not None:
        answer["usageMetadata"] = write_usage(reply.usage)
    answer["modelVersion"] = reply.model or context.model
    answer["responseId"] = reply.id or context.reply_id
    return _ENCODER.encode(answer)


def shows_thoughts(context: ReplyContext) -> bool:
    """Tell whether the client asked for thoughts (`includeThoughts`), which is not the default."""
    reasoning = context.request.reasoning
    return reasoning is not None and bool(reasoning.show)


def content_of(parts: list[JsonObject]) -> JsonObject:
    """Return a turn of the model's."""
    return {"parts": parts, "role": "model"} if parts else {"role": "model"}


def _candidate(index: int, candidate: Candidate, *, show_thoughts: bool) -> JsonObject:
    writer = PartWriter(show_thoughts=show_thoughts)
    parts: list[JsonObject] = []
    cited: list[tuple[str, tuple[Citation, ...], int]] = []
    for part in candidate.parts:
        written = writer.write(part)
        if isinstance(part, TextPart) and part.citations and written:
            cited.append((part.text, part.citations, len(parts)))
        parts += written
    parts += writer.rest()
    answer: JsonObject = {
        "content": content_of(parts),
        "finishReason": write_finish(candidate.finish),
        "index": index,
    }
    if cited:
        answer["groundingMetadata"] = write_grounding(cited)
    if candidate.logprobs is not None:
        answer["logprobsResult"] = write_logprobs(candidate.logprobs)
    return answer
