"""Reading a Chat Completions request as strictly as a real provider would."""

import re

import msgspec
from msgspec import Struct

from domain.errors import UpstreamRejected

_ROLES = ("system", "developer", "user", "assistant", "tool", "function")
_TOOL_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
_PATH = re.compile(r"`\$\.?([^`]*)`")
_MOST_TOOLS = 128
_MOST_STOPS = 4


class Part(Struct, frozen=True):
    """A content part; only text is read."""

    type: str
    text: str | None = None
    refusal: str | None = None


class CalledFunction(Struct, frozen=True):
    """The function of an earlier tool call."""

    name: str
    arguments: str


class EarlierCall(Struct, frozen=True):
    """A tool call in an assistant message of the conversation."""

    id: str
    function: CalledFunction | None = None


class Message(Struct, frozen=True):
    """A message of the conversation."""

    role: str
    content: str | list[Part] | None = None
    tool_calls: list[EarlierCall] | None = None
    tool_call_id: str | None = None

    @property
    def text(self) -> str:
        """All text of the message, parts joined by a space."""
        if isinstance(self.content, list):
            return " ".join(part.text or part.refusal or "" for part in self.content).strip()
        return self.content or ""


class FunctionSpec(Struct, frozen=True):
    """A function the model may call; `parameters` is a JSON schema."""

    name: str
    description: str | None = None
    parameters: dict[str, object] | None = None


class Tool(Struct, frozen=True):
    """A tool; only functions are known."""

    type: str
    function: FunctionSpec | None = None


class NamedFunction(Struct, frozen=True):
    """The function a `tool_choice` names."""

    name: str


class NamedTool(Struct, frozen=True):
    """A `tool_choice` that names a tool."""

    type: str
    function: NamedFunction | None = None


class SchemaFormat(Struct, frozen=True):
    """`response_format.json_schema`."""

    name: str
    schema: dict[str, object] | None = None


class ResponseFormat(Struct, frozen=True):
    """`response_format`."""

    type: str
    json_schema: SchemaFormat | None = None


class DemoRequest(Struct, frozen=True):
    """What the demo provider understands of a request; the rest has no effect."""

    messages: list[Message]
    tools: list[Tool] | None = None
    tool_choice: str | NamedTool | None = None
    parallel_tool_calls: bool | None = None
    response_format: ResponseFormat | None = None
    max_tokens: int | None = None
    max_completion_tokens: int | None = None
    n: int | None = None
    stop: str | list[str] | None = None
    temperature: float | None = None
    top_p: float | None = None

    @property
    def functions(self) -> tuple[FunctionSpec, ...]:
        """The functions the model may call."""
        return tuple(tool.function for tool in self.tools or () if tool.function is not None)

    @property
    def stops(self) -> tuple[str, ...]:
        """The stop sequences."""
        if isinstance(self.stop, str):
            return (self.stop,)
        return tuple(self.stop or ())

    @property
    def token_limit(self) -> int | None:
        """The cap on generated tokens."""
        given = self.max_completion_tokens
        return given if given is not None else self.max_tokens


_REQUEST = msgspec.json.Decoder(DemoRequest)


def read_request(body: bytes) -> DemoRequest:
    """Return the checked request.

    Raises:
        UpstreamRejected: status 400 with the message, type, parameter and code of the API.
    """
    try:
        request = _REQUEST.decode(body)
    except msgspec.ValidationError as error:
        text = str(error)
        path = _PATH.search(text)
        raise _reject(text.replace("`", "'"), path[1] if path else None) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise _reject("We could not parse the JSON body of your request.", None) from None
    _check_messages(request.messages)
    _check_tools(request)
    _check_format(request.response_format)
    _check_numbers(request)
    return request


