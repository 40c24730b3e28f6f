"""The tables of fields: what becomes of each, on the way in and on the way out.

Paths are those of REST (https://ai.google.dev/api/generate-content), in camelCase; the official
SDK's `GenerateContentConfig` is spread over the request and its `generationConfig`.
"""

from collections.abc import Mapping

from adapters.wire.fidelity import RequestFields, dropped, mapped, passed, refused
from domain.inference.dialect import Dialect
from domain.inference.fields import Fate
from domain.inference.request import InferenceRequest

_NO_PLACE = "describes the bytes to Gemini; others get the bytes"
_SCHEMA = "a Schema becomes JSON Schema"
_HOSTED = "a tool that Google runs: other providers refuse it"
_OFFERED = "a tool that Google runs; other providers are not offered it"

_MEDIA: RequestFields = {
    "mimeType": mapped("image.data"),
    "data": mapped("image.data"),
    "displayName": mapped("document.name", "of documents only"),
}
_FILE: RequestFields = {
    "mimeType": mapped("image.url"),
    "fileUri": mapped("image.url", "image.file_id for uploaded files"),
    "displayName": mapped("document.name", "of documents only"),
}
_DESCRIPTIONS: RequestFields = {
    name: dropped(_NO_PLACE)
    for name in (
        "mediaResolution",
        "videoMetadata",
        "mediaProcessing",
        "documentMetadata",
        "spreadsheetMetadata",
        "audioMetadata",
    )
}
_PARTS: RequestFields = {
    "text": mapped("text"),
    "thought": mapped("thinking.text"),
    "thoughtSignature": mapped("thinking.state", "on texts, thoughts and calls"),
    "inlineData": mapped("image.data", "image, document, audio or video, by its type"),
    **{f"inlineData.{name}": entry for name, entry in _MEDIA.items()},
    "fileData": mapped("image.url", "image, document, audio or video, by its type"),
    **{f"fileData.{name}": entry for name, entry in _FILE.items()},
    "functionCall": mapped("tool_call"),
    "functionCall.id": mapped("tool_call"),
    "functionCall.name": mapped("tool_call"),
    "functionCall.args": mapped("tool_call"),
    "functionCall.partialArgs": dropped("a form of streamed answers"),
    "functionCall.willContinue": dropped("a form of streamed answers"),
    "functionResponse": mapped("tool_result"),
    "functionResponse.id": mapped("tool_result"),
    "functionResponse.name": mapped("tool_result"),
    "functionResponse.response": mapped("tool_result", "`error` is tool_result.is_error"),
    "functionResponse.parts": mapped("tool_result.image"),
    "functionResponse.parts.inlineData": mapped("tool_result.image"),
    **{f"functionResponse.parts.inlineData.{name}": entry for name, entry in _MEDIA.items()},
    "functionResponse.parts.fileData": mapped("tool_result.image"),
    **{f"functionResponse.parts.fileData.{name}": entry for name, entry in _FILE.items()},
    **{f"functionResponse.parts.{name}": entry for name, entry in _DESCRIPTIONS.items()},
    "functionResponse.willContinue": dropped("of calls that do not block"),
    "functionResponse.scheduling": dropped("of calls that do not block"),
    "executableCode": refused(_HOSTED),
    "codeExecutionResult": refused(_HOSTED),
    "toolCall": refused(_HOSTED),
    "toolResponse": refused(_HOSTED),
    "partMetadata": dropped("the client's own notes"),
    "audioTranscription": dropped("of answers only"),
    "speechMetadata": dropped("of answers only"),
    **_DESCRIPTIONS,
}
_FUNCTION: RequestFields = {
    "name": mapped("tools.function"),
    "description": mapped("tools.function"),
    "parameters": mapped("tools.function", _SCHEMA),
    "parametersJsonSchema": mapped("tools.function"),
    "response": dropped("no other format describes results"),
    "responseJsonSchema": dropped("no other format describes results"),
    "behavior": dropped("of calls that do not block"),
}
_CONFIG: RequestFields = {
    "stopSequences": mapped("stop"),
    "responseMimeType": mapped("response_format.json_object", "other types are dropped"),
    "responseSchema": mapped("response_format.json_schema", _SCHEMA),
    "responseJsonSchema": mapped("response_format.json_schema"),
    "_responseJsonSchema": mapped("response_format.json_schema", "an older name"),
    "responseFormat": mapped("response_format.json_schema"),
    "responseFormat.text": mapped("response_format.json_schema"),
    "responseFormat.text.mimeType": mapped("response_format.json_object"),
    "responseFormat.text.schema": mapped("response_format.json_schema"),
    "responseFormat.audio": dropped(),
    "responseFormat.image": dropped(),
    "responseFormat.video": dropped(),
    "candidateCount": mapped("candidates"),
    "maxOutputTokens": mapped("max_output_tokens"),
    "temperature": mapped("sampling.temperature"),
    "topP": mapped("sampling.top_p"),
    "topK": mapped("sampling.top_k"),
    "seed": mapped("sampling.seed"),
    "presencePenalty": mapped("sampling.presence_penalty"),
    "frequencyPenalty": mapped("sampling.frequency_penalty"),
    "responseLogprobs": mapped("sampling.logprobs"),
    "logprobs": mapped("sampling.top_logprobs"),
    "responseModalities": mapped("modalities"),
    "thinkingConfig": mapped("reasoning.effort"),
    "thinkingConfig.includeThoughts": mapped("reasoning.show"),
    "thinkingConfig.thinkingBudget": mapped("reasoning.budget_tokens", "0: off, -1: adaptive"),
    "thinkingConfig.thinkingLevel": mapped("reasoning.effort"),
    "speechConfig": passed(),
    "imageConfig": passed(),
    "mediaResolution": passed(),
    "audioTimestamp": passed(),
    "audioTranscriptionConfig": passed(),
    "translationConfig": passed(),
    "routingConfig": passed(),
    "modelSelectionConfig": passed(),
    "modelConfig": passed(),
    "enableAffectiveDialog": passed(),
    "enableEnhancedCivicAnswers": passed(),
}

