"""Tools that a provider runs itself, in requests that go to another vendor's provider.

Some clients offer them to every model they are given: Codex its search of the web. A model can do
without a tool it may call, and the client is told so; a tool that must be called is what the request
is about, and nothing is put in its place.
"""

from collections.abc import Iterator

from msgspec import structs

from domain.inference.dialect import WireFormat
from domain.inference.request import InferenceRequest, Tool, VendorTool

_CHOICE = "tool_choice"
"""Extension that holds a choice among tools of one vendor's kind (OpenAI Responses)."""

_INDISPENSABLE = frozenset(
    {
        # The conversation must not go where the guardrail is not.
        (WireFormat.BEDROCK_CONVERSE, "guardrailConfig"),
        # A model that searches does so for every answer, chosen or not.
        (WireFormat.OPENAI_CHAT, "web_search_options"),
    }
)


def dispensable_tools(request: InferenceRequest, target: WireFormat) -> Iterator[VendorTool]:
    """Yield the tools of vendors other than `target`, unless one of them has to be called."""
    foreign = [
        tool for tool in request.tools if isinstance(tool, VendorTool) and tool.origin is not target
    ]
    if foreign and not _is_forced(request):
        yield from (tool for tool in foreign if (tool.origin, tool.kind) not in _INDISPENSABLE)


def without_foreign_tools(request: InferenceRequest, target: WireFormat) -> InferenceRequest:
    """Return `request` as `target` is offered it; without tools there is no choice among them."""
    kept = tuple(tool for tool in request.tools if not _is_foreign(tool, target))
    if len(kept) == len(request.tools):
        return request
    if kept:
        return structs.replace(request, tools=kept)
    return structs.replace(request, tools=(), tool_choice=None, parallel_tool_calls=None)


def _is_foreign(tool: Tool, target: WireFormat) -> bool:
    return isinstance(tool, VendorTool) and tool.origin is not target


def _is_forced(request: InferenceRequest) -> bool:
    """Tell whether a call must be made that only a foreign tool can answer."""
    if _CHOICE in request.extensions:
        return True
    choice = request.tool_choice
    if choice is None or choice.mode in {"auto", "none"}:
        return False
    kept = {tool.name for tool in request.tools if not isinstance(tool, VendorTool)}
    if choice.mode == "named":
        return choice.name not in kept
    return not (kept & set(choice.allowed) if choice.allowed else kept)
