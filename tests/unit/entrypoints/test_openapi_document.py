"""The OpenAPI document is complete: nothing of it is left to whoever writes a handler."""

import re
from collections.abc import Iterator
from typing import Annotated, Any, Generic, TypeVar, cast

import msgspec
import pytest
from litestar import Litestar, post
from litestar.openapi.config import OpenAPIConfig
from litestar.params import JSONBody
from msgspec import Struct

from entrypoints.console.openapi import TAGS
from entrypoints.console.schemas import ExactNumbers, Structs
from tests.support.described_api import Described, document, operations

OPERATIONS = operations()
T = TypeVar("T")


@pytest.fixture(params=OPERATIONS, ids=[each.id for each in OPERATIONS])
def operation(request: pytest.FixtureRequest) -> Described:
    return request.param


def test_operation_ids_are_unique_names_in_snake_case() -> None:
    ids = [each.id for each in OPERATIONS]
    assert len(ids) == len(set(ids))
    assert [each for each in ids if not re.fullmatch(r"[a-z][a-z0-9]*(_[a-z0-9]+)*", each)] == []


def test_every_operation_says_what_it_does_under_a_tag_that_is_described(
    operation: Described,
) -> None:
    (tag,) = operation.spec["tags"]
    assert tag in TAGS
    assert operation.spec["summary"]
    assert operation.spec["description"]


def test_every_problem_is_a_problem_document(operation: Described) -> None:
    for status, response in operation.spec["responses"].items():
        if int(status) >= 400 and (operation.id, status) != ("get_readiness", "503"):
            name = response["$ref"].rpartition("/")[2]
            content = document()["components"]["responses"][name]["content"]
            assert set(content) == {"application/problem+json"}
            problem = content["application/problem+json"]
            assert problem["schema"] == {"$ref": "#/components/schemas/Problem"}
            assert problem["example"]["status"] == int(status)


def test_what_needs_a_credential_says_so(operation: Described) -> None:
    security = operation.spec.get("security", document()["security"])
    signs_in = operation.id in {"begin_single_sign_on", "finish_single_sign_on"}
    if signs_in:  # what the identity provider says may be refused
        assert 403 in operation.statuses
        return
    takes_proof = bool(security) or operation.method != "get"
    assert ({401, 403} <= operation.statuses) == takes_proof
    assert bool({401, 403} & operation.statuses) == takes_proof
    named = {name for each in security for name in each}
    assert named <= document()["components"]["securitySchemes"].keys()


def test_only_what_lets_people_in_and_what_machines_ask_is_open_to_anybody() -> None:
    assert {each.id for each in OPERATIONS if each.spec.get("security") == []} == {
        "sign_in", "get_setup", "set_up", "accept_invite", "get_liveness", "get_readiness",
        "list_sign_in_providers", "begin_single_sign_on", "finish_single_sign_on",
    }  # fmt: skip


def test_every_operation_that_asks_for_a_password_or_a_code_may_ask_for_patience() -> None:
    """Each counts attempts; the answer says when the next one is let through."""
    assert {each.id for each in OPERATIONS if 429 in each.statuses} == {
        "sign_in", "refresh_session", "set_up", "accept_invite", "change_my_password",
        "confirm_totp", "disable_totp", "renew_recovery_codes", "begin_single_sign_on",
    }  # fmt: skip


def test_answers_are_described_to_the_last_member(operation: Described) -> None:
    for status, response in operation.spec["responses"].items():
        if status.startswith("2") and status != "204":
            for content in response["content"].values():
                assert content["schema"]


def test_every_reference_leads_somewhere_and_no_object_is_shapeless() -> None:
    for place, node in _nodes(document(), "#"):
        if isinstance(target := node.get("$ref"), str):
            found: Any = document()
            for step in target.removeprefix("#/").split("/"):
                found = found[step]
        if node.get("type") == "object":
            assert {"properties", "additionalProperties"} & set(node), place
        if node.get("type") == "array":
            assert "items" in node or "prefixItems" in node, place


def test_schemas_have_names_that_clients_can_bear() -> None:
    """A generic struct is subclassed for each of its uses; `Page[RuleView]` has no name of its own."""
    names = document()["components"]["schemas"]
    assert [name for name in names if not re.fullmatch(r"[A-Z][A-Za-z0-9]*", name)] == []


def test_no_text_is_indented_as_in_the_source() -> None:
    texts = [node["description"] for _, node in _nodes(document(), "#") if "description" in node]
    assert [text for text in texts if isinstance(text, str) and "\n    " in text] == []


def _nodes(node: object, place: str) -> Iterator[tuple[str, dict[str, Any]]]:
    if isinstance(node, dict):
        members = cast("dict[str, Any]", node)
        yield place, members
        for name, each in members.items():
            yield from _nodes(each, f"{place}/{name}")
    elif isinstance(node, list):
        for each in cast("list[Any]", node):
            yield from _nodes(each, place)


class Item(Struct, forbid_unknown_fields=True):
    """An item.

    Programmers read more.
    """

    name: Annotated[str, msgspec.Meta(min_length=1, max_length=9, pattern="^a")]
    count: Annotated[int, msgspec.Meta(ge=1, le=5)] | None = None
    tags: Annotated[tuple[str, ...], msgspec.Meta(max_length=3)] = ()


class Many(Struct, Generic[T]):
    """Many."""

    items: tuple[T, ...]
    first: T | None = None


class Items(Many[Item]):
    """Items."""


@pytest.fixture
def schemas() -> dict[str, Any]:
    @post("/items")
    async def add_items(data: JSONBody[Items]) -> Many[Item]:
        return data

    app = Litestar(
        [add_items],
        plugins=[ExactNumbers(), Structs()],
        openapi_config=OpenAPIConfig(title="", version=""),
    )
    components: dict[str, Any] = app.openapi_schema.to_schema()["components"]
    return components["schemas"]


def test_members_of_a_generic_base_have_the_type_they_stand_for(schemas: dict[str, Any]) -> None:
    item = {"$ref": "#/components/schemas/Item"}
    direct = next(name for name in schemas if name.startswith("Many"))
    for name in ("Items", direct):
        members = schemas[name]["properties"]
        assert members["items"] == {"type": "array", "items": item}
        assert members["first"] == {"oneOf": [item, {"type": "null"}]}


def test_bounds_and_unknown_members_are_told(schemas: dict[str, Any]) -> None:
    item = schemas["Item"]
    assert item["additionalProperties"] is False
    assert item["description"] == "An item."
    assert item["required"] == ["name"]
    name, count, tags = (item["properties"][each] for each in ("name", "count", "tags"))
    assert (name["minLength"], name["maxLength"], name["pattern"]) == (1, 9, "^a")
    assert (count["minimum"], count["maximum"]) == (1, 5)
    assert (tags["type"], tags["maxItems"]) == ("array", 3)
