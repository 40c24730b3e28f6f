import json
import random

import pytest

from adapters.wire.members import MemberFinder
from domain.errors import InvalidRequest

FINDER = MemberFinder(("model", "n"))
STREAMS = MemberFinder(("stream", "max_tokens"))


@pytest.mark.parametrize(
    "body",
    [
        b'{"model":"a"}',
        b'{"model":"a","x":{"model":"b","model":"c"}}',
        b'{"x":["model","n","model"],"model":"a","n":1}',
        b'{"model":"a","x":"\\u006dodel"}',
        b'{"model":"a","caf\\u00e9":1,"x":"\\u0041"}',
        b'{"model":"model","n":"n"}',
        b'{"xmodel":1,"modelx":2,"n ":3}',
        b'{"model":"Model","x":["MODEL",{"Model":1,"N":2}],"N ":3}',
        '{"model":"a","x":"\u017f \u212a","y":{"MODEL":1}}'.encode(),
        b'{"model":"a","x":"\\u017f \\u212A"}',
    ],
)
def test_an_unambiguous_object_passes(body: bytes) -> None:
    FINDER.refuse_ambiguous(body)


@pytest.mark.parametrize(
    ("body", "param"),
    [
        (b'{"model":"a","model":"a"}', "model"),
        (b'{"model":"a","Model":"b"}', "model"),
        (b'{"MODEL":"a","x":{"model":1},"model":"b"}', "model"),
        (b'{"model":"a","\\u006dodel":"b"}', "model"),
        (b'{"model":"a","\\u004DODEL":"b"}', "model"),
        (b'{"model":"a","\\u005aa":1,"MODE\\u004c":"b"}', "model"),
        (b'{"x":{"n":[{"n":1}]},"n":1,"model":"a","y":{"n":2},"n":3}', "n"),
    ],
)
def test_a_second_reading_is_refused_and_named(body: bytes, param: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        FINDER.refuse_ambiguous(body)
    assert caught.value.param == param


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ('{"Stream":true}', "stream"),
        ('{"x":{"stream":1},"STREAM":true}', "stream"),
        ('{"\u017ftream":true}', "stream"),
        ('{"\u017ftream":true,"stream":false}', "stream"),
        ('{"max_to\u212aens":1}', "max_tokens"),
        ('{"\\u017ftream":true}', "stream"),
        ('{"\\u017Ftream":true,"stream":false}', "stream"),
        ('{"max_to\\u212Aens":1}', "max_tokens"),
        ('{"Max_Tokens":1,"x":"\u017f"}', "max_tokens"),
        ('{"\\u0053tream":true}', "stream"),
    ],
)
def test_a_spelling_that_only_lax_parsers_recognise_is_refused(body: str, param: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        STREAMS.refuse_ambiguous(body.encode())
    assert caught.value.param == param


def test_the_refusal_says_how_to_write_the_field() -> None:
    with pytest.raises(InvalidRequest, match="Write the name of the field as 'stream'"):
        STREAMS.refuse_ambiguous(b'{"Stream":true}')


def test_the_member_is_found_among_thousands_of_namesakes() -> None:
    dice = random.Random(7)
    for _ in range(20):
        crowd: list[object] = [{"model": index} for index in range(dice.randrange(500))]
        pairs = [("a", crowd), ("model", "wanted"), ("b", {"n": crowd, "model": crowd})]
        dice.shuffle(pairs)
        body = json.dumps(dict(pairs)).encode()
        place = FINDER.find(body)["model"]
        assert body[place.start : place.end] == b'"wanted"'


def test_a_flood_of_names_is_refused_rather_than_searched() -> None:
    with pytest.raises(InvalidRequest):
        FINDER.find(b'{"model":"a","x":[' + b'"n",' * 20_000 + b"1]}")


CAMEL = MemberFinder(("inferenceConfig",))


@pytest.mark.parametrize(
    "document",
    [
        b'{"inferenceConfig":{},"inferenceConfig":{}}',
        b'{"inferenceConfig":{},"inferenceconfig":{}}',
        b'{"INFERENCECONFIG":{}}',
        b'{"inferenceconfig":{}}',
        b'{"\\u0069nferenceConfig":{}}',
        b'{"inference\\u0043onfig":{}}',
        b'{"inferenceConfi\\u0047":{},"inferenceConfig":{}}',
    ],
)
def test_a_name_with_capitals_is_refused_in_any_other_spelling(document: bytes) -> None:
    with pytest.raises(InvalidRequest) as caught:
        CAMEL.refuse_ambiguous(document)
    assert caught.value.param == "inferenceConfig"


def test_a_name_with_capitals_is_found_where_it_stands() -> None:
    document = b'{"a":{"inferenceConfig":1,"inferenceconfig":2},"inferenceConfig":{"b":3}}'
    CAMEL.refuse_ambiguous(document)
    place = CAMEL.find(document)["inferenceConfig"]
    assert document[place.start : place.end] == b'{"b":3}'
