"""What becomes of every member of a Converse request, and of every canonical field on its way here.

`REQUEST_FIELDS` speaks of each leaf of botocore's service model of the operation, by path.
"""

from collections.abc import Mapping

from adapters.wire.bedrock_converse.tools import GUARDRAIL, SYSTEM_TOOL
from adapters.wire.fidelity import RequestFields, dropped, mapped, passed, refused
from domain.inference.dialect import Dialect, WireFormat
from domain.inference.fields import CANONICAL_FIELDS, Fate
from domain.inference.request import InferenceRequest

_VENDOR = "part of a block that is kept whole and only Bedrock is given"
_GUARDED = "content like any other where there is no guardrail"
_OWNER = "account that owns the bucket"

REQUEST_FIELDS: RequestFields = {
    "modelId": mapped("model", "in the URL"),
    "messages.role": mapped("messages", "`system` stays where it stands"),
    "messages.content.text": mapped("text"),
    "messages.content.image.format": mapped("image.data"),
    "messages.content.image.source.bytes": mapped("image.data"),
    "messages.content.image.source.s3Location.uri": mapped("image.url"),
    "messages.content.image.source.s3Location.bucketOwner": dropped(_OWNER),
    "messages.content.image.error": dropped("of answers"),
    "messages.content.document.format": mapped("document.data"),
    "messages.content.document.name": mapped("document.name"),
    "messages.content.document.source.bytes": mapped("document.data"),
    "messages.content.document.source.s3Location.uri": mapped("document.url"),
    "messages.content.document.source.s3Location.bucketOwner": dropped(_OWNER),
    "messages.content.document.source.text": mapped("document.data", "as plain text"),
    "messages.content.document.source.content": mapped("document.data", "chunks become one text"),
    "messages.content.document.context": mapped("document.context"),
    "messages.content.document.citations": mapped("document.cite"),
    "messages.content.video.format": mapped("video.data"),
    "messages.content.video.source.bytes": mapped("video.data"),
    "messages.content.video.source.s3Location.uri": mapped("video.url"),
    "messages.content.video.source.s3Location.bucketOwner": dropped(_OWNER),
    "messages.content.audio.format": mapped("audio.data"),
    "messages.content.audio.source.bytes": mapped("audio.data"),
    "messages.content.audio.source.s3Location.uri": mapped("audio.url"),
    "messages.content.audio.source.s3Location.bucketOwner": dropped(_OWNER),
    "messages.content.audio.error": dropped("of answers"),
    "messages.content.toolUse.toolUseId": mapped("tool_call"),
    "messages.content.toolUse.name": mapped("tool_call"),
    "messages.content.toolUse.input": mapped("tool_call"),
    "messages.content.toolUse.type": passed(_VENDOR),
    "messages.content.toolResult.toolUseId": mapped("tool_result"),
    "messages.content.toolResult.content.json": mapped("tool_result"),
    "messages.content.toolResult.content.text": mapped("tool_result"),
    "messages.content.toolResult.content.image": mapped("tool_result.image"),
    "messages.content.toolResult.content.document": mapped("tool_result.document"),
    "messages.content.toolResult.content.video": mapped("tool_result.media"),
    "messages.content.toolResult.content.searchResult": mapped("tool_result.document"),
    "messages.content.toolResult.status": mapped("tool_result.is_error"),
    "messages.content.toolResult.type": passed(_VENDOR),
    "messages.content.guardContent.text.text": mapped("text", _GUARDED),
    "messages.content.guardContent.text.qualifiers": dropped(),
    "messages.content.guardContent.image": mapped("image.data", _GUARDED),
    "messages.content.cachePoint.type": mapped("cache"),
    "messages.content.cachePoint.ttl": mapped("cache"),
    "messages.content.reasoningContent.reasoningText.text": mapped("thinking.text"),
    "messages.content.reasoningContent.reasoningText.signature": mapped("thinking.state"),
    "messages.content.reasoningContent.redactedContent": mapped("thinking.state"),
    "messages.content.citationsContent.content": mapped("text"),
    "messages.content.citationsContent.citations": mapped("text.citations"),
    "messages.content.searchResult.source": mapped("document.context"),
    "messages.content.searchResult.title": mapped("document.name"),
    "messages.content.searchResult.content": mapped("document.data", "as plain text"),
    "messages.content.searchResult.citations": mapped("document.cite"),
    "messages.content.toolAddition": passed(_VENDOR),
    "messages.content.toolRemoval": passed(_VENDOR),
    "system.text": mapped("system"),
    "system.guardContent.text.text": mapped("system", _GUARDED),
    "system.guardContent.text.qualifiers": dropped(),
    "system.guardContent.image": mapped("image.data", _GUARDED),
    "system.cachePoint.type": mapped("cache"),
    "system.cachePoint.ttl": mapped("cache"),
    "inferenceConfig.maxTokens": mapped("max_output_tokens"),
    "inferenceConfig.temperature": mapped("sampling.temperature"),
    "inferenceConfig.topP": mapped("sampling.top_p"),
    "inferenceConfig.stopSequences": mapped("stop"),
    "toolConfig.tools.toolSpec.name": mapped("tools.function"),
    "toolConfig.tools.toolSpec.description": mapped("tools.function"),
    "toolConfig.tools.toolSpec.inputSchema.json": mapped("tools.function"),
    "toolConfig.tools.toolSpec.strict": mapped("tools.strict"),
    "toolConfig.tools.systemTool": passed("a tool that Bedrock runs; others are not offered it"),
    "toolConfig.tools.cachePoint.type": mapped("cache"),
    "toolConfig.tools.cachePoint.ttl": mapped("cache"),
    "toolConfig.toolChoice.auto": mapped("tool_choice.auto"),
    "toolConfig.toolChoice.any": mapped("tool_choice.required"),
    "toolConfig.toolChoice.tool.name": mapped("tool_choice.named"),
    "guardrailConfig": refused("the conversation must not go where the guardrail is not"),
    "projectIdentifier": passed(),
    "additionalModelRequestFields": mapped(
        "reasoning",
        "thinking, efforts, top_k, parallel calls of the known families; the rest is passed",
    ),
    "promptVariables": passed(),
    "additionalModelResponseFieldPaths": passed("`/stop_sequence` is answered by every provider"),
    "requestMetadata": mapped("metadata"),
    "performanceConfig": passed(),
    "serviceTier.type": mapped("service_tier"),
    "outputConfig.textFormat.type": mapped("response_format.json_schema"),
    "outputConfig.textFormat.structure.jsonSchema": mapped("response_format.json_schema"),
    "outputConfig.effort": mapped("reasoning.effort"),
}

