"""Names of tools: namespaces made flat for everybody else, and found again for this format.

A function `lookup` in the namespace `crm` is `crm__lookup` to other formats. Ids of items are made
from the id of their answer and their place in it.
"""

import hashlib
import re

from msgspec import Struct

from domain.inference.request import CustomTool, InferenceRequest, Tool, VendorTool

_JOINER = "__"
_RESPONSE = "resp_"
_UNFIT = re.compile(r"[^A-Za-z0-9_-]")
# https://platform.openai.com/docs/api-reference/responses/create: lengths of ids in requests.
_LONGEST_CALL_ID = 64
_LONGEST_STEM = 48
_LONGEST_IDENTIFIER = 64


class ToolName(Struct, frozen=True, gc=False):
    """A tool as this format names it."""

    name: str
    namespace: str = ""
    custom: bool = False


class ToolNames:
    """The tools of a request, by the names that calls have in the canonical model."""

    def __init__(self, tools: tuple[Tool, ...]) -> None:
        """`tools` are those of the request."""
        self._known = {
            tool.name: ToolName(
                bare_name(tool.name, tool.namespace), tool.namespace, isinstance(tool, CustomTool)
            )
            for tool in tools
            if not isinstance(tool, VendorTool)
        }

    def of(self, name: str) -> ToolName:
        """Return how this format names the tool `name`; itself when the request has no such."""
        return self._known.get(name) or ToolName(name)


def flat_name(name: str, namespace: str) -> str:
    """Return the one name of a tool in a namespace."""
    if not namespace:
        return name
    return f"{namespace}{'' if namespace.endswith(_JOINER) else _JOINER}{name}"


def bare_name(flat: str, namespace: str) -> str:
    """Return the name inside `namespace`; the reverse of `flat_name`."""
    return flat.removeprefix(flat_name("", namespace)) if namespace else flat


def response_id(identifier: str) -> str:
    """Return an id of an answer in this format's shape."""
    return identifier if identifier.startswith(_RESPONSE) else _RESPONSE + identifier


def item_id(prefix: str, response: str, place: int) -> str:
    """Return the id of the item at `place` in the output of `response`.

    The vendor checks prefix and length when an item comes back to it.
    """
    stem = _UNFIT.sub("", response.removeprefix(_RESPONSE))
    if len(stem) > _LONGEST_STEM:
        stem = hashlib.sha256(stem.encode()).hexdigest()[:_LONGEST_STEM]
    return f"{prefix}_{stem}_{place}"


def fitting_call_id(call_id: str) -> str:
    """Return an id that the vendor accepts; the same for the call and its result."""
    if len(call_id) <= _LONGEST_CALL_ID:
        return call_id
    return "call_" + hashlib.sha256(call_id.encode()).hexdigest()[:32]


def fitting_identifier(identifier: str) -> str:
    """Return an end user or a cache key within the vendor's 64 characters, hashed if it must be."""
    if len(identifier) <= _LONGEST_IDENTIFIER:
        return identifier
    return hashlib.sha256(identifier.encode()).hexdigest()


def names_of(request: InferenceRequest) -> ToolNames:
    """Return the names of a request's tools."""
    return ToolNames(request.tools)
