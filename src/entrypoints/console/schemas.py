"""How our types look in the OpenAPI document."""

from decimal import Decimal

from litestar.openapi.spec import OpenAPIType, Schema
from litestar.plugins import OpenAPISchemaPlugin
from litestar.typing import FieldDefinition


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
