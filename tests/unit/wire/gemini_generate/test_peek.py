import json
from typing import Any

import pytest
from hypothesis import given, reject
from hypothesis import strategies as st

from adapters.wire.codec import WireTarget
from adapters.wire.gemini_generate.dialect import GeminiCodec
from adapters.wire.gemini_generate.wire import GeminiWire
from application.ports.dialect import RequestTarget
from domain.errors import InvalidRequest
from domain.inference.head import Media, RequestHead
from tests.unit.wire.json_texts import spellings, values

CODEC = GeminiCodec()
WIRE = GeminiWire()
TARGET = RequestTarget(model="gemini-public", stream=True)
HEAD = RequestHead(model="gemini-public", stream=True, include_usage=True)
CONTENTS = [{"parts": [{"text": "Hi"}]}]
DEPTH = 64


def peeked(**members: Any) -> RequestHead:
    return CODEC.peek(json.dumps({"contents": CONTENTS} | members).encode(), DEPTH, TARGET)


def refusal(raw: str | bytes) -> InvalidRequest:
    raw = raw.encode() if isinstance(raw, str) else raw
    with pytest.raises(InvalidRequest) as caught:
        CODEC.peek(raw, DEPTH, TARGET)
    return caught.value


def test_model_and_stream_are_the_urls() -> None:
    assert peeked() == HEAD
    head = CODEC.peek(b"{}", DEPTH, RequestTarget(model="m"))
    assert (head.model, head.stream) == ("m", False)


def test_a_request_without_a_model_in_the_url_is_refused() -> None:
    with pytest.raises(InvalidRequest) as caught:
        CODEC.peek(b"{}", DEPTH, RequestTarget())
    assert caught.value.param == "model"


@pytest.mark.parametrize("name", ["gemini-public", "models/gemini-public"])
def test_a_body_may_repeat_the_model(name: str) -> None:
    assert peeked(model=name) == HEAD


@pytest.mark.parametrize("name", ["gemini-other", "models/gemini-other", "", 7])
def test_a_body_may_not_name_another_model(name: Any) -> None:
    assert refusal(json.dumps({"model": name})).param == "model"


@pytest.mark.parametrize("config", ["generationConfig", "generation_config"])
@pytest.mark.parametrize(
    ("members", "bound", "choices"),
    [
        ({"maxOutputTokens": 5}, 5, 1),
        ({"max_output_tokens": 5}, 5, 1),
        ({"maxOutputTokens": 5.0}, 5, 1),
        ({"maxOutputTokens": "5"}, 5, 1),
        ({"maxOutputTokens": None, "candidateCount": None}, None, 1),
        ({"maxOutputTokens": 0}, None, 1),
        ({"maxOutputTokens": "-1"}, None, 1),
        ({"candidateCount": 8}, None, 8),
        ({"candidate_count": "2"}, None, 2),
    ],
)
def test_bounds_are_read_in_every_spelling_of_protobuf(
    config: str, members: dict[str, Any], bound: int | None, choices: int
) -> None:
    head = peeked(**{config: members})
    assert (head.max_output_tokens, head.choices) == (bound, choices)


@pytest.mark.parametrize(
    ("members", "param"),
    [
        ({"maxOutputTokens": 10**10}, "generationConfig.maxOutputTokens"),
        ({"maxOutputTokens": "99999999999"}, "generationConfig.maxOutputTokens"),
        ({"maxOutputTokens": 1.5}, "generationConfig.maxOutputTokens"),
        ({"maxOutputTokens": "many"}, "generationConfig.maxOutputTokens"),
        ({"maxOutputTokens": "\u0665"}, "generationConfig.maxOutputTokens"),
        ({"maxOutputTokens": []}, "generationConfig.maxOutputTokens"),
        ({"candidateCount": 0}, "generationConfig.candidateCount"),
        ({"candidateCount": 9}, "generationConfig.candidateCount"),
        ([], "generationConfig"),
    ],
)
def test_bounds_that_cannot_be_are_refused_by_name(members: Any, param: str) -> None:
    assert refusal(json.dumps({"generationConfig": members})).param == param


@pytest.mark.parametrize(
    ("first", "second", "param"),
    [
        ('"generationConfig":{}', '"generation_config":{}', "generationConfig"),
        ('"generationConfig":{}', '"GenerationConfig":{}', "generationConfig"),
        ('"generationConfig":{}', '"generation\\u0043onfig":{}', "generationConfig"),
        ('"generation_config":{}', '"Generation_Config":{}', "generation_config"),
        ('"contents":[]', '"Contents":[]', "contents"),
        ('"contents":[]', '"generateContentRequest":{}', "generateContentRequest"),
        ('"generateContentRequest":{}', '"generate_content_request":{}', "generateContentRequest"),
    ],
)
def test_a_governing_member_given_twice_is_refused(first: str, second: str, param: str) -> None:
    for pair in ((first, second), (second, first)):
        assert refusal("{" + ",".join(pair) + "}").param == param


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ('"maxOutputTokens":1', '"max_output_tokens":9'),
        ('"maxOutputTokens":1', '"maxoutputtokens":9'),
        ('"candidateCount":1', '"candidate_count":8'),
        ('"candidateCount":1', '"candidateCount":8'),
    ],
)
def test_a_bound_given_twice_is_refused(first: str, second: str) -> None:
    for pair in ((first, second), (second, first)):
        error = refusal('{"generationConfig":{' + ",".join(pair) + "}}")
        assert error.param in {"maxOutputTokens", "candidateCount"}


def test_names_inside_the_conversation_are_free() -> None:
    names: dict[str, Any] = {
        "generationConfig": {},
        "generation_config": {},
        "model": "x",
        "maxOutputTokens": 9,
    }
    assert peeked(tools=[{"functionDeclarations": [names]}]) == HEAD


