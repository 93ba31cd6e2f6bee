"""What request bodies hold, for the description of the API. The routes read bodies themselves, whatever their type."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

TEXT: Mapping[str, Any] = {"type": "string"}
FLAG: Mapping[str, Any] = {"type": "boolean"}
OBJECT: Mapping[str, Any] = {"type": "object"}
ANYTHING: Mapping[str, Any] = {}
TEXTS: Mapping[str, Any] = {"type": "array", "items": TEXT}
NODE: Mapping[str, Any] = {
    "type": "object",
    "properties": {"class_type": TEXT, "inputs": OBJECT, "_meta": OBJECT},
    "required": ["class_type", "inputs"],
}
SUBMISSION: Mapping[str, Mapping[str, Any]] = {
    "client_id": TEXT,
    "prompt_id": {**TEXT, "minLength": 1},
    "number": {"type": "number"},
    "front": FLAG,
    "extra_data": OBJECT,
    "webhook": {**TEXT, "format": "uri"},
}
PROMPT: Mapping[str, Mapping[str, Any]] = {
    "prompt": {"type": "object", "additionalProperties": NODE},
    **SUBMISSION,
    "partial_execution_targets": TEXTS,
}
RUN: Mapping[str, Mapping[str, Any]] = {"workflow": OBJECT, "overrides": OBJECT, **SUBMISSION}
CLEARING: Mapping[str, Mapping[str, Any]] = {"clear": FLAG, "delete": TEXTS}


def described(required: tuple[str, ...] = (), /, **properties: Mapping[str, Any]) -> dict[str, Any]:
    """For ``openapi_extra`` of a route whose body is a JSON object with these keys."""
    schema = {"type": "object", "properties": properties, "required": list(required)}
    return described_as(schema if required else {key: value for key, value in schema.items() if key != "required"})


def described_as(schema: Mapping[str, Any], media_type: str = "application/json") -> dict[str, Any]:
    """For ``openapi_extra`` of a route whose body is something else."""
    return {"requestBody": {"content": {media_type: {"schema": schema}}}}


def form(**properties: Mapping[str, Any]) -> dict[str, Any]:
    """For ``openapi_extra`` of a route that takes a form with a file ``image``."""
    file = {"type": "string", "format": "binary"}
    schema = {"type": "object", "properties": {"image": file, **properties}, "required": ["image"]}
    return described_as(schema, "multipart/form-data")
