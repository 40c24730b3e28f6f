"""What becomes of every member of a Messages request, and of every canonical field on its way here.

`REQUEST_FIELDS` has an entry for each leaf of the official SDK's request types (general and beta),
by path; what is common to all content blocks is listed once, below `messages.content`.
"""

from collections.abc import Mapping

from adapters.wire.fidelity import RequestFields, dropped, mapped, passed, refused
from domain.inference.dialect import Dialect
from domain.inference.fields import CANONICAL_FIELDS, Fate
from domain.inference.request import InferenceRequest

_VENDOR = "part of a block that is kept whole and only Anthropic is given"
_HOSTED = "part of a tool that Anthropic runs itself; other providers are not offered it"
_STATE = "on a conversation that only the provider holds"

REQUEST_FIELDS: RequestFields = {
    "model": mapped("model"),
    "max_tokens": mapped("max_output_tokens"),
    "stream": mapped("stream"),
    "system.type": mapped("system"),
    "system.text": mapped("system"),
    "system.cache_control": mapped("cache"),
    "system.citations": mapped("text.citations"),
    "messages.role": mapped("messages", "`system` stays where it stands"),
    "messages.clear_at": dropped(),
    "messages.output_config": dropped("effort of one turn"),
    "messages.content.type": mapped("messages"),
    "messages.content.text": mapped("text"),
    "messages.content.citations": mapped("text.citations", "of a document: document.cite"),
    "messages.content.cache_control": mapped("cache"),
    "messages.content.source": mapped("image", "of a document: document"),
    "messages.content.title": mapped("document.name"),
    "messages.content.context": mapped("document.context"),
    "messages.content.transformations": dropped("resizing of an image"),
    "messages.content.id": mapped("tool_call"),
    "messages.content.name": mapped("tool_call"),
    "messages.content.input": mapped("tool_call"),
    "messages.content.caller": mapped("tool_call", "calls made by code are kept whole"),
    "messages.content.toolset_name": passed(_VENDOR),
    "messages.content.tool_use_id": mapped("tool_result"),
    "messages.content.content": mapped("tool_result", "or of a block kept whole"),
    "messages.content.is_error": mapped("tool_result.is_error"),
    "messages.content.thinking": mapped("thinking.text"),
    "messages.content.signature": mapped("thinking.state"),
    "messages.content.data": mapped("thinking.state"),
    "messages.content.encrypted_content": passed(_VENDOR),
    "messages.content.file_id": passed(_VENDOR),
    "messages.content.from": passed(_VENDOR),
    "messages.content.mcp_server_name": passed(_VENDOR),
    "messages.content.server_name": passed(_VENDOR),
    "messages.content.to": passed(_VENDOR),
    "messages.content.tool": passed(_VENDOR),
    "messages.content.tool_changes": passed(_VENDOR),
    "messages.content.tools": passed(_VENDOR),
    "messages.content.trigger": passed(_VENDOR),
    "tools.type": mapped("tools.function", "any but `custom` is a tool kept whole"),
    "tools.name": mapped("tools.function"),
    "tools.description": mapped("tools.function"),
    "tools.input_schema": mapped("tools.function"),
    "tools.strict": mapped("tools.strict"),
    "tools.cache_control": mapped("cache"),
    "tools.allowed_callers": dropped("of a custom tool; otherwise kept with the tool"),
    "tools.defer_loading": dropped("of a custom tool; otherwise kept with the tool"),
    "tools.eager_input_streaming": dropped(),
    "tools.input_examples": dropped(),
    "tools.allowed_domains": passed(_HOSTED),
    "tools.blocked_domains": passed(_HOSTED),
    "tools.caching": passed(_HOSTED),
    "tools.citations": passed(_HOSTED),
    "tools.configs": passed(_HOSTED),
    "tools.default_config": passed(_HOSTED),
    "tools.display_height_px": passed(_HOSTED),
    "tools.display_number": passed(_HOSTED),
    "tools.display_width_px": passed(_HOSTED),
    "tools.enable_zoom": passed(_HOSTED),
    "tools.max_characters": passed(_HOSTED),
    "tools.max_content_tokens": passed(_HOSTED),
    "tools.max_tokens": passed(_HOSTED),
    "tools.max_uses": passed(_HOSTED),
    "tools.mcp_server_name": passed(_HOSTED),
    "tools.model": refused("a model that the gateway could not govern, for every provider"),
    "tools.response_inclusion": passed(_HOSTED),
    "tools.tools": passed(_HOSTED),
    "tools.url_sources": passed(_HOSTED),
    "tools.use_cache": passed(_HOSTED),
    "tools.user_location": passed(_HOSTED),
    "mcp_servers": passed(_HOSTED),
    "tool_choice.type": mapped("tool_choice"),
    "tool_choice.name": mapped("tool_choice.named"),
    "tool_choice.disable_parallel_tool_use": mapped("parallel_tool_calls"),
    "thinking.type": mapped("reasoning", "`between_tools` is passed"),
    "thinking.budget_tokens": mapped("reasoning.budget_tokens"),
    "thinking.display": mapped("reasoning.show", "`updates` is passed"),
    "thinking.block_binding": passed(),
    "output_config.effort": mapped("reasoning.effort"),
    "output_config.format.type": mapped("response_format.json_schema"),
    "output_config.format.schema": mapped("response_format.json_schema"),
    "output_config.task_budget": passed(),
    "temperature": mapped("sampling.temperature"),
    "top_p": mapped("sampling.top_p"),
    "top_k": mapped("sampling.top_k"),
    "stop_sequences": mapped("stop"),
    "metadata.user_id": mapped("end_user"),
    "service_tier": mapped("service_tier", "`standard_only` is `default`"),
    "cache_control": mapped("cache.automatic"),
    "output_format": mapped("response_format.json_schema", "the older name of the format"),
    "billing_policy": passed(),
    "compaction": refused(_STATE),
    "container": passed(),
    "context_management": passed(),
    "diagnostics": passed(),
    "fallback_credit_token": passed(),
    "fallbacks": refused("models that the gateway could not govern, for every provider"),
    "inference_geo": passed(),
    "speed": passed(),
    "thread": refused(_STATE),
    "user_profile_id": passed(),
}
"""`betas` and `workspace_id` are headers in the SDK's clothes and no members of a body."""