REQUEST_FIELDS: RequestFields = {
    "model": mapped("model", "must be the URL's"),
    "contents": mapped("text"),
    "contents.role": mapped("text"),
    "contents.parts": mapped("text"),
    **{f"contents.parts.{name}": entry for name, entry in _PARTS.items()},
    "systemInstruction": mapped("system"),
    "systemInstruction.role": mapped("system", "ignored"),
    "systemInstruction.parts": mapped("system"),
    **{f"systemInstruction.parts.{name}": entry for name, entry in _PARTS.items()},
    "tools": mapped("tools.function"),
    "tools.functionDeclarations": mapped("tools.function"),
    **{f"tools.functionDeclarations.{name}": entry for name, entry in _FUNCTION.items()},
    **{
        f"tools.{name}": passed(_OFFERED)
        for name in (
            "codeExecution",
            "computerUse",
            "enterpriseWebSearch",
            "exaAiSearch",
            "fileSearch",
            "googleMaps",
            "googleSearch",
            "googleSearchRetrieval",
            "mcpServers",
            "parallelAiSearch",
            "retrieval",
            "urlContext",
        )
    },
    "toolConfig": mapped("tool_choice.auto"),
    "toolConfig.functionCallingConfig": mapped("tool_choice.auto"),
    "toolConfig.functionCallingConfig.mode": mapped(
        "tool_choice.required", "VALIDATED is `auto`, with a warning"
    ),
    "toolConfig.functionCallingConfig.allowedFunctionNames": mapped(
        "tool_choice.allowed", "tool_choice.named for one name in mode ANY"
    ),
    "toolConfig.functionCallingConfig.streamFunctionCallArguments": dropped(),
    "toolConfig.retrievalConfig": dropped(),
    "toolConfig.includeServerSideToolInvocations": dropped(),
    "generationConfig": mapped("sampling.temperature"),
    **{f"generationConfig.{name}": entry for name, entry in _CONFIG.items()},
    "safetySettings": passed(),
    "cachedContent": refused("a part of the conversation that only Google can read"),
    "labels": mapped("metadata"),
    "serviceTier": mapped("service_tier"),
    "store": mapped("store"),
    "continuationToken": passed(),
    "modelArmorConfig": passed(),
    "generationOutputConfig": passed(),
}
"""Members of a request, as `decode_request` treats them."""

