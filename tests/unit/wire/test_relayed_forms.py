"""Forms are relayed byte for byte but for the model."""

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.wire.openai_relay.dialect import OpenAIRelayCodec
from adapters.wire.openai_relay.edit import edit_relayed
from adapters.wire.openai_relay.multipart import form_parts
from application.ports.dialect import NOT_IN_URL
from domain.errors import InvalidRequest
from domain.inference.dialect import Operation
from domain.inference.head import Media, RequestHead


def form(fields: dict[str, str], files: dict[str, bytes] | None = None) -> tuple[bytes, bytes]:
    """Return body and content type as httpx, which the SDKs use, writes them."""
    request = httpx.Request(
        "POST",
        "http://x",
        data=fields,
        files={name: (f"{name}.bin", data) for name, data in (files or {"file": b"x"}).items()},
    )
    return request.read(), request.headers["content-type"].encode()


def peek(operation: Operation, body: bytes, content_type: bytes) -> RequestHead:
    return OpenAIRelayCodec(operation, content_type).peek(body, 64, NOT_IN_URL)


@given(
    model=st.text(
        st.characters(codec="ascii", min_codepoint=33, max_codepoint=126), min_size=1
    ).map(lambda text: text[:200]),
    file=st.binary(max_size=300),
    prompt=st.text(max_size=20),
)
def test_only_the_model_is_replaced(model: str, file: bytes, prompt: str) -> None:
    body, content_type = form({"prompt": prompt, "model": model}, {"file": file})
    if b'name="model"' in file:
        return
    edited = edit_relayed(body, model="upstream-model", content_type=content_type)
    (place,) = (p.value for p in form_parts(body, content_type) if p.name == "model")
    assert edited == body[: place.start] + b"upstream-model" + body[place.end :]
    assert peek(Operation.AUDIO_TRANSCRIPTIONS, edited, content_type).model == "upstream-model"


def test_the_head_of_a_transcription_is_read_from_its_fields() -> None:
    body, content_type = form(
        {"model": "whisper-1", "stream": "true", "user": "u7"}, {"file": b"s" * 100}
    )
    head = peek(Operation.AUDIO_TRANSCRIPTIONS, body, content_type)
    assert head == RequestHead(
        model="whisper-1", stream=True, end_user="u7", media=Media(audio_bytes=100)
    )


def test_images_of_a_form_count_as_images() -> None:
    body, content_type = form(
        {"model": "gpt-image-1", "n": "2"}, {"image": b"i" * 50, "mask": b"m"}
    )
    head = peek(Operation.IMAGES_EDITS, body, content_type)
    assert head.choices == 2
    assert head.media == Media(images=2, image_bytes=51)


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b"", b"multipart/form-data; boundary=x"),
        (b"--x\r\n", b"multipart/form-data; boundary=x"),
        (b"--x--\r\n", b"multipart/form-data; boundary=x"),
        (b"--x\r\nfoo\r\n--x--", b"multipart/form-data; boundary=x"),
        (
            b'--x\r\ncontent-disposition: form-data; name="model"\r\n\r\na',
            b"multipart/form-data; boundary=x",
        ),
        (
            b"--x\r\ncontent-disposition: form-data\r\n\r\na\r\n--x--",
            b"multipart/form-data; boundary=x",
        ),
        (b"{}", b"multipart/form-data"),
    ],
)
def test_a_form_that_cannot_be_read_is_refused(body: bytes, content_type: bytes) -> None:
    with pytest.raises(InvalidRequest):
        peek(Operation.IMAGES_EDITS, body, content_type)


def test_a_governing_field_given_twice_is_refused() -> None:
    part = b'--x\r\ncontent-disposition: form-data; name="model"\r\n\r\na\r\n'
    with pytest.raises(InvalidRequest) as refusal:
        peek(Operation.IMAGES_EDITS, part * 2 + b"--x--", b"multipart/form-data; boundary=x")
    assert refusal.value.param == "model"


def part(disposition: str, value: str = "secret-model") -> bytes:
    return f"--x\r\nContent-Disposition: {disposition}\r\n\r\n{value}\r\n".encode()


MODEL = part('form-data; name="model"', "m")
END = b"--x--\r\n"
HIDDEN = part('form-data; name="model"')


@pytest.mark.parametrize(
    "body",
    [
        part(r'form-data; name="mod\el"') + MODEL + END,
        part('form-data; name="%6dodel"') + MODEL + END,
        part('form-data; name="a"; name="model"') + MODEL + END,
        part('form-data; name=model; name="a"') + MODEL + END,
        part("form-data; name=\"a\"; name*=utf-8''model") + MODEL + END,
        part('form-data; name="model"; filename="f"') + MODEL + END,
        part('form-data; filename="f"; name="model"') + MODEL + END,
        part(r'form-data; name="a"; filename="f\"; name="model"') + MODEL + END,
        part('form-data; name="a"\r\nContent-Disposition: form-data; name="model"') + MODEL + END,
        part('form-data; name="a"\r\n ; name="model"') + MODEL + END,
        part('form-data; name="a"\nContent-Disposition: form-data; name="model"') + MODEL + END,
        HIDDEN.replace(b"\r\n", b"\n") + MODEL + END,
        b"preamble\r\n" + MODEL + END,
        MODEL + HIDDEN.replace(b"\r\n", b"\n") + END,
        part('form-data; name="a"', "a\n--x\nb") + MODEL + END,
        part('form-data; name="a"', "a\r\n--xy\r\nb") + MODEL + END,
        MODEL + END + HIDDEN + END,
    ],
)
def test_what_another_parser_may_read_otherwise_is_refused(body: bytes) -> None:
    with pytest.raises(InvalidRequest):
        peek(Operation.AUDIO_TRANSCRIPTIONS, body, b"multipart/form-data; boundary=x")


@pytest.mark.parametrize("more", [b"; boundary=y", b"; boundary*=utf-8''y", b'; a="boundary=y"'])
def test_a_second_boundary_is_refused(more: bytes) -> None:
    with pytest.raises(InvalidRequest):
        peek(Operation.IMAGES_EDITS, MODEL + END, b"multipart/form-data; boundary=x" + more)


@pytest.mark.parametrize(
    "disposition",
    [
        'form-data; name="file"; filename="a.wav"',
        'form-data; name="image[]"; filename="C:\\\\photos\\\\a (1); b.png"',
        'form-data; filename="a.wav"; name="file"',
        'form-data; name="file"; filename="a.wav"; filename*=utf-8\'\'%e2%82%ac.wav',
        'form-data; name="file"; filename=a.wav',
        'form-data;name="file";filename="été %22x%22.wav"',
    ],
)
def test_files_as_clients_name_them_are_read(disposition: str) -> None:
    file = part(f"{disposition}\r\nContent-Type: audio/wav", "abc")
    body = b"\r\n" + MODEL.replace(b"--x\r", b"--x \t\r") + file + END
    head = peek(Operation.AUDIO_TRANSCRIPTIONS, body, b'multipart/form-data; boundary="x"')
    assert (head.model, head.media.audio_bytes) == ("m", 3)
