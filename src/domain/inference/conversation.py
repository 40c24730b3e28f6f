"""What is said in a conversation, as typed parts that every vendor's API can be mapped to.

Nothing here is interpreted: arguments of tools stay JSON text, media stay base64 or references, and
opaque state stays the bytes its provider made.
"""

from enum import StrEnum

from msgspec import Struct

from domain.inference.dialect import WireFormat


class Role(StrEnum):
    """Who speaks. Tool results are parts of a user's message; `system` also is OpenAI's developer."""

    SYSTEM = "system"
    USER = "user"
    ASSISTANT = "assistant"


class CacheMark(Struct, frozen=True, kw_only=True):
    """The prompt up to and with this part is worth caching. `ttl`: `5m`, `1h`, or not said."""

    ttl: str | None = None


class OpaqueState(Struct, frozen=True, kw_only=True):
    """Something only its provider can read, to be given back byte for byte and in its place.

    Attributes:
        origin: wire format that made it; it means nothing to any other.
        data: the text as received: a signature, encrypted reasoning, redacted thinking.
        id: the id of the item it belongs to, where the format has one.
    """

    origin: WireFormat
    data: str
    id: str = ""


class Media(Struct, frozen=True, kw_only=True):
    """Where the bytes of an image, document, audio or video are: exactly one of three.

    Attributes:
        data: base64 of the bytes (standard alphabet, padded).
        url: http(s), gs or s3 URL.
        file_id: id of a file stored with the provider.
        media_type: MIME type; empty when not known (URLs).
    """

    media_type: str = ""
    data: str | None = None
    url: str | None = None
    file_id: str | None = None


class Citation(Struct, frozen=True, kw_only=True):
    """A source of generated text.

    Attributes:
        start, end: characters of the part's text that it supports, when known.
        origin, raw: the vendor's own object, for its own format.
    """

    url: str = ""
    title: str = ""
    cited_text: str = ""
    start: int | None = None
    end: int | None = None
    origin: WireFormat | None = None
    raw: dict[str, object] = {}


class TextPart(Struct, frozen=True, kw_only=True, tag="text"):
    """Plain text. `state` is a provider's signature on it (Gemini)."""

    text: str
    citations: tuple[Citation, ...] = ()
    cache: CacheMark | None = None
    state: OpaqueState | None = None


class ImagePart(Struct, frozen=True, kw_only=True, tag="image"):
    """An image. `detail`: OpenAI's `low`, `high`, `auto`."""

    source: Media
    detail: str | None = None
    cache: CacheMark | None = None


class DocumentPart(Struct, frozen=True, kw_only=True, tag="document"):
    """A document (PDF, text, …). Plain text is given as base64 of its UTF-8 with `text/plain`."""

    source: Media
    name: str = ""
    context: str = ""
    cite: bool = False
    cache: CacheMark | None = None


class AudioPart(Struct, frozen=True, kw_only=True, tag="audio"):
    """Spoken input or output. `id` names an earlier spoken answer (OpenAI)."""

    source: Media
    transcript: str = ""
    id: str = ""


class VideoPart(Struct, frozen=True, kw_only=True, tag="video"):
    """A video (Gemini, Bedrock)."""

    source: Media
    cache: CacheMark | None = None


class ToolCallPart(Struct, frozen=True, kw_only=True, tag="tool_call"):
    """The model wants a tool to be run.

    Attributes:
        id: pairs the call with its result; never empty.
        arguments: JSON text of an object (`{}` for none); for a custom tool its free text.
        custom: a tool of free-text input (OpenAI).
        state: a provider's signature on the call (Gemini).
    """

    id: str
    name: str
    arguments: str
    custom: bool = False
    state: OpaqueState | None = None
    cache: CacheMark | None = None


class ToolResultPart(Struct, frozen=True, kw_only=True, tag="tool_result"):
    """What a tool gave back.

    Attributes:
        name: of the tool, when known (Gemini pairs by it).
        content: text, images, documents; several texts stay several.
        structured: the result was an object (Gemini, Bedrock): `content` is its JSON as one text.
        custom: it answers a custom tool (OpenAI).
    """

    call_id: str
    content: "tuple[TextPart | ImagePart | DocumentPart | VideoPart | AudioPart, ...]"
    name: str = ""
    is_error: bool = False
    structured: bool = False
    custom: bool = False
    cache: CacheMark | None = None


class ThinkingPart(Struct, frozen=True, kw_only=True, tag="thinking"):
    """Reasoning before or between answers.

    Attributes:
        text: what may be shown; empty when the provider shows nothing.
        state: signature or encrypted reasoning; None when the provider gave none.
        redacted: `state` is all there is (Anthropic's `redacted_thinking`).
    """

    text: str = ""
    state: OpaqueState | None = None
    redacted: bool = False


class RefusalPart(Struct, frozen=True, kw_only=True, tag="refusal"):
    """The model declines, in its own words."""

    text: str


class VendorPart(Struct, frozen=True, kw_only=True, tag="vendor"):
    """A block only its own format knows (hosted tools and their results), kept whole.

    Attributes:
        kind: the vendor's name for it.
        raw: the vendor's object.
    """

    origin: WireFormat
    kind: str
    raw: dict[str, object]


Part = (
    TextPart
    | ImagePart
    | DocumentPart
    | AudioPart
    | VideoPart
    | ToolCallPart
    | ToolResultPart
    | ThinkingPart
    | RefusalPart
    | VendorPart
)


class Message(Struct, frozen=True, kw_only=True):
    """One turn. `name` is OpenAI's name of the participant."""

    role: Role
    parts: tuple[Part, ...]
    name: str = ""