FATES: Mapping[str, Fate] = {
    "system": Fate.MAPPED,
    "text": Fate.MAPPED,
    "text.citations": Fate.DROPPED,
    "image.data": Fate.MAPPED,
    "image.url": Fate.MAPPED,
    "image.file_id": Fate.MAPPED,  # refused unless it is Google's
    "image.detail": Fate.DROPPED,
    "document.data": Fate.MAPPED,
    "document.url": Fate.MAPPED,
    "document.file_id": Fate.MAPPED,  # refused unless it is Google's
    "document.name": Fate.DROPPED,  # `displayName` is for Vertex AI only
    "document.context": Fate.DROPPED,
    "document.cite": Fate.DROPPED,
    "audio.data": Fate.MAPPED,
    "audio.url": Fate.MAPPED,
    "audio.file_id": Fate.MAPPED,  # refused unless it is Google's
    "audio.id": Fate.REFUSED,
    "video.data": Fate.MAPPED,
    "video.url": Fate.MAPPED,
    "video.file_id": Fate.MAPPED,  # refused unless it is Google's
    "tool_call": Fate.MAPPED,
    "tool_call.custom": Fate.MAPPED,
    "tool_result": Fate.MAPPED,
    "tool_result.is_error": Fate.MAPPED,
    "tool_result.image": Fate.MAPPED,
    "tool_result.document": Fate.MAPPED,
    "tool_result.media": Fate.MAPPED,
    "tool_result.custom": Fate.MAPPED,
    "thinking.text": Fate.MAPPED,  # dropped where it is not Gemini's
    "thinking.state": Fate.MAPPED,
    "thinking.foreign_state": Fate.DROPPED,
    "refusal": Fate.MAPPED,
    "message.name": Fate.DROPPED,
    "cache": Fate.DROPPED,
    "tools.function": Fate.MAPPED,
    "tools.strict": Fate.MAPPED,
    "tools.custom": Fate.MAPPED,
    "tool_choice.auto": Fate.MAPPED,
    "tool_choice.none": Fate.MAPPED,
    "tool_choice.required": Fate.MAPPED,
    "tool_choice.named": Fate.MAPPED,
    "tool_choice.allowed": Fate.MAPPED,
    "parallel_tool_calls": Fate.DROPPED,
    "max_output_tokens": Fate.MAPPED,
    "sampling.temperature": Fate.MAPPED,
    "sampling.top_p": Fate.MAPPED,
    "sampling.top_k": Fate.MAPPED,
    "sampling.seed": Fate.MAPPED,
    "sampling.frequency_penalty": Fate.MAPPED,
    "sampling.presence_penalty": Fate.MAPPED,
    "sampling.logit_bias": Fate.DROPPED,
    "sampling.logprobs": Fate.MAPPED,
    "sampling.top_logprobs": Fate.MAPPED,
    "stop": Fate.MAPPED,
    "candidates": Fate.MAPPED,
    "response_format.text": Fate.MAPPED,
    "response_format.json_object": Fate.MAPPED,
    "response_format.json_schema": Fate.MAPPED,
    "reasoning.enabled": Fate.MAPPED,
    "reasoning.effort": Fate.MAPPED,
    "reasoning.budget_tokens": Fate.MAPPED,
    "reasoning.adaptive": Fate.MAPPED,
    "reasoning.show": Fate.MAPPED,
    "reasoning.summary": Fate.MAPPED,
    "verbosity": Fate.DROPPED,
    "end_user": Fate.DROPPED,
    "metadata": Fate.DROPPED,  # labels have rules that other vendors' tags break
    "service_tier": Fate.MAPPED,
    "cache.automatic": Fate.DROPPED,
    "cache_key": Fate.DROPPED,
    "modalities": Fate.MAPPED,
    "audio": Fate.REFUSED,
    "store": Fate.DROPPED,
    "previous_response_id": Fate.REFUSED,
}
"""Canonical fields, as `encode_request` treats those of other dialects."""

SERVICE_TIERS: Mapping[str, str] = {
    "auto": "",
    "default": "standard",
    "standard": "standard",
    "standard_only": "standard",
    "flex": "flex",
    "priority": "priority",
}
"""Tiers by the names other vendors give them; empty: nothing needs to be said."""