_REFUSED = (
    "image.file_id",
    "document.file_id",
    "audio.file_id",
    "video.file_id",
    "candidates",
    "modalities",
    "previous_response_id",
)
_DROPPED = (
    "image.detail",
    "thinking.foreign_state",
    "message.name",
    "sampling.seed",
    "sampling.frequency_penalty",
    "sampling.presence_penalty",
    "sampling.logit_bias",
    "sampling.logprobs",
    "sampling.top_logprobs",
    "verbosity",
    "end_user",
    "cache_key",
    "audio",
    "store",
)

FATES: Mapping[str, Fate] = {
    **dict.fromkeys(CANONICAL_FIELDS, Fate.MAPPED),
    **dict.fromkeys(_REFUSED, Fate.REFUSED),
    **dict.fromkeys(_DROPPED, Fate.DROPPED),
}
"""Canonical field -> what becomes of it in a request that came in another dialect."""

_CONTENT = "messages.content"
_NAMES = {
    "text": f"{_CONTENT}.text",
    "text.citations": f"{_CONTENT}.citationsContent",
    "image.data": f"{_CONTENT}.image.source.bytes",
    "image.url": f"{_CONTENT}.image.source.s3Location",
    "document.data": f"{_CONTENT}.document.source.bytes",
    "document.url": f"{_CONTENT}.document.source.s3Location",
    "document.name": f"{_CONTENT}.document.name",
    "document.context": f"{_CONTENT}.document.context",
    "document.cite": f"{_CONTENT}.document.citations",
    "audio.data": f"{_CONTENT}.audio.source.bytes",
    "audio.url": f"{_CONTENT}.audio.source.s3Location",
    "video.data": f"{_CONTENT}.video.source.bytes",
    "video.url": f"{_CONTENT}.video.source.s3Location",
    "tool_call": f"{_CONTENT}.toolUse",
    "tool_result": f"{_CONTENT}.toolResult",
    "tool_result.is_error": f"{_CONTENT}.toolResult.status",
    "tool_result.image": f"{_CONTENT}.toolResult.content.image",
    "tool_result.document": f"{_CONTENT}.toolResult.content.document",
    "tool_result.media": f"{_CONTENT}.toolResult.content.video",
    "thinking.text": f"{_CONTENT}.reasoningContent",
    "thinking.state": f"{_CONTENT}.reasoningContent",
    "thinking.foreign_state": f"{_CONTENT}.reasoningContent",
    "cache": "cachePoint",
    "tools.function": "toolConfig.tools",
    "tools.strict": "toolConfig.tools.toolSpec.strict",
    "tool_choice.auto": "toolConfig.toolChoice",
    "tool_choice.none": "additionalModelRequestFields.tool_choice",
    "tool_choice.required": "toolConfig.toolChoice",
    "tool_choice.named": "toolConfig.toolChoice",
    "parallel_tool_calls": "additionalModelRequestFields.tool_choice",
    "max_output_tokens": "inferenceConfig.maxTokens",
    "sampling.temperature": "inferenceConfig.temperature",
    "sampling.top_p": "inferenceConfig.topP",
    "sampling.top_k": "additionalModelRequestFields.top_k",
    "stop": "inferenceConfig.stopSequences",
    "response_format.json_schema": "outputConfig.textFormat",
    "reasoning.enabled": "additionalModelRequestFields.thinking",
    "reasoning.effort": "outputConfig.effort",
    "reasoning.budget_tokens": "additionalModelRequestFields.thinking",
    "reasoning.adaptive": "additionalModelRequestFields.thinking",
    "reasoning.show": "additionalModelRequestFields.thinking",
    "metadata": "requestMetadata",
    "service_tier": "serviceTier",
}


def fates_for(request: InferenceRequest) -> Mapping[str, Fate]:
    """Return the fates for one request.

    Further members mean something to Bedrock in its own dialect only. Not to store an answer is
    what it does anyway, and text is the one modality it has.
    """
    fates = dict(FATES)
    if request.source is Dialect.BEDROCK_CONVERSE:
        fates |= dict.fromkeys((f"extensions.{name}" for name in request.extensions), Fate.PASSED)
    if request.store is False:
        fates["store"] = Fate.MAPPED
    if set(request.modalities) == {"text"}:
        fates["modalities"] = Fate.MAPPED
    return fates


def client_name(field: str) -> str:
    """Return the client's name of a canonical field, of an extension, or of a block or tool."""
    if field.startswith("extensions."):
        return field.removeprefix("extensions.")
    prefix = f"vendor.{WireFormat.BEDROCK_CONVERSE}."
    if field.startswith(prefix):
        kind = field.removeprefix(prefix)
        if kind == SYSTEM_TOOL:
            return f"toolConfig.tools.{kind}"
        return kind if kind == GUARDRAIL else f"{_CONTENT}.{kind}"
    return _NAMES.get(field, field)
