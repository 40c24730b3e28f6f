"""The field tables of the Responses format: what becomes of every member, in both directions.

Paths name the kind of an item, part or tool in brackets: `input[function_call].name`.
"""

from collections.abc import Mapping

from adapters.wire.fidelity import (
    RequestField,
    RequestFields,
    dropped,
    mapped,
    passed,
    refused,
)
from domain.inference.dialect import Dialect
from domain.inference.fields import Fate

OPENAI_DIALECTS = frozenset({Dialect.OPENAI_CHAT, Dialect.OPENAI_RESPONSES})
"""Their extensions and ids of files mean the same here."""

_SHARED_EXTENSIONS = ("moderation", "prompt_cache_options", "prompt_cache_retention")
_OWN_EXTENSIONS = (
    "access_programs",
    "context_management",
    "image",
    "include",
    "max_tool_calls",
    "stream_options",
    "tool_choice",
    "truncation",
    "user",
)

_FATES: dict[str, Fate] = {
    "system": Fate.MAPPED,
    "text": Fate.MAPPED,
    "text.citations": Fate.MAPPED,  # those of pages
    "image.data": Fate.MAPPED,
    "image.url": Fate.MAPPED,
    "image.file_id": Fate.REFUSED,
    "image.detail": Fate.MAPPED,
    "document.data": Fate.MAPPED,
    "document.url": Fate.MAPPED,
    "document.file_id": Fate.REFUSED,
    "document.name": Fate.MAPPED,
    "document.context": Fate.DROPPED,
    "document.cite": Fate.DROPPED,
    # The format has a part for it, the vendor takes none: spoken input is for Chat Completions.
    "audio.data": Fate.REFUSED,
    "audio.url": Fate.REFUSED,
    "audio.file_id": Fate.REFUSED,
    "audio.id": Fate.REFUSED,
    "video.data": Fate.REFUSED,
    "video.url": Fate.REFUSED,
    "video.file_id": Fate.REFUSED,
    "tool_call": Fate.MAPPED,
    "tool_call.custom": Fate.MAPPED,
    "tool_result": Fate.MAPPED,
    "tool_result.is_error": Fate.DROPPED,
    "tool_result.image": Fate.MAPPED,
    "tool_result.document": Fate.MAPPED,
    "tool_result.media": Fate.REFUSED,
    "tool_result.custom": Fate.MAPPED,
    "thinking.text": Fate.MAPPED,  # with state of this vendor; else it is dropped
    "thinking.state": Fate.MAPPED,
    "thinking.foreign_state": Fate.DROPPED,
    "refusal": Fate.MAPPED,
    "message.name": Fate.DROPPED,
    "cache": Fate.DROPPED,  # the newest models alone take marks; the others refuse them
    "tools.function": Fate.MAPPED,
    "tools.strict": Fate.MAPPED,
    "tools.custom": Fate.MAPPED,
    "tool_choice.auto": Fate.MAPPED,
    "tool_choice.none": Fate.MAPPED,
    "tool_choice.required": Fate.MAPPED,
    "tool_choice.named": Fate.MAPPED,
    "tool_choice.allowed": Fate.MAPPED,
    "parallel_tool_calls": Fate.MAPPED,
    "max_output_tokens": Fate.MAPPED,
    "sampling.temperature": Fate.MAPPED,
    "sampling.top_p": Fate.MAPPED,
    "sampling.top_k": Fate.DROPPED,
    "sampling.seed": Fate.DROPPED,
    "sampling.frequency_penalty": Fate.DROPPED,
    "sampling.presence_penalty": Fate.DROPPED,
    "sampling.logit_bias": Fate.DROPPED,
    "sampling.logprobs": Fate.MAPPED,
    "sampling.top_logprobs": Fate.MAPPED,
    "stop": Fate.REFUSED,
    "candidates": Fate.REFUSED,
    "response_format.text": Fate.MAPPED,
    "response_format.json_object": Fate.MAPPED,
    "response_format.json_schema": Fate.MAPPED,
    "reasoning.enabled": Fate.MAPPED,  # False is dropped
    "reasoning.effort": Fate.MAPPED,
    "reasoning.budget_tokens": Fate.MAPPED,
    "reasoning.adaptive": Fate.MAPPED,
    "reasoning.show": Fate.MAPPED,
    "reasoning.summary": Fate.MAPPED,
    "verbosity": Fate.MAPPED,
    "end_user": Fate.MAPPED,
    "metadata": Fate.MAPPED,
    "service_tier": Fate.MAPPED,
    "cache.automatic": Fate.MAPPED,  # the vendor does it unasked
    "cache_key": Fate.MAPPED,
    "modalities": Fate.REFUSED,  # but for text alone
    "audio": Fate.REFUSED,
    "store": Fate.MAPPED,
    "previous_response_id": Fate.MAPPED,
    "extensions.web_search_options": Fate.REFUSED,
}
_OF_OPENAI: dict[str, Fate] = {
    **dict.fromkeys(("image.file_id", "document.file_id", "cache"), Fate.MAPPED),
    **{f"extensions.{name}": Fate.PASSED for name in _SHARED_EXTENSIONS},
}
_OF_OWN: dict[str, Fate] = {
    **_OF_OPENAI,
    "audio.data": Fate.MAPPED,
    **{f"extensions.{name}": Fate.PASSED for name in _OWN_EXTENSIONS},
}

