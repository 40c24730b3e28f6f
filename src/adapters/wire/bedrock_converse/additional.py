"""`additionalModelRequestFields`: what vendors' families of models take beyond Converse, both ways.

Read by the names alone, since the id of a model may be an alias of the gateway's. Claude's
(https://docs.claude.com/en/api/messages) are `thinking`, `output_config`, `top_k`, `tool_choice`;
Nova's (https://docs.aws.amazon.com/nova/latest/userguide/complete-request-schema.html)
`inferenceConfig.topK` and `reasoningConfig`; gpt-oss has `reasoning_effort`. What is left over is
kept as an extension for Bedrock itself.
"""

from msgspec import Struct, structs

from adapters.wire.bedrock_converse.models import BedrockModel, Family
from adapters.wire.reading import JsonObject, Members
from adapters.wire.thinking_levels import effort_of
from domain.inference.request import Effort, Reasoning

NAME = "additionalModelRequestFields"
_CLAUDE_EFFORTS = frozenset({Effort.LOW, Effort.MEDIUM, Effort.HIGH, Effort.XHIGH, Effort.MAX})
_FEWER_EFFORTS = {
    Effort.MINIMAL: Effort.LOW,
    Effort.XHIGH: Effort.HIGH,
    Effort.MAX: Effort.HIGH,
}
_SHOWN = {"summarized": True, "omitted": False}


class Additional(Struct):
    """What was found.

    Attributes:
        parallel: whether calls may be parallel, if said.
        none: no tool may be called (Claude's `tool_choice.type: none`).
        left: members without a canonical place.
    """

    reasoning: Reasoning | None = None
    top_k: int | None = None
    parallel: bool | None = None
    none: bool = False
    left: JsonObject = {}


def read_additional(fields: Members) -> Additional:
    """Take what is known out of the member.

    Raises:
        InvalidRequest: one of them has the wrong type.
    """
    found = Additional(top_k=fields.integer("top_k"))
    left: JsonObject = {}
    _read_thinking(fields, found, left)
    _read_effort(fields, found, left, "output_config", "effort")
    _read_effort(fields, found, left, None, "reasoning_effort")
    _read_nova(fields, found, left)
    _read_choice(fields, found, left)
    found.left = left | fields.rest()
    return found


def _read_thinking(fields: Members, found: Additional, left: JsonObject) -> None:
    raw = fields.any("thinking")
    if raw is None:
        return
    members = Members(raw, fields.name("thinking"), [])
    kind = members.text("type")
    display = members.text("display")
    show = _SHOWN.get(display) if display is not None else None
    budget = members.integer("budget_tokens")
    known = kind in ("enabled", "adaptive", "disabled") and not members.rest()
    if not known or (display is not None and show is None):
        left["thinking"] = raw
    elif kind == "disabled":
        found.reasoning = Reasoning(enabled=False)
    else:
        adaptive = kind == "adaptive"
        found.reasoning = Reasoning(
            enabled=True, adaptive=adaptive, budget_tokens=budget, show=show
        )


def _read_effort(
    fields: Members, found: Additional, left: JsonObject, inside: str | None, name: str
) -> None:
    members = fields if inside is None else fields.members(inside)
    if members is None:
        return
    value = members.text(name)
    if value in set(Effort):
        found.reasoning = structs.replace(found.reasoning or Reasoning(), effort=Effort(value))
    if inside is not None:
        rest = members.rest() | ({} if value is None or value in set(Effort) else {name: value})
        if rest:
            left[inside] = rest
    elif value is not None and value not in set(Effort):
        left[name] = value


def _read_nova(fields: Members, found: Additional, left: JsonObject) -> None:
    config = fields.members("inferenceConfig")
    if config is not None:
        top_k = config.integer("topK")
        found.top_k = found.top_k if top_k is None else top_k
        rest = config.rest()
        if rest:
            left["inferenceConfig"] = rest
    raw = fields.any("reasoningConfig")
    if raw is None:
        return
    members = Members(raw, fields.name("reasoningConfig"), [])
    kind = members.text("type")
    effort = members.text("maxReasoningEffort")
    if kind == "disabled" and effort is None and not members.rest():
        found.reasoning = Reasoning(enabled=False)
    elif kind == "enabled" and effort in set(Effort) and not members.rest():
        found.reasoning = Reasoning(enabled=True, effort=Effort(effort or ""))
    else:
        left["reasoningConfig"] = raw


def _read_choice(fields: Members, found: Additional, left: JsonObject) -> None:
    raw = fields.any("tool_choice")
    if raw is None:
        return
    members = Members(raw, fields.name("tool_choice"), [])
    kind = members.text("type")
    serial = members.flag("disable_parallel_tool_use")
    if kind not in ("auto", "none", None) or members.rest():
        left["tool_choice"] = raw
        return
    found.none = kind == "none"
    found.parallel = None if serial is None else not serial


def write_effort(wish: Reasoning, model: BedrockModel) -> JsonObject | None:
    """Return the members that make a model other than a Claude think; None if it has none."""
    if model.family not in (Family.NOVA, Family.GPT):
        return None
    off = wish.enabled is False or wish.effort is Effort.NONE or wish.budget_tokens == 0
    effort = wish.effort or effort_of(wish.budget_tokens or 0)
    if effort is Effort.NONE:
        effort = Effort.MEDIUM
    effort = _FEWER_EFFORTS.get(effort, effort)
    if model.family is Family.GPT:
        return {"reasoning_effort": "low" if off else effort.value}
    if off:
        return {"reasoningConfig": {"type": "disabled"}}
    return {"reasoningConfig": {"type": "enabled", "maxReasoningEffort": effort.value}}


def write_top_k(top_k: int, model: BedrockModel) -> JsonObject | None:
    """Return the member that a family has for it; None if it has none that is known."""
    if model.family is Family.NOVA:
        return {"inferenceConfig": {"topK": top_k}}
    return {"top_k": top_k} if model.is_claude else None
