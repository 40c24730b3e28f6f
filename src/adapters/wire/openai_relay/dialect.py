"""Reading what governs embeddings, images, sounds and the like; errors as OpenAI words them."""

from msgspec import UNSET, Struct, UnsetType
from msgspec.json import Decoder

from adapters.wire.governing import MaybeRaw, decode_members, end_user, model_name
from adapters.wire.members import MemberFinder
from adapters.wire.openai_errors import public_error_body
from adapters.wire.openai_relay.multipart import form_parts, is_form
from adapters.wire.sse import write_event
from application.ports.dialect import DialectCodec, PublicError, RequestTarget
from domain.errors import InvalidRequest
from domain.inference.dialect import Dialect, Operation
from domain.inference.head import Media, RequestHead

_GOVERNING = MemberFinder(("model", "stream", "max_tokens", "n"))
_LONGEST_FIELD = 4096
_MOST_CHOICES = 128
_FLAGS = {b"true": True, b"1": True, b"false": False, b"0": False, b"": False}
# These stream their bytes as they are made, whatever the request says.
_ALWAYS_STREAMED = frozenset({Operation.AUDIO_SPEECH})
_OF_SOUND = frozenset({Operation.AUDIO_TRANSCRIPTIONS, Operation.AUDIO_TRANSLATIONS})


class _Members(Struct, frozen=True):
    """Top-level members that govern."""

    model: str | None = None
    stream: bool | None = None
    stream_format: str | None = None
    max_tokens: int | None = None
    n: int | None = None
    user: MaybeRaw = UNSET
    stream_options: MaybeRaw | UnsetType = UNSET


_REQUEST = Decoder(_Members)


class OpenAIRelayCodec(DialectCodec):
    """One operation, with bodies of one content type."""

    def __init__(self, operation: Operation, content_type: bytes) -> None:
        """`content_type` is that of the request; forms need their boundary."""
        self._operation = operation
        self._content_type = content_type
        self._in_events = False

    @property
    def dialect(self) -> Dialect:
        """OpenAI's API."""
        return Dialect.OPENAI

    @property
    def keep_alive(self) -> bytes:
        """A comment between events; nothing between the bytes of a sound."""
        return b": keep-alive\n\n" if self._in_events else b""

    @property
    def stream_content_type(self) -> bytes:
        """Events, unless it is a sound."""
        return (
            b"text/event-stream; charset=utf-8" if self._in_events else b"application/octet-stream"
        )

    def peek(self, body: bytes, max_depth: int, target: RequestTarget) -> RequestHead:
        """Read model, stream and end user, of JSON or a form."""
        if is_form(self._content_type):
            head = self._peek_form(body)
        else:
            head = self._peek_json(body, max_depth)
        return head

    def error_status(self, error: PublicError) -> int:
        """Return the status as it is."""
        return error.status

    def error_headers(self, error: PublicError) -> list[tuple[bytes, bytes]]:
        """Return none: the body says it all."""
        return []

    def error_body(self, error: PublicError) -> bytes:
        """Return the error in OpenAI's shape."""
        return public_error_body(error)

    def stream_error(self, error: PublicError) -> bytes:
        """Return an event with the error; nothing can be said in the midst of a sound."""
        return write_event(public_error_body(error)) if self._in_events else b""

    def _peek_json(self, body: bytes, max_depth: int) -> RequestHead:
        members = decode_members(body, _REQUEST.decode, max_depth)
        _GOVERNING.refuse_ambiguous(body)
        self._in_events = bool(members.stream) or members.stream_format == "sse"
        return RequestHead(
            model=model_name(members.model),
            stream=self._in_events or self._operation in _ALWAYS_STREAMED,
            max_output_tokens=members.max_tokens if (members.max_tokens or 0) > 0 else None,
            choices=_choices(members.n),
            end_user=end_user(members.user),
        )

    def _peek_form(self, body: bytes) -> RequestHead:
        fields: dict[str, bytes] = {}
        files, file_bytes = 0, 0
        for part in form_parts(body, self._content_type):
            size = part.value.end - part.value.start
            governs = part.name in ("model", "stream", "n", "user")
            if governs and part.is_file:
                raise InvalidRequest(f"The field '{part.name}' is no file.", param=part.name)
            if part.is_file:
                files, file_bytes = files + 1, file_bytes + size
            elif governs:
                if part.name in fields:
                    raise InvalidRequest(
                        f"The field '{part.name}' is given twice.", param=part.name
                    )
                if size > _LONGEST_FIELD:
                    raise InvalidRequest(f"The field '{part.name}' is too long.", param=part.name)
                fields[part.name] = body[part.value.start : part.value.end]
        self._in_events = _flag(fields.get("stream", b""))
        of_sound = self._operation in _OF_SOUND
        return RequestHead(
            model=model_name(_text(fields.get("model"), "model")),
            stream=self._in_events,
            choices=_choices(_number(fields.get("n"))),
            end_user=_text(fields.get("user"), "user"),
            media=Media(
                images=0 if of_sound else files,
                image_bytes=0 if of_sound else file_bytes,
                audio_bytes=file_bytes if of_sound else 0,
            ),
        )


def _text(value: bytes | None, name: str) -> str | None:
    if value is None:
        return None
    try:
        return value.decode()
    except UnicodeDecodeError:
        raise InvalidRequest(f"The field '{name}' is not valid UTF-8.", param=name) from None


def _flag(value: bytes) -> bool:
    flag = _FLAGS.get(value.strip().lower())
    if flag is None:
        raise InvalidRequest("The field 'stream' must be true or false.", param="stream")
    return flag


def _number(value: bytes | None) -> int | None:
    if value is None:
        return None
    if not value.strip().isdigit() or len(value) > 4:
        raise InvalidRequest("The field 'n' must be a whole number.", param="n")
    return int(value)


def _choices(value: int | None) -> int:
    if value is None:
        return 1
    if not 1 <= value <= _MOST_CHOICES:
        raise InvalidRequest(f"The field 'n' must be from 1 to {_MOST_CHOICES}.", param="n")
    return value
