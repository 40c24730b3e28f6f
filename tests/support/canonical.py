"""Hypothesis strategies for canonical requests, replies and event sequences.

`Reach` says what a format can carry. Within it everything generated is in the form in which a
decoder leaves it, so that a codec's round trip can be compared with `==`:

* system texts lead (unless `system` allows more), the user begins, user and assistant take turns;
* an assistant's turn is thinking, then text, then calls (`ordered`), and the next turn answers
  every call, in their order, in a message of results only (`results_alone`);
* nothing is empty: texts, media and lists of parts have something in them.
"""

import base64
import string
from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any, TypeVar

import msgspec
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

from domain.accounting.usage import TokenUsage
from domain.inference.conversation import (
    AudioPart,
    CacheMark,
    Citation,
    DocumentPart,
    ImagePart,
    Media,
    Message,
    OpaqueState,
    Part,
    RefusalPart,
    Role,
    TextPart,
    ThinkingPart,
    ToolCallPart,
    ToolResultPart,
    VideoPart,
)
from domain.inference.request import (
    CustomTool,
    FunctionTool,
    InferenceRequest,
    Reasoning,
    ResponseFormat,
    Sampling,
    Tool,
    ToolChoice,
)
from domain.inference.response import Candidate, FinishReason, InferenceResponse
from tests.support.reach import Reach

_T = TypeVar("_T")