FATES: Mapping[str, Fate] = _FATES
"""What becomes of canonical fields, for requests of clients of another vendor."""

_BY_SOURCE: Mapping[Dialect, Mapping[str, Fate]] = {
    Dialect.OPENAI_CHAT: _FATES | _OF_OPENAI,
    Dialect.OPENAI_RESPONSES: _FATES | _OF_OWN,
}


def fates_for(source: Dialect) -> Mapping[str, Fate]:
    """Return what becomes of canonical fields of a request from `source`."""
    return _BY_SOURCE.get(source, FATES)


_CLIENT_NAMES = {
    "system": "instructions",
    "text": "input",
    "text.citations": "output_text.annotations",
    "image.data": "input_image.image_url",
    "image.url": "input_image.image_url",
    "image.file_id": "input_image.file_id",
    "image.detail": "input_image.detail",
    "document.data": "input_file.file_data",
    "document.url": "input_file.file_url",
    "document.file_id": "input_file.file_id",
    "document.name": "input_file.filename",
    "audio.data": "input_audio",
    "tool_call": "function_call",
    "tool_call.custom": "custom_tool_call",
    "tool_result": "function_call_output",
    "tool_result.image": "function_call_output.output",
    "tool_result.document": "function_call_output.output",
    "tool_result.custom": "custom_tool_call_output",
    "thinking.text": "reasoning.summary",
    "thinking.state": "reasoning.encrypted_content",
    "thinking.foreign_state": "reasoning.encrypted_content",
    "cache": "prompt_cache_breakpoint",
    "tools.function": "tools",
    "tools.strict": "tools.strict",
    "tools.custom": "tools[custom]",
    "sampling.temperature": "temperature",
    "sampling.top_p": "top_p",
    "sampling.logprobs": "include[message.output_text.logprobs]",
    "sampling.top_logprobs": "top_logprobs",
    "tool_choice.allowed": "tool_choice[allowed_tools]",
    "response_format.text": "text.format",
    "response_format.json_object": "text.format",
    "response_format.json_schema": "text.format",
    "reasoning.show": "reasoning.summary",
    "verbosity": "text.verbosity",
    "end_user": "safety_identifier",
    "cache_key": "prompt_cache_key",
}
_OWN_THINGS = f"vendor.{Dialect.OPENAI_RESPONSES}."


def field_name(field: str) -> str:
    """Return the client's name of a canonical field; for a hosted tool or item, its type."""
    if field.startswith("extensions."):
        return field.removeprefix("extensions.")
    if field.startswith(_OWN_THINGS):
        return field.removeprefix(_OWN_THINGS)
    if field.startswith("tool_choice."):
        return _CLIENT_NAMES.get(field, "tool_choice")
    return _CLIENT_NAMES.get(field, field)


def _item(kind: str, **members: RequestField) -> dict[str, RequestField]:
    base = f"input[{kind}]"
    place = mapped("messages", "the place of the item says as much")
    return {
        f"{base}.type": mapped("messages"),
        f"{base}.id": place,
        f"{base}.status": place,
        **{f"{base}.{name}": field for name, field in members.items()},
    }


