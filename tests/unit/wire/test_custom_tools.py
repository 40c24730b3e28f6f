import json

from hypothesis import given
from hypothesis import strategies as st

from adapters.wire.custom_tools import (
    as_function,
    call_arguments,
    call_input,
    custom_names,
    flat_format,
    nested_format,
)
from domain.inference.conversation import ToolCallPart
from domain.inference.dialect import Dialect
from domain.inference.request import CustomTool, FunctionTool, InferenceRequest

FLAT: dict[str, object] = {"type": "grammar", "syntax": "lark", "definition": "start: /.+/"}
NESTED: dict[str, object] = {
    "type": "grammar",
    "grammar": {"syntax": "lark", "definition": "start: /.+/"},
}


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_free_text_comes_back_from_its_arguments(text: str) -> None:
    call = ToolCallPart(id="c", name="patch", arguments=text, custom=True)
    assert call_input(call_arguments(call)) == text


def test_arguments_of_functions_stay_as_they_are() -> None:
    call = ToolCallPart(id="c", name="look", arguments='{"a": 1}')
    assert call_arguments(call) == '{"a": 1}'


def test_arguments_other_than_the_input_are_the_input() -> None:
    for arguments in ('{"patch":"x"}', '{"input":"x","more":1}', '{"input":5}', "raw", "{", ""):
        assert call_input(arguments) == arguments


def test_the_function_takes_one_text_and_knows_the_grammar() -> None:
    for form in (FLAT, NESTED):
        tool = as_function(CustomTool(name="patch", description="Edits.", format=form))
        assert tool.name == "patch"
        assert tool.description == (
            "Edits.\n\nThe input must match this lark grammar:\nstart: /.+/"
        )
        parameters = json.loads(json.dumps(tool.parameters))
        assert parameters["required"] == list(parameters["properties"]) == ["input"]
        assert parameters["properties"]["input"]["type"] == "string"
    assert as_function(CustomTool(name="patch", format={"type": "text"})).description is None


def test_a_grammar_is_written_either_way_whoever_wrote_it() -> None:
    for form in (FLAT, NESTED):
        tool = CustomTool(name="patch", format=form)
        assert flat_format(tool) == FLAT
        assert nested_format(tool) == NESTED
    text: dict[str, object] = {"type": "text"}
    for plain in (None, text):
        tool = CustomTool(name="patch", format=plain)
        assert flat_format(tool) == nested_format(tool) == plain


def test_names_are_those_of_custom_tools_only() -> None:
    request = InferenceRequest(
        source=Dialect.OPENAI_RESPONSES,
        model="m",
        messages=(),
        tools=(CustomTool(name="patch"), FunctionTool(name="look")),
    )
    assert custom_names(request) == {"patch"}