_WORD = string.ascii_letters + string.digits
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=10)
NAMES = st.builds(str.__add__, st.sampled_from("abcXYZ"), st.text("abcdXYZ0189_", max_size=5))
BASE64 = st.binary(min_size=1, max_size=10).map(lambda data: base64.b64encode(data).decode())
STATES = st.text(_WORD + "+/=", min_size=1, max_size=20)
URLS = st.text(_WORD + "_.-", min_size=1, max_size=6).map("https://media.example/{}".format)
JSON_VALUES: SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | TEXTS
    | st.sampled_from([0.5, -1.25]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(TEXTS, inner, max_size=2),
    max_leaves=3,
)
JSON_OBJECTS: SearchStrategy[dict[str, object]] = st.dictionaries(TEXTS, JSON_VALUES, max_size=2)
ARGUMENTS = JSON_OBJECTS.map(lambda value: msgspec.json.encode(value).decode())
"""JSON text of an object, compact, members in any order."""
SCHEMAS: SearchStrategy[dict[str, object]] = st.sampled_from(
    [
        {"type": "object", "properties": {}},
        {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
        {
            "type": "object",
            "properties": {
                "tags": {"type": "array", "items": {"type": "string", "enum": ["a", "b"]}},
                "depth": {"type": "integer", "description": "How deep."},
            },
            "required": ["tags", "depth"],
            "additionalProperties": False,
        },
    ]
)
DECIMALS = st.integers(0, 10).map(lambda tenths: tenths / 10)


def _maybe(wanted: bool, strategy: SearchStrategy[_T]) -> SearchStrategy[_T | None]:
    return st.none() | strategy if wanted else st.none()


def media(reach: Reach, kind: str, types: Iterable[str]) -> SearchStrategy[Media] | None:
    """Return the places of one kind of media within reach; None when there is none."""
    places: list[SearchStrategy[Media]] = []
    if reach.has(f"{kind}.data"):
        places.append(st.builds(Media, media_type=st.sampled_from(sorted(types)), data=BASE64))
    if reach.has(f"{kind}.url"):
        places.append(st.builds(Media, url=URLS))
    if reach.has(f"{kind}.file_id"):
        places.append(st.builds(Media, file_id=NAMES.map("file-{}".format)))
    return st.one_of(places) if places else None


@cache
def cache_marks(reach: Reach) -> SearchStrategy[CacheMark | None]:
    """Return cache marks, mostly none."""
    marks = st.builds(CacheMark, ttl=st.sampled_from(reach.ttls))
    return _maybe(reach.has("cache"), marks)


def citations(text: str) -> SearchStrategy[tuple[Citation, ...]]:
    """Return citations of URLs within `text`, each with its place."""
    one = st.builds(
        Citation, url=URLS, title=TEXTS, start=st.just(0), end=st.integers(0, len(text))
    )
    return st.lists(one, max_size=2).map(tuple)


@cache
def images(reach: Reach) -> SearchStrategy[ImagePart] | None:
    """Return images within reach, if any."""
    source = media(reach, "image", reach.image_types)
    if source is None:
        return None
    detail = _maybe(reach.has("image.detail"), st.sampled_from(reach.details))
    return st.builds(ImagePart, source=source, detail=detail, cache=cache_marks(reach))


@cache
def documents(reach: Reach) -> SearchStrategy[DocumentPart] | None:
    """Return documents within reach, if any."""
    source = media(reach, "document", reach.document_types)
    if source is None:
        return None
    return st.builds(
        DocumentPart,
        source=source,
        name=NAMES if reach.has("document.name") else st.just(""),
        context=st.just("") | TEXTS if reach.has("document.context") else st.just(""),
        cite=st.booleans() if reach.has("document.cite") else st.just(value=False),
        cache=cache_marks(reach),
    )


@cache
def user_parts(reach: Reach) -> SearchStrategy[Part]:
    """Return what a user may say or show, results of tools aside."""
    kinds: list[SearchStrategy[Any]] = [
        st.builds(TextPart, text=TEXTS, cache=cache_marks(reach)),
    ]
    kinds += [kind for kind in (images(reach), documents(reach)) if kind is not None]
    audio = media(reach, "audio", reach.audio_types)
    if audio is not None:
        kinds.append(st.builds(AudioPart, source=audio))
    video = media(reach, "video", reach.video_types)
    if video is not None:
        kinds.append(st.builds(VideoPart, source=video, cache=cache_marks(reach)))
    return st.one_of(kinds)


@cache
def thoughts(reach: Reach) -> SearchStrategy[ThinkingPart] | None:
    """Return thinking within reach, if any."""
    kinds: list[SearchStrategy[ThinkingPart]] = []
    if reach.has("thinking.text") and reach.bare_thinking:
        kinds.append(st.builds(ThinkingPart, text=TEXTS))
    if reach.has("thinking.state") and reach.state_origin is not None:
        data = st.sampled_from(reach.states) if reach.states else STATES
        state = st.builds(OpaqueState, origin=st.just(reach.state_origin), data=data)
        kinds.append(st.builds(ThinkingPart, text=TEXTS, state=state))
    return st.one_of(kinds) if kinds else None


@st.composite
def _said(draw: DrawFn, reach: Reach, *, cited: bool) -> TextPart:
    text = draw(TEXTS)
    state = None
    if reach.state_on_texts and reach.state_origin is not None and draw(st.booleans()):
        state = OpaqueState(origin=reach.state_origin, data=draw(STATES))
    return TextPart(text=text, citations=draw(citations(text)) if cited else (), state=state)


@cache
def _ids(characters: str) -> SearchStrategy[str]:
    return st.text(characters, min_size=1, max_size=8)


@st.composite
def _call(draw: DrawFn, reach: Reach, tool: CustomTool | FunctionTool) -> ToolCallPart:
    custom = isinstance(tool, CustomTool)
    state = None
    if reach.state_on_calls and reach.state_origin is not None and draw(st.booleans()):
        state = OpaqueState(origin=reach.state_origin, data=draw(STATES))
    return ToolCallPart(
        id=draw(_ids(reach.id_characters)),
        name=tool.name,
        arguments=draw(TEXTS if custom else ARGUMENTS),
        custom=custom,
        state=state,
        cache=draw(cache_marks(reach)) if reach.call_marks else None,
    )


@st.composite
def spoken(
    draw: DrawFn, reach: Reach, tools: tuple[Tool, ...], used: set[str], *, reply: bool = False
) -> tuple[Part, ...]:
    """Return the parts of one turn of an assistant: at least one text or call.

    `used` holds the ids of calls so far; those of this turn are added.
    """
    thinking = thoughts(reach)
    parts: list[Part] = draw(st.lists(thinking, max_size=1)) if thinking is not None else []
    callable_ = [tool for tool in tools if isinstance(tool, FunctionTool | CustomTool)]
    calls: list[Part] = []
    for _ in range(draw(st.integers(0, 2)) if callable_ else 0):
        call = draw(_call(reach, draw(st.sampled_from(callable_))))
        if call.id not in used:
            used.add(call.id)
            calls.append(call)
    least = 0 if calls else 1
    cited = reply and reach.url_citations
    texts: list[Part] = draw(
        st.lists(_said(reach, cited=cited), min_size=least, max_size=1 if reply else 2)
    )
    refused: list[Part] = []
    if reach.has("refusal") and reach.refusals and not calls and draw(st.booleans()):
        refused = [RefusalPart(text=draw(TEXTS))]
    parts += texts + refused + calls
    return tuple(parts if reach.ordered else draw(st.permutations(parts)))


@st.composite
def _result(draw: DrawFn, reach: Reach, call: ToolCallPart) -> ToolResultPart:
    structured = reach.structured_results and draw(st.booleans())
    content: tuple[Any, ...]
    if structured:
        content = (TextPart(text=draw(ARGUMENTS)),)
    else:
        kinds: list[SearchStrategy[Any]] = [st.builds(TextPart, text=TEXTS)]
        image = images(reach) if reach.has("tool_result.image") else None
        document = documents(reach) if reach.has("tool_result.document") else None
        kinds += [kind for kind in (image, document) if kind is not None]
        content = tuple(draw(st.lists(st.one_of(kinds), min_size=1, max_size=2)))
    return ToolResultPart(
        call_id=call.id,
        content=content,
        name=call.name if reach.result_names else "",
        is_error=draw(st.booleans()) if reach.has("tool_result.is_error") else False,
        structured=structured,
        custom=call.custom,
        cache=draw(cache_marks(reach)) if reach.call_marks else None,
    )


@st.composite
def tool_lists(draw: DrawFn, reach: Reach) -> tuple[Tool, ...]:
    """Return tools of different names."""
    if not reach.has("tools.function"):
        return ()
    tools: list[Tool] = []
    for name in draw(st.lists(NAMES, max_size=2, unique_by=str.lower)):
        description = draw(st.none() | TEXTS)
        if reach.has("tools.custom") and reach.has("tool_call.custom") and draw(st.booleans()):
            tools.append(CustomTool(name=name, description=description))
            continue
        tools.append(
            FunctionTool(
                name=name,
                description=description,
                parameters=draw(SCHEMAS),
                strict=draw(st.sampled_from(reach.strict_tools))
                if reach.has("tools.strict")
                else None,
                cache=draw(cache_marks(reach)) if reach.call_marks else None,
            )
        )
    return tuple(tools)


@st.composite
def conversations(draw: DrawFn, reach: Reach, tools: tuple[Tool, ...]) -> tuple[Message, ...]:
    """Return messages in the form described above, the last one the user's."""
    messages: list[Message] = []
    if reach.has("system"):
        most = 1 if reach.system == "one" else 2
        messages += draw(st.lists(_system(reach), max_size=most))
    used: set[str] = set()
    for _ in range(draw(st.integers(0, 2))):
        messages.append(draw(_user(reach)))
        if reach.system == "anywhere" and reach.has("system") and draw(st.booleans()):
            messages.append(draw(_system(reach)))
        while True:
            parts = draw(spoken(reach, tools if reach.has("tool_call") else (), used))
            messages.append(Message(role=Role.ASSISTANT, parts=parts))
            calls = [part for part in parts if isinstance(part, ToolCallPart)]
            if not calls:
                break
            results: list[Part] = [draw(_result(reach, call)) for call in calls]
            if not reach.results_alone:
                results += draw(st.lists(user_parts(reach), max_size=1))
            messages.append(Message(role=Role.USER, parts=tuple(results)))
    if not messages or messages[-1].role is not Role.USER:
        messages.append(draw(_user(reach)))
    return tuple(messages)


@cache
def _name(reach: Reach) -> SearchStrategy[str]:
    return st.just("") | NAMES if reach.has("message.name") else st.just("")


@cache
def _system(reach: Reach) -> SearchStrategy[Message]:
    text = st.builds(TextPart, text=TEXTS, cache=cache_marks(reach))
    return st.builds(
        Message,
        role=st.just(Role.SYSTEM),
        parts=st.lists(text, min_size=1, max_size=reach.system_texts).map(tuple),
        name=_name(reach),
    )


@cache
def _user(reach: Reach) -> SearchStrategy[Message]:
    return st.builds(
        Message,
        role=st.just(Role.USER),
        parts=st.lists(user_parts(reach), min_size=1, max_size=2).map(tuple),
        name=_name(reach),
    )


@cache
def samplings(reach: Reach) -> SearchStrategy[Sampling]:
    """Return sampling parameters within reach."""
    values: dict[str, SearchStrategy[Any]] = {
        "temperature": DECIMALS,
        "top_p": DECIMALS,
        "top_k": st.integers(1, 100),
        "seed": st.integers(0, 2**31 - 1),
        "frequency_penalty": DECIMALS,
        "presence_penalty": DECIMALS,
        "logit_bias": st.dictionaries(st.sampled_from("123"), st.integers(-100, 100), min_size=1),
        "logprobs": st.just(value=True),
        "top_logprobs": st.integers(1, 5),
    }
    given_ = {
        name: st.none() | value for name, value in values.items() if reach.has(f"sampling.{name}")
    }
    return st.builds(Sampling, **given_)


def tool_choices(reach: Reach, tools: tuple[Tool, ...]) -> SearchStrategy[ToolChoice | None]:
    """Return choices that fit `tools`; only None without tools."""
    names = [tool.name for tool in tools if isinstance(tool, FunctionTool)]
    if not names:
        return st.none()
    plain = (ToolChoice(mode="auto"), ToolChoice(mode="none"), ToolChoice(mode="required"))
    kinds: list[SearchStrategy[ToolChoice]] = [
        st.just(choice) for choice in plain if reach.has(f"tool_choice.{choice.mode}")
    ]
    if reach.has("tool_choice.named"):
        kinds.append(st.sampled_from(names).map(lambda name: ToolChoice(mode="named", name=name)))
    if reach.has("tool_choice.allowed"):
        kinds.append(
            st.builds(
                ToolChoice,
                mode=st.sampled_from(["auto", "required"]),
                allowed=st.lists(st.sampled_from(names), min_size=1, unique=True).map(tuple),
            )
        )
    return st.none() | st.one_of(kinds) if kinds else st.none()


@cache
def response_formats(reach: Reach) -> SearchStrategy[ResponseFormat | None]:
    """Return shapes of answers within reach."""
    plain = (ResponseFormat(kind="text"), ResponseFormat(kind="json_object"))
    kinds: list[SearchStrategy[ResponseFormat]] = [
        st.just(shape) for shape in plain if reach.has(f"response_format.{shape.kind}")
    ]
    if reach.has("response_format.json_schema"):
        kinds.append(
            st.builds(
                ResponseFormat,
                kind=st.just("json_schema"),
                name=NAMES,
                schema=SCHEMAS,
                strict=st.sampled_from([None, True]),
            )
        )
    return st.none() | st.one_of(kinds) if kinds else st.none()


@cache
def reasonings(reach: Reach) -> SearchStrategy[Reasoning | None]:
    """Return an effort or a budget, whichever is within reach."""
    kinds: list[SearchStrategy[Reasoning]] = []
    if reach.has("reasoning.effort"):
        kinds.append(st.builds(Reasoning, effort=st.sampled_from(reach.efforts)))
    elif reach.has("reasoning.budget_tokens"):
        kinds.append(
            st.builds(Reasoning, enabled=st.just(value=True), budget_tokens=st.integers(1024, 9999))
        )
    return st.none() | st.one_of(kinds) if kinds else st.none()


@st.composite
def requests(
    draw: DrawFn,
    reach: Reach,
    *,
    reasoning: SearchStrategy[Reasoning | None] | None = None,
    changes: Mapping[str, SearchStrategy[Any]] | None = None,
) -> InferenceRequest:
    """Return requests that use only what is within `reach`.

    `reasoning` and `changes` (by attribute) replace what would be generated.
    """
    tools = draw(tool_lists(reach))

    def maybe(field: str, strategy: SearchStrategy[_T]) -> _T | None:
        return draw(_maybe(reach.has(field), strategy))

    tags = st.dictionaries(NAMES, TEXTS, max_size=2)
    members: dict[str, Any] = {
        "messages": draw(conversations(reach, tools)),
        "stream": draw(st.booleans()),
        "tools": tools,
        "tool_choice": draw(tool_choices(reach, tools)),
        "parallel_tool_calls": maybe("parallel_tool_calls", st.booleans()) if tools else None,
        "max_output_tokens": maybe("max_output_tokens", st.integers(1, 100_000)),
        "sampling": draw(samplings(reach)),
        "stop": tuple(maybe("stop", st.lists(TEXTS, max_size=4, unique=True)) or ()),
        "candidates": maybe("candidates", st.integers(1, 3)) or 1,
        "response_format": draw(response_formats(reach)),
        "reasoning": draw(reasoning if reasoning is not None else reasonings(reach)),
        "verbosity": maybe("verbosity", st.sampled_from(reach.verbosities)),
        "end_user": maybe("end_user", NAMES),
        "metadata": maybe("metadata", tags) or {},
        "service_tier": maybe("service_tier", st.sampled_from(reach.service_tiers)),
        "cache": maybe("cache.automatic", st.builds(CacheMark, ttl=st.sampled_from(reach.ttls))),
        "cache_key": maybe("cache_key", NAMES),
        "modalities": maybe("modalities", st.sampled_from(reach.modalities)) or (),
        "audio": maybe("audio", st.just({"voice": "alloy", "format": "mp3"})),
        "store": maybe("store", st.booleans()),
        "previous_response_id": maybe("previous_response_id", NAMES.map("resp_{}".format)),
    }
    members |= {name: draw(strategy) for name, strategy in (changes or {}).items()}
    return InferenceRequest(source=reach.source, model=draw(NAMES), **members)


@cache
def usages(reach: Reach) -> SearchStrategy[TokenUsage]:
    """Return counts of the kinds within reach; input and output are never both nothing."""
    counts: dict[str, SearchStrategy[Any]] = {
        kind: st.integers(0, 1000) for kind in reach.usage_kinds
    }
    return st.builds(TokenUsage, **(counts | {"input_uncached": st.integers(1, 1000)}))


@st.composite
def replies(draw: DrawFn, reach: Reach) -> InferenceResponse:
    """Return whole answers within `reach`; a candidate with calls finishes with `TOOL_CALLS`."""
    tools = draw(tool_lists(reach))
    candidates: list[Candidate] = []
    for _ in range(draw(st.integers(1, reach.most_candidates))):
        parts = draw(spoken(reach, tools, set(), reply=True))
        called = any(isinstance(part, ToolCallPart) for part in parts)
        finish = FinishReason.TOOL_CALLS if called else draw(st.sampled_from(reach.finishes))
        candidates.append(Candidate(parts=parts, finish=finish))
    return InferenceResponse(
        id=draw(NAMES),
        model=draw(NAMES),
        candidates=tuple(candidates),
        usage=draw(st.none() | usages(reach)),
        created_s=draw(st.integers(1_600_000_000, 2_000_000_000)),
    )
