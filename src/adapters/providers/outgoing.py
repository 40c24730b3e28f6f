"""What goes out for a call, and how the answer to it is read: passed through, or translated."""

from functools import partial
from typing import TypeGuard

from msgspec import Struct

from adapters.wire.codec import Encoded, WireCodec, WireTarget
from adapters.wire.translating import TranslatingReplyScanner, TranslatingStreamScanner
from adapters.wire.upstream_errors import MessageScrubber
from application.ports.dialect import ConversationCodec, DialectCodec, ReplyContext
from application.ports.provider import ProviderCall, RelayingCodec, ReplyScanner
from application.runtime.large_bodies import LargeBodies
from domain.errors import UnsupportedField
from domain.inference.request import InferenceRequest

_MOST_WARNINGS = 32
_LONGEST_WARNING = 80


class Outgoing(Struct, frozen=True):
    """A call in the format of its provider.

    Attributes:
        scanner: reads the answer; its output is in the caller's dialect.
        translated: the answer is in another format than the caller's dialect.
        headers: for the caller: what had to be left out.
    """

    body: bytes
    scanner: ReplyScanner
    translated: bool = False
    headers: tuple[tuple[bytes, bytes], ...] = ()


async def outgoing(
    call: ProviderCall,
    wire: WireCodec,
    target: WireTarget,
    *,
    bodies: LargeBodies,
    scrubber: MessageScrubber,
) -> Outgoing:
    """Return what to send for `call` to a provider that speaks `wire`.

    Raises:
        InvalidRequest: the request cannot be read.
        UnsupportedField: it has something that must not be left out and has no place in `wire`.
    """
    if call.codec.dialect.value == wire.wire_format.value:
        edit = partial(wire.edit_request, head=call.head, target=target)
        scanner = _own(call, wire, target, scrubber)
        scanner.summary.dialect_out = wire.wire_format.value
        return Outgoing(await bodies.work(call.body, edit), scanner)
    dialect = call.codec
    if not _converses(dialect):
        raise UnsupportedField(
            f"The provider of the model '{call.head.model}' does not offer this operation."
        )
    translate = partial(_translate, call=call, dialect=dialect, wire=wire, target=target)
    request, encoded = await bodies.work(call.body, translate)
    context = ReplyContext(
        request=request,
        model=call.head.model,
        reply_id=call.reply_id,
        created_s=call.created_s,
        include_usage=call.head.include_usage,
    )
    scanner: ReplyScanner
    if call.head.stream:
        scanner = TranslatingStreamScanner(
            wire.stream_decoder(call.head, scrubber=scrubber), dialect.stream_encoder(context)
        )
    else:
        scanner = TranslatingReplyScanner(
            wire, dialect, context, max_bytes=call.max_reply_bytes, scrubber=scrubber
        )
    scanner.summary.dialect_out = wire.wire_format.value
    return Outgoing(
        encoded.body, scanner, translated=True, headers=_warnings(encoded.dropped, dialect)
    )


def _own(
    call: ProviderCall, wire: WireCodec, target: WireTarget, scrubber: MessageScrubber
) -> ReplyScanner:
    if call.head.stream:
        scanner = wire.stream_scanner(call.head, target, scrubber=scrubber)
        return call.codec.relay(scanner) if _relays(call.codec) else scanner
    return wire.reply_scanner(max_bytes=call.max_reply_bytes, scrubber=scrubber)


def _translate(
    body: bytes,
    *,
    call: ProviderCall,
    dialect: ConversationCodec,
    wire: WireCodec,
    target: WireTarget,
) -> tuple[InferenceRequest, Encoded]:
    request = dialect.decode(body, call.target)
    try:
        return request, wire.encode_request(request, target)
    except UnsupportedField as error:
        name = dialect.field_name(error.param or "")
        raise UnsupportedField(
            f"The field '{name}' cannot be sent to the provider of the model '{call.head.model}'.",
            param=name,
        ) from None


def _warnings(
    dropped: tuple[str, ...], dialect: ConversationCodec
) -> tuple[tuple[bytes, bytes], ...]:
    """Return one header that names, in the client's words, what was left out."""
    if not dropped:
        return ()
    names = list(dict.fromkeys(dialect.field_name(field) for field in dropped))
    shown = [f"{_printable(name)} dropped" for name in names[:_MOST_WARNINGS]]
    if len(names) > _MOST_WARNINGS:
        shown.append(f"{len(names) - _MOST_WARNINGS} more dropped")
    return ((b"x-thinkwatch-warnings", ", ".join(shown).encode()),)


def _printable(name: str) -> str:
    return "".join(c if " " <= c <= "~" and c != "," else "?" for c in name[:_LONGEST_WARNING])


# `isinstance` of a Protocol looks at every one of its members each time, which takes tens of
# microseconds; a codec names its ports as bases.
def _relays(codec: DialectCodec) -> TypeGuard[RelayingCodec]:
    return RelayingCodec in type(codec).__mro__


def _converses(codec: DialectCodec) -> TypeGuard[ConversationCodec]:
    return ConversationCodec in type(codec).__mro__
