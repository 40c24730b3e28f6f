"""Media are counted in the bytes of the messages, whatever the spelling."""

import json
from typing import Any

import pytest

from adapters.wire.openai_chat.dialect import OpenAIChatCodec
from application.ports.dialect import NOT_IN_URL
from domain.inference.head import Media

PNG = "data:image/png;base64,"


def media(content: Any, **members: Any) -> Media:
    body = {"model": "m", "messages": [{"role": "user", "content": content}], **members}
    return _peek(json.dumps(body).encode())


def _peek(body: bytes) -> Media:
    return OpenAIChatCodec().peek(body, 64, NOT_IN_URL).media


def image(url: str, **more: str) -> dict[str, Any]:
    return {"type": "image_url", "image_url": {**more, "url": url}}


def test_inline_images_count_with_the_length_of_their_data() -> None:
    content = [image(PNG + "A" * 100), image(PNG + "B" * 50, detail="low")]
    assert media(content) == Media(images=2, image_bytes=150 + 2 * len("png;base64,"))


def test_images_by_url_count_without_a_length() -> None:
    assert media([image("https://example.com/a.png")]) == Media(images=1)


def test_an_image_as_a_bare_string_counts_as_well() -> None:
    content = [{"type": "image_url", "image_url": PNG + "A" * 10}]
    assert media(content) == Media(images=1, image_bytes=10 + len("png;base64,"))


@pytest.mark.parametrize("order", [("data", "format"), ("format", "data")])
def test_inline_sound_counts_by_its_length(order: tuple[str, str]) -> None:
    values = {"data": "A" * 1_000, "format": "wav"}
    audio = {name: values[name] for name in order}
    content = [{"type": "input_audio", "input_audio": audio}]
    assert media(content) == Media(audio_bytes=1_000)


def test_text_that_looks_like_an_image_is_text() -> None:
    text = json.dumps(image(PNG + "A" * 100))
    assert media(text) == Media()
    assert media([{"type": "text", "text": text}]) == Media()
    assert media([{"type": "text", "text": PNG + "A" * 100}]) == Media()


def test_what_stands_outside_the_messages_is_text() -> None:
    tools = [{"type": "function", "function": {"parameters": image(PNG + "A" * 100)}}]
    assert media("Hi", tools=tools) == Media()


def test_a_name_spelled_with_escapes_does_not_hide_an_image() -> None:
    body = b'{"model":"m","messages":[{"content":[{"image\\u005f\\u0075rl":{"url":"https://a"}}]}]}'
    assert _peek(body) == Media(images=1)
    body = b'{"model":"m","messages":[{"content":"\\u005c\\u0022image_url\\u0022:"}]}'
    assert _peek(body).images == 0