def test_labels_are_the_callers_tags() -> None:
    assert peeked(labels={"team": "blue"}).metadata == {"team": "blue"}
    assert peeked(labels={"team": 7}).metadata is None


IMAGE = {"inlineData": {"mimeType": "image/png", "data": "AAAA"}}
SOUND = {"inline_data": {"mime_type": "audio/wav", "data": "AAAAAAAA"}}


@pytest.mark.parametrize(
    ("parts", "media"),
    [
        ([IMAGE, IMAGE], Media(images=2, image_bytes=8)),
        ([SOUND], Media(audio_bytes=8)),
        ([{"fileData": {"mimeType": "image/png", "fileUri": "gs://a/b"}}], Media(images=1)),
        ([{"functionResponse": {"name": "f", "parts": [IMAGE]}}], Media(images=1, image_bytes=4)),
        ([{"function_response": {"parts": [SOUND]}}], Media(audio_bytes=8)),
        ([{"inlineData": {"mimeType": "application/pdf", "data": "AAAA"}}], Media()),
        ([{"inline\\u0044ata": 1}], Media()),
        ([{"text": '"inlineData":{"mimeType":"image/png","data":"AAAA"}'}], Media()),
        (IMAGE, Media(images=1, image_bytes=4)),
        ("not parts", Media()),
    ],
)
def test_images_and_sounds_are_counted(parts: Any, media: Media) -> None:
    assert peeked(contents=[{"parts": parts}]).media == media


def test_a_single_content_stands_for_a_list() -> None:
    assert peeked(contents={"parts": IMAGE}).media == Media(images=1, image_bytes=4)


def test_a_name_written_with_escapes_is_counted_all_the_same() -> None:
    raw = json.dumps({"contents": [{"parts": [IMAGE]}]}).replace("inlineD", "inline\\u0044")
    assert CODEC.peek(raw.encode(), DEPTH, TARGET).media.images == 1


def test_the_request_inside_a_count_of_tokens_is_governed_like_any_other() -> None:
    inner = {
        "model": "models/gemini-public",
        "contents": [{"parts": [IMAGE]}],
        "generationConfig": {"maxOutputTokens": 5},
    }
    body = json.dumps({"generateContentRequest": inner}).encode()
    head = CODEC.peek(body, DEPTH, TARGET)
    assert (head.max_output_tokens, head.media.images) == (5, 1)
    other = json.dumps({"generate_content_request": inner | {"model": "models/dear"}})
    assert refusal(other).param == "generateContentRequest.model"


@given(
    extra=st.dictionaries(st.text(max_size=5).map("x{}".format), values, max_size=3), d=st.data()
)
def test_a_bound_is_set_and_every_other_byte_stays(extra: dict[str, Any], d: st.DataObject) -> None:
    config = {**extra, "temperature": 1}
    if d.draw(st.booleans()):
        config[d.draw(st.sampled_from(["maxOutputTokens", "max_output_tokens"]))] = 7
    request: dict[str, Any] = {"contents": CONTENTS, **extra}
    if d.draw(st.booleans()):
        request[d.draw(st.sampled_from(["generationConfig", "generation_config"]))] = config
    body = d.draw(spellings(request, escapes=False)).encode()

    try:
        edited = edit(body, bound=5)
    except InvalidRequest as error:
        assert "escapes" in error.message  # noqa: PT017
        reject()

    assert CODEC.peek(edited, DEPTH, TARGET).max_output_tokens == 5
    assert without_bound(json.loads(edited)) == without_bound(json.loads(body))
    assert edit(edited, bound=5) == edited
    assert edit(body) == body


def without_bound(request: dict[str, Any]) -> dict[str, Any]:
    found = dict(request)
    for name in ("generationConfig", "generation_config"):
        config: dict[str, Any] = found.pop(name, None) or {}
        rest = {
            n: v for n, v in config.items() if n not in ("maxOutputTokens", "max_output_tokens")
        }
        if rest:
            found[name] = rest
    return found


def edit(body: bytes, *, model: str = "gemini-3-pro", bound: int | None = None) -> bytes:
    return WIRE.edit_request(body, HEAD, WireTarget(model=model, output_bound=bound))


@pytest.mark.parametrize(
    ("body", "edited"),
    [
        (b" { } ", b' {"generationConfig":{"maxOutputTokens":5} } '),
        (b'{"a":1}', b'{"generationConfig":{"maxOutputTokens":5},"a":1}'),
        (b'{"generationConfig":null}', b'{"generationConfig":{"maxOutputTokens":5}}'),
        (b'{"generationConfig":{}}', b'{"generationConfig":{"maxOutputTokens":5}}'),
        (b'{"generation_config":{"seed":1}}', b'{"generation_config":{"maxOutputTokens":5,"seed":1}}'),
        (b'{"generationConfig":{"maxOutputTokens" : "9"}}', b'{"generationConfig":{"maxOutputTokens" : 5}}'),
    ],
)  # fmt: skip
def test_where_a_bound_is_put(body: bytes, edited: bytes) -> None:
    assert edit(body, bound=5) == edited


def test_a_model_that_the_body_repeats_becomes_the_providers() -> None:
    assert edit(b'{"model": "models/gemini-public"}') == b'{"model": "models/gemini-3-pro"}'
    assert edit(b'{"model":"x"}', model="tunedModels/t-1") == b'{"model":"tunedModels/t-1"}'
    count = b'{"generateContentRequest":{"contents":[],"model":"models/gemini-public"}}'
    assert (
        edit(count) == b'{"generateContentRequest":{"contents":[],"model":"models/gemini-3-pro"}}'
    )