def _check_messages(messages: list[Message]) -> None:
    if not messages:
        raise _reject("'messages' must have at least one message.", "messages", "empty_array")
    pending: set[str] = set()
    for index, message in enumerate(messages):
        where = f"messages[{index}]"
        if message.role not in _ROLES:
            raise _reject(
                f"Invalid value: '{message.role}'. Supported values are: {', '.join(_ROLES)}.",
                f"{where}.role",
                "invalid_value",
            )
        if message.role == "tool":
            if message.tool_call_id not in pending:
                raise _reject(
                    "A message with role 'tool' must answer a tool call of a preceding message.",
                    f"{where}.tool_call_id",
                )
            pending.discard(message.tool_call_id)
            continue
        if pending:
            raise _reject(
                "Every tool call of an assistant message must be answered by a tool message.",
                where,
            )
        if message.content is None and not message.tool_calls and message.role != "assistant":
            raise _reject("This message must have content.", f"{where}.content", "invalid_type")
        pending = {call.id for call in message.tool_calls or ()}
    if pending:
        raise _reject(
            "Every tool call of an assistant message must be answered by a tool message.",
            "messages",
        )


def _check_tools(request: DemoRequest) -> None:
    tools = request.tools or []
    if len(tools) > _MOST_TOOLS:
        raise _reject(
            f"There can be at most {_MOST_TOOLS} tools.", "tools", "array_above_max_length"
        )
    for index, tool in enumerate(tools):
        if tool.type != "function" or tool.function is None:
            raise _reject(
                "The demo provider knows tools of type 'function' only.",
                f"tools[{index}].type",
                "invalid_value",
            )
        if not _TOOL_NAME.fullmatch(tool.function.name):
            raise _reject(
                "A function name has 1 to 64 letters, digits, underscores and dashes.",
                f"tools[{index}].function.name",
                "invalid_value",
            )
    _check_tool_choice(request)


def _check_tool_choice(request: DemoRequest) -> None:
    choice = request.tool_choice
    if choice is None or choice in ("none", "auto"):
        return
    if not request.tools:
        raise _reject("'tool_choice' is only allowed when 'tools' are given.", "tool_choice")
    if choice == "required":
        return
    names = {function.name for function in request.functions}
    if isinstance(choice, NamedTool) and choice.function is not None:
        if choice.function.name in names:
            return
        raise _reject(
            f"Tool choice '{choice.function.name}' is not among the tools.", "tool_choice"
        )
    raise _reject(
        "'tool_choice' must be 'none', 'auto', 'required' or name a function.",
        "tool_choice",
        "invalid_value",
    )


def _check_format(wanted: ResponseFormat | None) -> None:
    if wanted is None or wanted.type in ("text", "json_object"):
        return
    if wanted.type != "json_schema":
        raise _reject(
            f"Invalid value: '{wanted.type}'. Supported are: text, json_object, json_schema.",
            "response_format.type",
            "invalid_value",
        )
    if wanted.json_schema is None or wanted.json_schema.schema is None:
        raise _reject(
            "A response format of type 'json_schema' needs a schema.",
            "response_format.json_schema",
            "missing_required_parameter",
        )


def _check_numbers(request: DemoRequest) -> None:
    for name in ("max_tokens", "max_completion_tokens"):
        value = getattr(request, name)
        if value is not None and value < 1:
            raise _reject(f"'{name}' must be at least 1.", name, "integer_below_min_value")
    for name, highest in (("temperature", 2), ("top_p", 1)):
        value = getattr(request, name)
        if value is not None and not 0 <= value <= highest:
            raise _reject(f"'{name}' must be from 0 to {highest}.", name, "decimal_out_of_range")
    if len(request.stops) > _MOST_STOPS or not all(request.stops):
        raise _reject(
            f"'stop' takes up to {_MOST_STOPS} texts that are not empty.", "stop", "invalid_value"
        )


def _reject(message: str, param: str | None, code: str | None = None) -> UpstreamRejected:
    return UpstreamRejected(
        400, message, kind="invalid_request_error", param=param or None, upstream_code=code
    )
