"""The field tables against botocore's own service model."""

from collections.abc import Iterator
from typing import Any, cast

import botocore.session
import pytest

from adapters.wire.bedrock_converse.fields import FATES, REQUEST_FIELDS, client_name, fates_for
from domain.inference.conversation import Message, Role, TextPart
from domain.inference.dialect import Dialect
from domain.inference.fields import CANONICAL_FIELDS, Fate
from domain.inference.request import InferenceRequest


def members(shape: Any, path: str, seen: tuple[str, ...]) -> Iterator[str]:
    """Yield the paths of all leaves below a shape; lists and maps add nothing to them."""
    if shape.type_name == "list":
        yield from members(shape.member, path, seen)
    elif (
        shape.type_name == "map"
        or shape.type_name != "structure"
        or getattr(shape, "is_document_type", False)
    ):
        yield path
    elif shape.members and shape.name not in seen:
        for name, inner in shape.members.items():
            below = f"{path}.{name}" if path else name
            yield from members(inner, below, (*seen, shape.name))
    else:
        yield path


def official() -> frozenset[str]:
    session = cast("Any", botocore.session.get_session())
    service = session.get_service_model("bedrock-runtime")
    return frozenset(
        path
        for operation in ("Converse", "ConverseStream")
        for path in members(service.operation_model(operation).input_shape, "", ())
    )


OFFICIAL = official()


def entry_of(path: str) -> str | None:
    """Return the entry that speaks for a path: its own, or the nearest above."""
    while path not in REQUEST_FIELDS:
        if "." not in path:
            return None
        path = path.rpartition(".")[0]
    return path


@pytest.mark.parametrize("path", sorted(OFFICIAL))
def test_every_member_of_the_official_request_has_a_fate(path: str) -> None:
    assert entry_of(path) is not None


def test_no_entry_speaks_of_what_is_not_there() -> None:
    spoken_for = {entry_of(path) for path in OFFICIAL}
    assert set(REQUEST_FIELDS) - spoken_for == set()


def test_mapped_members_name_canonical_fields() -> None:
    bases = {field.partition(".")[0] for field in CANONICAL_FIELDS} | {"model", "messages"}
    for field in REQUEST_FIELDS.values():
        if field.fate is Fate.MAPPED:
            assert field.to in CANONICAL_FIELDS or field.to in bases, field.to


def test_every_canonical_field_has_a_fate() -> None:
    assert set(FATES) == set(CANONICAL_FIELDS)


@pytest.mark.parametrize(
    ("field", "name"),
    [
        ("max_output_tokens", "inferenceConfig.maxTokens"),
        ("extensions.performanceConfig", "performanceConfig"),
        ("vendor.bedrock_converse.guardrailConfig", "guardrailConfig"),
        ("vendor.bedrock_converse.systemTool", "toolConfig.tools.systemTool"),
        ("vendor.bedrock_converse.toolAddition", "messages.content.toolAddition"),
        ("messages[0].content[1].video.source.s3Location.bucketOwner",) * 2,
        ("sampling.seed", "sampling.seed"),
    ],
)
def test_warnings_use_the_clients_words(field: str, name: str) -> None:
    assert client_name(field) == name


def asked(**members: Any) -> InferenceRequest:
    message = Message(role=Role.USER, parts=(TextPart(text="Hi"),))
    values: dict[str, Any] = {"source": Dialect.OPENAI_CHAT, "model": "m", "messages": (message,)}
    return InferenceRequest(**(values | members))


def test_extensions_pass_in_their_own_dialect_only() -> None:
    own = fates_for(asked(source=Dialect.BEDROCK_CONVERSE, extensions={"x": 1}))
    assert own["extensions.x"] is Fate.PASSED
    assert "extensions.x" not in fates_for(asked(extensions={"x": 1}))


def test_what_bedrock_does_anyway_is_no_loss() -> None:
    fates = fates_for(asked(store=False, modalities=("text",)))
    assert (fates["store"], fates["modalities"]) == (Fate.MAPPED, Fate.MAPPED)
    fates = fates_for(asked(store=True, modalities=("text", "audio")))
    assert (fates["store"], fates["modalities"]) == (Fate.DROPPED, Fate.REFUSED)