_NAMES: Mapping[str, str] = {
    "system": "systemInstruction",
    "text": "contents.parts.text",
    "image.data": "contents.parts.inlineData",
    "image.url": "contents.parts.fileData",
    "image.file_id": "contents.parts.fileData",
    "document.data": "contents.parts.inlineData",
    "document.url": "contents.parts.fileData",
    "document.file_id": "contents.parts.fileData",
    "document.name": "contents.parts.inlineData.displayName",
    "audio.data": "contents.parts.inlineData",
    "audio.url": "contents.parts.fileData",
    "audio.file_id": "contents.parts.fileData",
    "video.data": "contents.parts.inlineData",
    "video.url": "contents.parts.fileData",
    "video.file_id": "contents.parts.fileData",
    "tool_call": "contents.parts.functionCall",
    "tool_result": "contents.parts.functionResponse",
    "tool_result.is_error": "contents.parts.functionResponse.response.error",
    "tool_result.image": "contents.parts.functionResponse.parts",
    "tool_result.document": "contents.parts.functionResponse.parts",
    "tool_result.media": "contents.parts.functionResponse.parts",
    "thinking.text": "contents.parts.thought",
    "thinking.state": "contents.parts.thoughtSignature",
    "thinking.foreign_state": "contents.parts.thoughtSignature",
    "tools.function": "tools.functionDeclarations",
    "tool_choice.auto": "toolConfig.functionCallingConfig.mode",
    "tool_choice.none": "toolConfig.functionCallingConfig.mode",
    "tool_choice.required": "toolConfig.functionCallingConfig.mode",
    "tool_choice.named": "toolConfig.functionCallingConfig.allowedFunctionNames",
    "tool_choice.allowed": "toolConfig.functionCallingConfig.allowedFunctionNames",
    "max_output_tokens": "generationConfig.maxOutputTokens",
    "sampling.temperature": "generationConfig.temperature",
    "sampling.top_p": "generationConfig.topP",
    "sampling.top_k": "generationConfig.topK",
    "sampling.seed": "generationConfig.seed",
    "sampling.frequency_penalty": "generationConfig.frequencyPenalty",
    "sampling.presence_penalty": "generationConfig.presencePenalty",
    "sampling.logprobs": "generationConfig.responseLogprobs",
    "sampling.top_logprobs": "generationConfig.logprobs",
    "stop": "generationConfig.stopSequences",
    "candidates": "generationConfig.candidateCount",
    "response_format.text": "generationConfig.responseMimeType",
    "response_format.json_object": "generationConfig.responseMimeType",
    "response_format.json_schema": "generationConfig.responseJsonSchema",
    "reasoning.enabled": "generationConfig.thinkingConfig.thinkingBudget",
    "reasoning.effort": "generationConfig.thinkingConfig.thinkingLevel",
    "reasoning.budget_tokens": "generationConfig.thinkingConfig.thinkingBudget",
    "reasoning.adaptive": "generationConfig.thinkingConfig.thinkingBudget",
    "reasoning.show": "generationConfig.thinkingConfig.includeThoughts",
    "metadata": "labels",
    "service_tier": "serviceTier",
    "modalities": "generationConfig.responseModalities",
}
_EXTENSION = "extensions."
_VENDOR = "vendor.gemini_generate."
_HOSTED_PARTS = frozenset({"executableCode", "codeExecutionResult", "toolCall", "toolResponse"})


def fates_for(request: InferenceRequest) -> Mapping[str, Fate]:
    """Return the fates of a request's fields: what Gemini's own clients say can all be said."""
    if request.source is Dialect.GEMINI_GENERATE:
        own = {f"{_EXTENSION}{name}": Fate.PASSED for name in request.extensions}
        return {**FATES, **own, "metadata": Fate.PASSED, "store": Fate.PASSED}
    if request.service_tier not in (None, *SERVICE_TIERS):
        return {**FATES, "service_tier": Fate.DROPPED}
    return FATES


def field_name(field: str) -> str:
    """Return the name that clients of this dialect know a canonical field by."""
    if field.startswith(_VENDOR):
        kind = field.removeprefix(_VENDOR)
        return f"contents.parts.{kind}" if kind in _HOSTED_PARTS else f"tools.{kind}"
    return _NAMES.get(field, field.removeprefix(_EXTENSION))
