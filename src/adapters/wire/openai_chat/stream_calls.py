"""Putting the pieces of streamed tool calls together, however a server numbers them."""

from adapters.wire.openai_chat.decode_reply import arguments_of, text_of
from adapters.wire.openai_chat.signatures import read_signature
from adapters.wire.schemas.openai_chat_replies import CallPiece
from domain.errors import UpstreamProtocolError
from domain.inference.conversation import OpaqueState


class StreamedCall:
    """One call as far as it is known.

    Attributes:
        index: number of its block once it has started.
        number: which call of the answer it is, from 0.
        position: the server's number of it, None where it gives none.
        held: arguments that came before the name.
        empty: whether no argument has come yet.
    """

    __slots__ = (
        "custom",
        "empty",
        "ended",
        "held",
        "id",
        "index",
        "name",
        "number",
        "position",
        "state",
    )

    def __init__(self, position: int | None) -> None:
        self.position = position
        self.number = 0
        self.index: int | None = None
        self.id = ""
        self.name = ""
        self.custom = False
        self.state: OpaqueState | None = None
        self.held = ""
        self.empty = True
        self.ended = False

    def add(self, piece: CallPiece) -> str:
        """Take what a piece tells and return the arguments it brings."""
        self.id = self.id or text_of(piece.id)
        self.state = self.state or read_signature(piece.extra_content)
        if piece.function is not None:
            self.name = self.name or piece.function.name or ""
            return arguments_of(piece.function)
        if piece.custom is not None:
            self.custom = True
            self.name = self.name or piece.custom.name or ""
            return piece.custom.input or ""
        return ""


class CallFinder:
    """Says which call a piece belongs to.

    OpenAI numbers its calls. Others give no number, or 0 to every call, each whole in one piece
    (Ollama and Gemini's compatible endpoint did); or a new id with every piece of one call (older
    vLLM). So a piece opens a call when its number is new, or when it has both a name and an id of
    its own.
    """

    def __init__(self) -> None:
        self._calls: list[StreamedCall] = []

    def find(self, piece: CallPiece) -> tuple[StreamedCall, bool]:
        """Return the call of a piece and whether it is new."""
        known = self._known(piece)
        if known is not None:
            return known, False
        call = StreamedCall(piece.index)
        self._calls.append(call)
        return call, True

    def _known(self, piece: CallPiece) -> StreamedCall | None:
        own_id = text_of(piece.id)
        name = _name(piece)
        if piece.index is None:
            last = self._calls[-1] if self._calls else None
            if not own_id and not name:
                if last is None:
                    raise UpstreamProtocolError("arguments without a tool call")
                return last
            return next((call for call in self._calls if own_id and call.id == own_id), None)
        same = [call for call in self._calls if call.position == piece.index]
        if not same:
            return None
        last = same[-1]
        if name and own_id and last.id and own_id != last.id:
            return next((call for call in same if call.id == own_id), None)
        return last


def _name(piece: CallPiece) -> str:
    named = piece.function or piece.custom
    return (named.name if named is not None else None) or ""
