"""Documents as files: strict YAML or JSON, references to the environment and to files beside it."""

from decimal import Decimal
from pathlib import Path

import click
import pytest

from entrypoints.cli.documents import LocalLookup, dump_json, dump_yaml, load_document


def write(directory: Path, text: str | bytes) -> Path:
    path = directory / "document.yaml"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def load(directory: Path, text: str, **environment: str) -> object:
    return load_document(write(directory, text), environment).tree


def test_yaml_and_json_are_read(tmp_path: Path) -> None:
    assert load(tmp_path, "a: [1, yes, 2.5, text]") == {"a": [1, True, 2.5, "text"]}
    assert load(tmp_path, '{"a": [1, true, 2.5, "text"]}') == {"a": [1, True, 2.5, "text"]}


def test_references_are_resolved_beside_the_document(tmp_path: Path) -> None:
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "key").write_text("sk-1\n")
    document = "a: ${file:secrets/key}\nb: ${NAME}"
    assert load(tmp_path, document, NAME="x") == {"a": "sk-1", "b": "x"}


@pytest.mark.parametrize("line_end", ["", "\n", "\r\n"])
def test_only_the_last_line_break_of_a_file_is_dropped(tmp_path: Path, line_end: str) -> None:
    (tmp_path / "key").write_bytes(b" two\nlines " + line_end.encode())
    assert LocalLookup({}, tmp_path).file("key") == " two\nlines "


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("absent", None, "does not exist"),
        ("binary", b"\xff\xfe", "not text"),
        ("large", b"x" * 70_000, "larger"),
    ],
)
def test_a_file_that_cannot_be_inserted_says_why(
    tmp_path: Path, name: str, content: bytes | None, reason: str
) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    (fault,) = load_document(write(tmp_path, f"a: ${{file:{name}}}"), {}).faults
    assert fault.startswith(f"a: the file {name} ")
    assert reason in fault


def test_a_device_or_a_directory_is_no_file(tmp_path: Path) -> None:
    document = write(tmp_path, "a: ${file:/dev/zero}\nb: ${file:.}")
    assert len(load_document(document, {}).faults) == 2


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("a: 1\nb: 2\na: 3", "'a' twice, again in line 3"),
        ("x: {y: [{z: 1, z: 2}]}", "'z' twice"),
        ("a: [1", "line 1"),
        ("a: !!python/object/apply:os.system ['true']", "line 1"),
        ("a: *nowhere", "line 1"),
        ("[" * 5000, "nested too deeply"),
    ],
)
def test_what_is_no_plain_document_is_refused(tmp_path: Path, text: str, reason: str) -> None:
    with pytest.raises(click.ClickException, match=reason):
        load(tmp_path, text)


def test_a_broken_document_is_not_quoted(tmp_path: Path) -> None:
    with pytest.raises(click.ClickException) as refused:
        load(tmp_path, 'api_key: "sk-hunter2\nb: [')
    assert "hunter2" not in refused.value.message


def test_merged_mappings_may_override(tmp_path: Path) -> None:
    text = "base: &base {a: 1, b: 2}\nuse: {<<: *base, b: 3}"
    assert load(tmp_path, text) == {"base": {"a": 1, "b": 2}, "use": {"a": 1, "b": 3}}
    text = "a: &a {x: 1}\nb: &b {<<: *a, x: 2}\nc: {<<: *b, x: 3}"
    assert load(tmp_path, text) == {"a": {"x": 1}, "b": {"x": 2}, "c": {"x": 3}}


def test_what_cannot_be_read_is_refused(tmp_path: Path) -> None:
    with pytest.raises(click.ClickException, match="cannot be read"):
        load_document(tmp_path / "absent", {})
    with pytest.raises(click.ClickException, match="UTF-8"):
        load_document(write(tmp_path, b"a: \xff"), {})
    with pytest.raises(click.ClickException, match="larger"):
        load_document(write(tmp_path, b"#" * (8 * 1024 * 1024 + 1)), {})


def test_a_document_survives_being_printed(tmp_path: Path) -> None:
    document = {
        "amounts": [Decimal("2.5"), Decimal(10), Decimal("0.000000001")],
        "texts": ["yes", "1.5", "2030-01-01T00:00:00Z", "a: b", "", "ü", "line\nbreak", "$"],
        "same": [["shared"]] * 2,
    }
    plain = {**document, "amounts": [2.5, 10, 1e-9]}
    assert load(tmp_path, dump_yaml(document)) == plain
    assert "*" not in dump_yaml(document)
    assert load(tmp_path, dump_json({"texts": document["texts"]}).decode()) == {
        "texts": document["texts"]
    }