_HOSTED = refused("kept whole for its own vendor")
_OFFERED = passed("other providers are not offered it; refused where it has to be called")
_HOSTED_ITEMS = (
    "apply_patch_call",
    "apply_patch_call_output",
    "code_interpreter_call",
    "compaction",
    "compaction_trigger",
    "computer_call",
    "computer_call_output",
    "configuration_update",
    "file_search_call",
    "image_generation_call",
    "item_reference",
    "local_shell_call",
    "local_shell_call_output",
    "mcp_approval_request",
    "mcp_approval_response",
    "mcp_call",
    "mcp_list_tools",
    "program",
    "program_output",
    "shell_call",
    "shell_call_output",
    "tool_search_call",
    "tool_search_output",
    "web_search_call",
)
_HOSTED_TOOLS = (
    "apply_patch",
    "code_interpreter",
    "computer",
    "computer_use_preview",
    "file_search",
    "image_generation",
    "local_shell",
    "mcp",
    "programmatic_tool_calling",
    "shell",
    "tool_search",
    "web_search",
    "web_search_2025_08_26",
    "web_search_preview",
    "web_search_preview_2025_03_11",
)
_HOSTED_CHOICES = (
    "apply_patch",
    "code_interpreter",
    "computer",
    "computer_use",
    "computer_use_preview",
    "file_search",
    "image_generation",
    "mcp",
    "programmatic_tool_calling",
    "shell",
    "web_search_preview",
    "web_search_preview_2025_03_11",
)
_CALLER = mapped("messages", "the model itself; another caller is dropped")
_MARK = mapped("cache", "30m and 12h count as 1h elsewhere")
_CALL = {
    "call_id": mapped("tool_call"),
    "name": mapped("tool_call"),
    "namespace": mapped("tool_call", "joined with the name"),
    "caller": _CALLER,
    "async": dropped(),
}


def _content(base: str) -> dict[str, RequestField]:
    return {
        f"{base}[input_text].type": mapped("text"),
        f"{base}[input_text].text": mapped("text"),
        f"{base}[input_text].prompt_cache_breakpoint": _MARK,
        f"{base}[input_image].type": mapped("image"),
        f"{base}[input_image].image_url": mapped("image.url", "or image.data"),
        f"{base}[input_image].file_id": mapped("image.file_id"),
        f"{base}[input_image].detail": mapped("image.detail"),
        f"{base}[input_image].prompt_cache_breakpoint": _MARK,
        f"{base}[input_file].type": mapped("document"),
        f"{base}[input_file].file_data": mapped("document.data"),
        f"{base}[input_file].file_url": mapped("document.url"),
        f"{base}[input_file].file_id": mapped("document.file_id"),
        f"{base}[input_file].filename": mapped("document.name"),
        f"{base}[input_file].detail": dropped(),
        f"{base}[input_file].prompt_cache_breakpoint": _MARK,
    }


def _tool_fields(base: str) -> dict[str, RequestField]:
    own = dropped("of tool search and programs")
    shared = {"allowed_callers": own, "defer_loading": own, "async": own}
    function = {
        "type": mapped("tools.function"),
        "name": mapped("tools.function"),
        "description": mapped("tools.function"),
        "parameters": mapped("tools.function"),
        "strict": mapped("tools.strict"),
        "output_schema": dropped(),
        **shared,
    }
    custom = {
        "type": mapped("tools.custom"),
        "name": mapped("tools.custom"),
        "description": mapped("tools.custom"),
        "format": mapped("tools.custom", "a grammar becomes part of the description elsewhere"),
        **shared,
    }
    inner = f"{base}[namespace].tools"
    return {
        base: mapped("tools"),
        f"{base}[namespace].type": mapped("tools"),
        f"{base}[namespace].name": mapped("tools", "joined with the names of its tools"),
        f"{base}[namespace].description": dropped(),
        inner: mapped("tools"),
        **{f"{base}[function].{name}": field for name, field in function.items()},
        **{f"{base}[custom].{name}": field for name, field in custom.items()},
        **{f"{inner}[function].{name}": field for name, field in function.items()},
        **{f"{inner}[custom].{name}": field for name, field in custom.items()},
        **dict.fromkeys((f"{base}[{kind}]" for kind in _HOSTED_TOOLS), _OFFERED),
    }