_REFUSED = (
    "image.file_id",
    "document.file_id",
    "audio.data",
    "audio.url",
    "audio.file_id",
    "audio.id",
    "video.data",
    "video.url",
    "video.file_id",
    "tool_result.media",
    "candidates",
    "modalities",
    "audio",
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
    "metadata",
    "cache_key",
    "store",
)

FATES: Mapping[str, Fate] = {
    **dict.fromkeys(CANONICAL_FIELDS, Fate.MAPPED),
    **dict.fromkeys(_REFUSED, Fate.REFUSED),
    **dict.fromkeys(_DROPPED, Fate.DROPPED),
}
"""Canonical field -> what becomes of it in a request that came in another dialect."""

_NAMES = {
    "text": "messages.content.text",
    "text.citations": "messages.content.citations",
    "image.data": "messages.content.source.data",
    "image.url": "messages.content.source.url",
    "image.file_id": "messages.content.source.file_id",
    "document.data": "messages.content.source.data",
    "document.url": "messages.content.source.url",
    "document.file_id": "messages.content.source.file_id",
    "document.name": "messages.content.title",
    "document.context": "messages.content.context",
    "document.cite": "messages.content.citations",
    "tool_call": "messages.content.tool_use",
    "tool_result": "messages.content.tool_result",
    "tool_result.is_error": "messages.content.is_error",
    "tool_result.image": "messages.content.content.image",
    "tool_result.document": "messages.content.content.document",
    "thinking.text": "messages.content.thinking",
    "thinking.state": "messages.content.signature",
    "thinking.foreign_state": "messages.content.signature",
    "cache": "cache_control",
    "cache.automatic": "cache_control",
    "tools.function": "tools",
    "tool_choice.auto": "tool_choice",
    "tool_choice.none": "tool_choice",
    "tool_choice.required": "tool_choice",
    "tool_choice.named": "tool_choice",
    "parallel_tool_calls": "tool_choice.disable_parallel_tool_use",
    "max_output_tokens": "max_tokens",
    "sampling.temperature": "temperature",
    "sampling.top_p": "top_p",
    "sampling.top_k": "top_k",
    "stop": "stop_sequences",
    "response_format.json_schema": "output_config.format",
    "reasoning.enabled": "thinking.type",
    "reasoning.effort": "output_config.effort",
    "reasoning.budget_tokens": "thinking.budget_tokens",
    "reasoning.adaptive": "thinking.type",
    "reasoning.show": "thinking.display",
    "end_user": "metadata.user_id",
}


def fates_for(request: InferenceRequest) -> Mapping[str, Fate]:
    """Return the fates for one request.

    Ids of stored files and further members mean something to Anthropic in its own dialect only.
    Not to store an answer is what it does anyway, and text is the one modality it has.
    """
    fates = dict(FATES)
    if request.source is Dialect.ANTHROPIC_MESSAGES:
        fates["image.file_id"] = fates["document.file_id"] = Fate.MAPPED
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
    if field.startswith("vendor."):
        return field.rpartition(".")[2]
    return _NAMES.get(field, field)
