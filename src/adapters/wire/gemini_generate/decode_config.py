"""Reading `generationConfig`.

https://ai.google.dev/api/generate-content#generationconfig
"""

from typing import cast

from msgspec import Struct

from adapters.wire.gemini_generate.json_schema import to_json_schema
from adapters.wire.gemini_generate.reading import SpelledMembers
from adapters.wire.reading import JsonObject
from domain.errors import InvalidRequest
from domain.inference.request import Effort, Reasoning, ResponseFormat, Sampling

_JSON = "application/json"
_TEXT = "text/plain"
_AUTOMATIC = -1
_UNSPECIFIED = "THINKING_LEVEL_UNSPECIFIED"


class Config(Struct, frozen=True, kw_only=True):
    """What `generationConfig` says, in canonical terms."""

    candidates: int = 1
    max_output_tokens: int | None = None
    sampling: Sampling = Sampling()
    stop: tuple[str, ...] = ()
    response_format: ResponseFormat | None = None
    reasoning: Reasoning | None = None
    modalities: tuple[str, ...] = ()
    rest: JsonObject = {}
    """What has no canonical place, by the names the client gives it."""


def read_config(members: SpelledMembers | None) -> Config:
    """Return the configuration; the default when there is none.

    Raises:
        InvalidRequest: a member is of the wrong type, or contradicts another.
    """
    if members is None:
        return Config()
    sampling = Sampling(
        temperature=members.number("temperature"),
        top_p=members.number("topP"),
        top_k=members.integer("topK"),
        seed=members.integer("seed"),
        frequency_penalty=members.number("frequencyPenalty"),
        presence_penalty=members.number("presencePenalty"),
        logprobs=members.flag("responseLogprobs"),
        top_logprobs=members.integer("logprobs"),
    )
    bound = members.integer("maxOutputTokens")
    return Config(
        candidates=members.integer("candidateCount") or 1,
        max_output_tokens=bound if bound is not None and bound > 0 else None,
        sampling=sampling,
        stop=members.texts("stopSequences"),
        response_format=_read_format(members),
        reasoning=_read_thinking(members.members("thinkingConfig")),
        modalities=tuple(
            modality.lower()
            for modality in members.texts("responseModalities")
            if modality != "MODALITY_UNSPECIFIED"
        ),
        rest=members.rest(),
    )


def _read_format(members: SpelledMembers) -> ResponseFormat | None:
    media_type = members.text("responseMimeType")
    schema = members.object("responseSchema")
    given: list[JsonObject] = [] if schema is None else [to_json_schema(schema)]
    # With the underscore it is an older name of the same member.
    for name in ("responseJsonSchema", "_responseJsonSchema"):
        json_schema = members.any(name)
        if isinstance(json_schema, dict):
            given.append(cast("JsonObject", json_schema))
    for entry in members.objects("responseFormat"):
        text = entry.members("text")
        if text is not None:
            media_type = text.text("mimeType") or media_type
            inner = text.object("schema")
            given += [] if inner is None else [inner]
            text.done()
        entry.done()
    if len(given) > 1:
        raise InvalidRequest(
            "The schema of the answer is given more than once.",
            param=members.name("responseJsonSchema"),
        )
    if media_type not in (None, "", _JSON, _TEXT):
        members.note_value("responseMimeType", media_type)
    if given:
        return ResponseFormat(kind="json_schema", schema=given[0])
    match media_type:
        case "application/json":
            return ResponseFormat(kind="json_object")
        case "text/plain":
            return ResponseFormat(kind="text")
        case _:
            return None


def _read_thinking(members: SpelledMembers | None) -> Reasoning | None:
    if members is None:
        return None
    show = members.flag("includeThoughts")
    budget = members.integer("thinkingBudget")
    level = members.text("thinkingLevel")
    effort = None
    if level is not None and level.upper() != _UNSPECIFIED:
        try:
            effort = Effort(level.lower())
        except ValueError:
            raise InvalidRequest(
                f"The field '{members.name('thinkingLevel')}' has the unknown value "
                f"'{level[:64]}'.",
                param=members.name("thinkingLevel"),
            ) from None
    members.done()
    return Reasoning(
        enabled=False if budget == 0 else None,
        effort=effort,
        budget_tokens=budget if budget is not None and budget > 0 else None,
        adaptive=budget == _AUTOMATIC,
        show=show,
    )