REQUEST_FIELDS: RequestFields = {
    "model": mapped("model"),
    "stream": mapped("stream"),
    "instructions": mapped("system"),
    "input": mapped("messages"),
    **_item(
        "message",
        role=mapped("messages", "developer counts as system"),
        content=mapped("messages"),
        phase=dropped("of an assistant's message: comment or final answer"),
    ),
    **_content("input[message].content"),
    "input[message].content[output_text].type": mapped("text"),
    "input[message].content[output_text].text": mapped("text"),
    "input[message].content[output_text].annotations": mapped("text.citations"),
    "input[message].content[output_text].logprobs": dropped(),
    "input[message].content[refusal].type": mapped("refusal"),
    "input[message].content[refusal].refusal": mapped("refusal"),
    **_item(
        "reasoning",
        summary=mapped("thinking.text"),
        content=mapped("thinking.text", "if there is no summary"),
        encrypted_content=mapped("thinking.state"),
    ),
    **_item("function_call", arguments=mapped("tool_call"), **_CALL),
    **_item("custom_tool_call", input=mapped("tool_call.custom"), **_CALL),
    **_item(
        "function_call_output",
        call_id=mapped("tool_result"),
        output=mapped("tool_result"),
        name=mapped("tool_result"),
        namespace=mapped("tool_result"),
        caller=_CALLER,
    ),
    **_content("input[function_call_output].output"),
    **_item(
        "custom_tool_call_output",
        call_id=mapped("tool_result"),
        output=mapped("tool_result.custom"),
        caller=_CALLER,
    ),
    **_content("input[custom_tool_call_output].output"),
    **_item("additional_tools", role=mapped("tools"), tools=mapped("tools")),
    **_tool_fields("input[additional_tools].tools"),
    **dict.fromkeys((f"input[{kind}]" for kind in _HOSTED_ITEMS), _HOSTED),
    **_tool_fields("tools"),
    "tool_choice": mapped("tool_choice"),
    "tool_choice[function]": mapped("tool_choice.named"),
    "tool_choice[custom]": mapped("tool_choice.named"),
    "tool_choice[allowed_tools]": mapped("tool_choice.allowed", "with functions and custom tools"),
    **dict.fromkeys(
        (f"tool_choice[{kind}]" for kind in _HOSTED_CHOICES),
        refused("beside tools the vendor runs"),
    ),
    "parallel_tool_calls": mapped("parallel_tool_calls"),
    "max_output_tokens": mapped("max_output_tokens"),
    "temperature": mapped("sampling.temperature"),
    "top_p": mapped("sampling.top_p"),
    "top_logprobs": mapped("sampling.top_logprobs"),
    "text": mapped("response_format"),
    "text.verbosity": mapped("verbosity"),
    "text.format": mapped("response_format"),
    "text.format[text]": mapped("response_format.text"),
    "text.format[json_object]": mapped("response_format.json_object"),
    "text.format[json_schema]": mapped("response_format.json_schema"),
    "reasoning": mapped("reasoning"),
    "reasoning.effort": mapped("reasoning.effort"),
    "reasoning.summary": mapped("reasoning.summary"),
    "reasoning.generate_summary": mapped("reasoning.summary"),
    "reasoning.context": dropped(),
    "reasoning.mode": dropped(),
    "include": mapped("sampling.logprobs", "encrypted reasoning always comes; the rest is passed"),
    "metadata": mapped("metadata"),
    "safety_identifier": mapped("end_user"),
    "user": mapped("end_user", "unless safety_identifier is given"),
    "service_tier": mapped("service_tier"),
    "prompt_cache_key": mapped("cache_key"),
    "store": mapped("store"),
    "previous_response_id": mapped("previous_response_id"),
    "background": refused("when true"),
    "conversation": refused(),
    "prompt": refused(),
    "background_options": passed(),
    "access_programs": passed(),
    "context_management": passed(),
    "image": passed(),
    "max_tool_calls": passed(),
    "moderation": passed(),
    "prompt_cache_options": passed(),
    "prompt_cache_retention": passed(),
    "stream_options": passed(),
    "truncation": passed("`disabled` goes without saying"),
}
