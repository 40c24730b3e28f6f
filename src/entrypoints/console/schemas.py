"""How our types look in the OpenAPI document."""

from decimal import Decimal
from enum import Enum
from inspect import cleandoc
from types import UnionType
from typing import Annotated, Any, Generic, TypeVar, Union, get_args, get_origin, get_type_hints

import msgspec
from litestar._openapi.schema_generation import SchemaCreator
from litestar.openapi.spec import Example, OpenAPIType, Schema
from litestar.params import ParameterKwarg
from litestar.plugins import OpenAPISchemaPlugin
from litestar.types import Empty
from litestar.typing import FieldDefinition
from msgspec import Struct


class ExactNumbers(OpenAPISchemaPlugin):
    """Amounts are JSON numbers (see `answers`); the framework would call a Decimal text."""

    @staticmethod
    def is_plugin_supported_type(value: object) -> bool:
        """Take decimals."""
        return value is Decimal

    def to_openapi_schema(
        self, field_definition: FieldDefinition, schema_creator: object
    ) -> Schema:
        """Return the schema of a number."""
        del field_definition, schema_creator
        return Schema(type=OpenAPIType.NUMBER)


class Structs(OpenAPISchemaPlugin):
    """Our structs as msgspec reads and writes them.

    Where the framework has a schema of its own for them, it loses the types of members that a
    generic base declares, the bounds of `msgspec.Meta`, and that unknown members are refused.
    """

    @staticmethod
    def is_plugin_supported_type(value: object) -> bool:
        """Take structs."""
        return isinstance(value, type) and issubclass(value, Struct)

    def to_openapi_schema(
        self, field_definition: FieldDefinition, schema_creator: SchemaCreator
    ) -> Schema:
        """Return the schema of a struct, also registered among the document's components."""
        asked: type[Struct] = field_definition.annotation
        kind: type[Struct] = get_origin(asked) or asked
        hints = get_type_hints(kind, include_extras=True)
        given = _type_arguments(asked)
        fields = msgspec.structs.fields(kind)
        schema = schema_creator.create_component_schema(
            field_definition,
            required=sorted(field.encode_name for field in fields if field.required),
            property_fields={
                field.encode_name: _member(field, _filled(hints[field.name], given))
                for field in fields
            },
        )
        schema.description = _description(kind)
        if kind.__struct_config__.forbid_unknown_fields:
            schema.additional_properties = False
        return schema


def _member(field: msgspec.structs.FieldInfo, hint: object) -> FieldDefinition:
    more: dict[str, Any] = {}
    meta = _meta(hint)
    if meta is not None:
        counts_characters = _is_text(hint)
        more["kwarg_definition"] = ParameterKwarg(
            annotation=hint,
            title=meta.title,
            description=meta.description,
            examples=[Example(value=value) for value in meta.examples or ()] or None,
            gt=meta.gt,
            ge=meta.ge,
            lt=meta.lt,
            le=meta.le,
            multiple_of=meta.multiple_of,
            pattern=meta.pattern,
            min_length=meta.min_length if counts_characters else None,
            max_length=meta.max_length if counts_characters else None,
            min_items=None if counts_characters else meta.min_length,
            max_items=None if counts_characters else meta.max_length,
        )
    return FieldDefinition.from_annotation(
        annotation=hint, name=field.encode_name, default=_default(field), **more
    )


def _meta(hint: object) -> msgspec.Meta | None:
    """Return what a type says about its values, also below `| None`."""
    if get_origin(hint) is Annotated:
        said = [each for each in get_args(hint) if isinstance(each, msgspec.Meta)]
        return said[0] if said else None
    if get_origin(hint) in (Union, UnionType):
        found = filter(None, map(_meta, get_args(hint)))
        return next(found, None)
    return None


def _is_text(hint: object) -> bool:
    if get_origin(hint) in (Union, UnionType):
        return any(map(_is_text, get_args(hint)))
    return (get_args(hint)[0] if get_origin(hint) is Annotated else hint) is str


def _default(field: msgspec.structs.FieldInfo) -> object:
    """Return the default as the document can say it; None is in the type already."""
    value = field.default
    if value is msgspec.NODEFAULT or value is msgspec.UNSET or value is None:
        return Empty
    return value.value if isinstance(value, Enum) else value


def _type_arguments(kind: type) -> dict[object, object]:
    """Return what type variables stand for, those of generic bases included."""
    given: dict[object, object] = {}
    waiting: list[object] = [kind]
    while waiting:
        asked = waiting.pop()
        origin = get_origin(asked) or asked
        names: tuple[object, ...] = getattr(origin, "__parameters__", ())
        if origin is not Generic:
            for name, argument in zip(names, get_args(asked), strict=False):
                given[name] = given.get(argument, argument)
        waiting += getattr(origin, "__orig_bases__", ())
    return given


def _filled(hint: Any, given: dict[object, object]) -> Any:  # noqa: ANN401 - types of types
    """Return a type with its variables replaced."""
    if isinstance(hint, TypeVar):
        return given.get(hint, hint)
    names: tuple[object, ...] = getattr(hint, "__parameters__", ())
    return hint[tuple(given.get(name, name) for name in names)] if names else hint


def _description(kind: type[Struct]) -> str | None:
    """Return the first paragraph of the docstring; what follows is for programmers."""
    text = kind.__dict__.get("__doc__")
    return cleandoc(text).split("\n\n", 1)[0] if isinstance(text, str) else None
