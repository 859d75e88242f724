"""The feed's messages in the API: the same structs, and their own JSON Schema in its description. Knows no route."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from pydantic import BaseModel, GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import CoreSchema, core_schema

Described = dict[int | str, dict[str, Any]]
"""What FastAPI takes as `responses`. `itemSchema` is OpenAPI's word for what comes one after the other."""


class Told:
    """Annotates a struct in a model: it is sent as on the feed, and described as msgspec describes it."""

    def __get_pydantic_core_schema__(self, struct: type[msgspec.Struct], _handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.is_instance_schema(
            struct,
            serialization=core_schema.plain_serializer_function_ser_schema(msgspec.to_builtins),
            metadata={"struct": struct},
        )

    def __get_pydantic_json_schema__(self, schema: CoreSchema, _handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return schema_of(schema["metadata"]["struct"])


def schema_of(kind: type[msgspec.Struct | BaseModel]) -> dict[str, Any]:
    """A struct's or a model's JSON Schema in one piece."""
    if issubclass(kind, BaseModel):
        schema = kind.model_json_schema(mode="serialization")
        parts = schema.pop("$defs", {})
    else:
        (schema,), parts = msgspec.json.schema_components((kind,))
    whole: dict[str, Any] = _in_one_piece(schema, parts)
    return whole


def lines_of(media_type: str, kind: type[msgspec.Struct]) -> Described:
    """For a route that answers with one of these on each line."""
    return {200: {"content": {media_type: {"itemSchema": schema_of(kind)}}}}


def events_of(media_type: str, kinds: Mapping[str, type[msgspec.Struct | BaseModel]]) -> Described:
    """For a route that answers with server-sent events: by name, what the data of each is as JSON."""
    told = [
        {
            "type": "object",
            "properties": {
                "event": {"const": name},
                "id": {"type": "string"},
                "data": {"type": "string", "contentMediaType": "application/json", "contentSchema": schema_of(kind)},
            },
            "required": ["event", "data"],
        }
        for name, kind in kinds.items()
    ]
    return {200: {"content": {media_type: {"itemSchema": {"oneOf": told}}}}}


def _in_one_piece(schema: Any, parts: dict[str, Any]) -> Any:
    match schema:
        case {"$ref": str(reference)}:
            return _in_one_piece(parts[reference.rpartition("/")[2]], parts)
        case dict():
            return {key: _in_one_piece(value, parts) for key, value in schema.items()}
        case list():
            return [_in_one_piece(each, parts) for each in schema]
        case _:
            return schema
