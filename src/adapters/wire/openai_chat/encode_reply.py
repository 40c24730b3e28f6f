"""Writing a canonical answer as a chat completion."""

import msgspec

from adapters.wire.custom_tools import call_input, custom_names
from adapters.wire.data_urls import write_url
from adapters.wire.openai_chat.carrying import Luggage
from adapters.wire.openai_chat.citations import write_annotation
from adapters.wire.openai_chat.fates import SERVICE_TIERS
from adapters.wire.openai_chat.finish import write_finish
from adapters.wire.openai_chat.usage_out import write_usage
from adapters.wire.schemas.openai_chat_replies import AnnotationOut
from application.ports.dialect import ReplyContext
from domain.inference.conversation import (
    AudioPart,
    ImagePart,
    RefusalPart,
    TextPart,
    ThinkingPart,
    ToolCallPart,
)
from domain.inference.response import Candidate, InferenceResponse

Json = dict[str, object]

_ENCODER = msgspec.json.Encoder()


def encode_reply(reply: InferenceResponse, context: ReplyContext) -> bytes:
    """Return `reply` as the body of an answer.

    Raises:
        UpstreamUnavailable: a candidate ended in an error.
    """
    body: Json = {
        "id": reply_id(reply.id, context),
        "object": "chat.completion",
        "created": reply.created_s or context.created_s,
        "model": context.model,
        "choices": [
            _choice(candidate, number, context) for number, candidate in enumerate(reply.candidates)
        ],
    }
    if reply.usage is not None:
        body["usage"] = write_usage(reply.usage)
    tier = tier_of(reply.service_tier)
    if tier is not None:
        body["service_tier"] = tier
    return _ENCODER.encode(body)


def reply_id(given: str, context: ReplyContext) -> str:
    """Return the provider's id of the answer, or one like OpenAI's."""
    return given or f"chatcmpl-{context.reply_id}"


def tier_of(tier: str | None) -> str | None:
    """Return OpenAI's name for the tier an answer was served by; None when it has none."""
    if tier in ("standard", "on_demand"):  # Anthropic, Groq
        return "default"
    return tier if tier in SERVICE_TIERS else None


def image_member(part: ImagePart) -> Json:
    """Return a generated image as OpenRouter's `images` have it; OpenAI's own format has none.

    https://openrouter.ai/docs/features/multimodal/image-generation
    """
    return {"type": "image_url", "image_url": {"url": write_url(part.source) or ""}}


def _choice(candidate: Candidate, number: int, context: ReplyContext) -> Json:
    writer = _MessageWriter(context)
    message = writer.write(candidate)
    finish = write_finish(
        candidate.finish,
        called=writer.called,
        refused=message["refusal"] is not None,
        legacy=context.request.legacy_functions,
    )
    return {
        "index": number,
        "message": message,
        "logprobs": candidate.logprobs,
        "finish_reason": finish,
    }


class _MessageWriter:
    def __init__(self, context: ReplyContext) -> None:
        self._created_s = context.created_s
        self._custom = custom_names(context.request)
        self._legacy = context.request.legacy_functions
        self._luggage = Luggage()
        self._text = ""
        self._thoughts = ""
        self._refusal = ""
        self._annotations: list[AnnotationOut] = []
        self._calls: list[Json] = []
        self._images: list[Json] = []
        self._members: Json = {}

    @property
    def called(self) -> bool:
        """Whether the message calls a tool."""
        return bool(self._calls) or "function_call" in self._members

    def write(self, candidate: Candidate) -> Json:
        for part in candidate.parts:
            match part:
                case TextPart():
                    self._say(part)
                case ThinkingPart():
                    self._thoughts += part.text
                    self._luggage.add(part)
                case RefusalPart():
                    self._refusal += part.text
                case ToolCallPart():
                    self._call(part)
                case AudioPart():
                    self._members["audio"] = self._audio(part)
                case ImagePart():
                    self._images.append(image_member(part))
                case _:
                    pass  # what only its own format knows
        return self._whole()

    def _whole(self) -> Json:
        message: Json = {
            "role": "assistant",
            "content": self._text or None,
            "refusal": self._refusal or None,
        }
        if self._thoughts:
            message["reasoning_content"] = self._thoughts
        if self._annotations:
            message["annotations"] = self._annotations
        if self._images:
            message["images"] = self._images
        message |= self._members
        if self._calls:
            message["tool_calls"] = self._calls
        return message

    def _say(self, part: TextPart) -> None:
        for citation in part.citations:
            annotation = write_annotation(citation, len(self._text), len(part.text))
            if annotation is not None:
                self._annotations.append(annotation)
        self._text += part.text

    def _call(self, call: ToolCallPart) -> None:
        arguments = call.arguments
        if not call.custom and call.name in self._custom:
            arguments = call_input(arguments)
        elif self._legacy and not self.called:
            self._members["function_call"] = {"name": call.name, "arguments": arguments}
            return
        call_id = self._luggage.ticket(call.id, call.state)
        if call.custom or call.name in self._custom:
            inner: Json = {"name": call.name, "input": arguments}
            self._calls.append({"id": call_id, "type": "custom", "custom": inner})
        else:
            inner = {"name": call.name, "arguments": arguments or "{}"}
            self._calls.append({"id": call_id, "type": "function", "function": inner})

    def _audio(self, part: AudioPart) -> Json:
        return {
            "id": part.id or "audio",
            "data": part.source.data or "",
            "transcript": part.transcript,
            # Another vendor's answer is kept nowhere: there is nothing to refer to later.
            "expires_at": self._created_s,
        }
