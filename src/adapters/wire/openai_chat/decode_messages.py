"""Reading the messages of a Chat Completions request into turns.

Results of tools, which are messages here, become parts of one user's turn; what rides on the ids of
calls (`opaque_state`) is put back into its place.
"""

from adapters.wire.opaque_state import Carried, split_id
from adapters.wire.openai_chat.decode_parts import read_content
from adapters.wire.openai_chat.reasoning import read_thinking
from adapters.wire.openai_chat.signatures import read_signature
from adapters.wire.reading import Members, missing
from adapters.wire.waiting_calls import WaitingCalls
from domain.errors import InvalidRequest
from domain.inference.conversation import (
    AudioPart,
    Citation,
    Media,
    Message,
    Part,
    RefusalPart,
    Role,
    TextPart,
    ThinkingPart,
    ToolCallPart,
    ToolResultPart,
    VendorPart,
)

_RESULT_ROLES = frozenset({"tool", "function"})


class MessageReader:
    """Reads messages one after the other; results find the calls they answer."""

    def __init__(self, unmapped: list[str]) -> None:
        """`unmapped` collects what has no place, for the whole request."""
        self._unmapped = unmapped
        self._messages: list[Message] = []
        self._results: list[Part] = []
        self._calls: dict[str, ToolCallPart] = {}
        self._waiting = WaitingCalls()
        self._made = 0

    def read(self, message: Members) -> None:
        """Take one message.

        Raises:
            InvalidRequest: a member is missing or wrong, or the role is unknown.
        """
        role = message.required_text("role")
        if role in _RESULT_ROLES:
            self._results.append(self._result(message))
            message.done()
            return
        self._end_results()
        name = message.text("name") or ""
        match role:
            case "system" | "developer":
                read = Message(role=Role.SYSTEM, parts=self._content(message), name=name)
            case "user":
                read = Message(role=Role.USER, parts=self._content(message), name=name)
            case "assistant":
                read = Message(role=Role.ASSISTANT, parts=self._assistant(message), name=name)
            case _:
                path = message.name("role")
                raise InvalidRequest(
                    f"The field '{path}' has the unknown value '{role[:64]}'.", param=path
                )
        message.done()
        self._messages.append(read)

    def finish(self) -> tuple[Message, ...]:
        """Return all turns."""
        self._end_results()
        return tuple(self._messages)

    def _end_results(self) -> None:
        if self._results:
            self._messages.append(Message(role=Role.USER, parts=tuple(self._results)))
            self._results = []

    def _content(self, message: Members) -> tuple[Part, ...]:
        return read_content(message, self._unmapped)

    def _assistant(self, message: Members) -> tuple[Part, ...]:
        self._waiting = WaitingCalls()
        parts = list(_cited(message, self._content(message)))
        refusal = message.text("refusal")
        if refusal:
            parts.append(RefusalPart(text=refusal))
        audio = message.members("audio")
        if audio is not None:
            parts.append(
                AudioPart(
                    source=Media(),
                    id=audio.required_text("id"),
                    transcript=audio.text("transcript") or "",
                )
            )
            for member in ("data", "expires_at"):  # of the answer given back as it came
                audio.any(member)
            audio.done()
        thought = _thinking(message)
        first, calls = self._calls_of(message)
        if not first and thought is not None and not any(map(_is_thought, calls)):
            # What rides on the ids is the same thought, signed.
            first = (thought,)
        return (*first, *parts, *calls)

    def _calls_of(self, message: Members) -> tuple[tuple[ThinkingPart, ...], list[Part]]:
        """Take the calls; return the thinking before the first one apart from the rest.

        It was given before any text, and providers that sign it insist on that place.
        """
        first: tuple[ThinkingPart, ...] = ()
        parts: list[Part] = []
        for entry in message.objects("tool_calls"):
            call, carried = self._call(entry)
            if parts:
                parts += carried.thinking
            else:
                first = carried.thinking
            parts.append(self._known(call))
        legacy = message.members("function_call")
        if legacy is not None:
            name = legacy.required_text("name")
            call = ToolCallPart(
                id=self._new_id(), name=name, arguments=legacy.text("arguments") or "{}"
            )
            legacy.done()
            parts.append(self._known(call))
        return first, parts

    def _call(self, entry: Members) -> tuple[ToolCallPart, Carried]:
        call_id, carried = split_id(entry.text("id") or "")
        kind = entry.text("type") or "function"
        custom = kind == "custom"
        if kind not in {"custom", "function"}:
            raise InvalidRequest(
                f"The field '{entry.name('type')}' has the unknown value '{kind[:64]}'.",
                param=entry.name("type"),
            )
        inner = entry.members(kind)
        if inner is None:
            raise missing(entry.name(kind))
        arguments = inner.text("input" if custom else "arguments") or ("" if custom else "{}")
        call = ToolCallPart(
            id=call_id or self._new_id(),
            name=inner.required_text("name"),
            arguments=arguments,
            custom=custom,
            state=carried.state or read_signature(entry.any("extra_content")),
        )
        entry.any("index")  # of streams; some clients keep it
        inner.done()
        entry.done()
        return call, carried

    def _known(self, call: ToolCallPart) -> ToolCallPart:
        self._calls[call.id] = call
        self._waiting.add(call.id, call.name)
        return call

    def _result(self, message: Members) -> ToolResultPart:
        content = self._content(message)
        name = message.text("name") or ""
        call_id, _ = split_id(message.text("tool_call_id") or "")
        answered = call_id or self._waiting.next(name) or ""
        call = self._calls.get(answered)
        self._waiting.answer(answered)
        for part in content:
            if isinstance(part, RefusalPart | ThinkingPart | VendorPart):
                path = message.name("content")
                raise InvalidRequest(
                    f"The field '{path}' has parts that a tool's result cannot have.", param=path
                )
        return ToolResultPart(
            call_id=call_id or (call.id if call is not None else self._new_id()),
            content=content,  # pyright: ignore[reportArgumentType]
            name=call.name if call is not None else name,
            custom=call is not None and call.custom,
        )

    def _new_id(self) -> str:
        """Return an id that is the same whenever the conversation is sent again."""
        while True:
            self._made += 1
            made = f"call_{self._made}"
            if made not in self._calls:
                return made


def _is_thought(part: Part) -> bool:
    return isinstance(part, ThinkingPart)


def _thinking(message: Members) -> ThinkingPart | None:
    details = [detail.rest() for detail in message.objects("reasoning_details")]
    return read_thinking(message.text("reasoning_content"), message.text("reasoning"), details)


def _cited(message: Members, parts: tuple[Part, ...]) -> tuple[Part, ...]:
    """Take `annotations`, as answers have them, onto the text they belong to."""
    citations: list[Citation] = []
    for annotation in message.objects("annotations"):
        citation = annotation.members("url_citation")
        if citation is None:
            message.note("annotations")
            continue
        citations.append(
            Citation(
                url=citation.text("url") or "",
                title=citation.text("title") or "",
                start=citation.integer("start_index"),
                end=citation.integer("end_index"),
            )
        )
    if not citations:
        return parts
    if len(parts) != 1 or not isinstance(parts[0], TextPart):
        message.note("annotations")
        return parts
    text = parts[0]
    return (TextPart(text=text.text, cache=text.cache, citations=tuple(citations)),)
