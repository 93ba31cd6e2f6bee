"""Records to canonical JSON and back.

Canonical: UTF-8, sorted keys, no spaces, fields that hold their default left out. The same record is always the same
bytes, so a document's digest names it. Unknown keys are skipped, so that an older client reads a newer index.
"""

from __future__ import annotations

import dataclasses
import json
import types
import typing
from collections.abc import Mapping
from enum import StrEnum
from functools import cache
from typing import Any, TypeVar, cast

from sdk.pack_ids import is_pack_id
from sdk.registry.errors import BadIndexDocument
from sdk.registry.layout import digest
from sdk.registry.records import Change, IndexConfig, Pack

Record = TypeVar("Record")


def encode_pack(pack: Pack) -> bytes:
    """The pack's document."""
    return _canonical(_plain(pack))


def decode_pack(document: bytes, where: str = "pack document") -> Pack:
    """The pack in a document.

    Raises:
        BadIndexDocument: it is no JSON, a field is missing or of another type, or the id can be none.
    """
    pack = read_record(Pack, read_object(document, where), where)
    if not is_pack_id(pack.id):
        raise BadIndexDocument(where, f"{pack.id!r} can't be a pack's id")
    return pack


def encode_schemas(schemas: Mapping[str, Any]) -> bytes:
    """Schemas of a release's nodes: ``{node id: entry as in /object_info}``."""
    return _canonical(schemas)


def decode_schemas(document: bytes, where: str = "schemas document") -> dict[str, Any]:
    """The other way round.

    Raises:
        BadIndexDocument: it is no JSON object.
    """
    return read_object(document, where)


def encode_config(config: IndexConfig) -> bytes:
    """``/index/config.json``."""
    return _canonical(_plain(config))


def decode_config(document: bytes, where: str = "config.json") -> IndexConfig:
    """The other way round; the caller compares ``format``.

    Raises:
        BadIndexDocument: it is no JSON, or a field is missing or of another type.
    """
    return read_record(IndexConfig, read_object(document, where), where)


def encode_changes(changes: typing.Iterable[Change]) -> bytes:
    """A page of the change feed."""
    return _canonical({"changes": [_plain(change) for change in changes]})


def decode_changes(document: bytes, where: str = "change feed") -> tuple[Change, ...]:
    """The other way round.

    Raises:
        BadIndexDocument: it is no JSON, or a field is missing or of another type.
    """
    entries = read_object(document, where).get("changes")
    if not isinstance(entries, list):
        raise BadIndexDocument(where, "'changes' is no list")
    return tuple(read_record(Change, entry, where) for entry in entries)


def encode_bundle(changes: typing.Iterable[Change], documents: typing.Iterable[bytes]) -> bytes:
    """Changes, and below them a document a line (NDJSON): canonical JSON holds no line breaks."""
    return b"\n".join((encode_changes(changes), *documents))


def decode_bundle(bundle: bytes, where: str = "change feed") -> tuple[tuple[Change, ...], dict[str, bytes]]:
    """The changes, and the documents by their digests; a mere page of the change feed has none.

    Raises:
        BadIndexDocument: the changes are no JSON, or a field is missing or of another type.
    """
    first, *documents = bundle.split(b"\n")
    return decode_changes(first, where), {digest(document): document for document in documents if document}


def read_record(kind: type[Record], data: Any, where: str) -> Record:
    """A record of this kind from plain JSON values; the types of its fields are checked."""
    if not isinstance(data, Mapping):
        raise BadIndexDocument(where, f"a {kind.__name__} must be an object, not {type(data).__name__}")
    given = {
        name: _value(hint, data[name], f"{where}: {name}")
        for name, hint in _hints(cast(Any, kind)).items()
        if name in data
    }
    try:
        return kind(**given)
    except TypeError as error:
        missing = [f.name for f in dataclasses.fields(cast(Any, kind)) if _required(f) and f.name not in given]
        raise BadIndexDocument(where, f"a {kind.__name__} lacks {', '.join(missing)}") from error


def _required(field: dataclasses.Field[Any]) -> bool:
    return field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING


@cache
def _hints(kind: Any) -> dict[str, Any]:
    return typing.get_type_hints(kind)


def _value(hint: Any, value: Any, where: str) -> Any:
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is types.UnionType:
        return None if value is None else _value(arguments[0], value, where)
    if origin is tuple:
        if not isinstance(value, list):
            raise BadIndexDocument(where, f"must be a list, not {type(value).__name__}")
        return tuple(_value(arguments[0], item, where) for item in value)
    if origin is not None and issubclass(origin, Mapping):
        if not isinstance(value, Mapping):
            raise BadIndexDocument(where, f"must be an object, not {type(value).__name__}")
        return {str(key): _value(arguments[1], item, where) for key, item in value.items()}
    if dataclasses.is_dataclass(hint):
        return read_record(cast(type, hint), value, where)
    return _scalar(hint, value, where)


def _scalar(hint: Any, value: Any, where: str) -> Any:
    if issubclass(hint, StrEnum):
        try:
            return hint(value)
        except ValueError as error:
            raise BadIndexDocument(where, f"{value!r} is none of {', '.join(hint)}") from error
    if not isinstance(value, hint) or (hint is int and isinstance(value, bool)):
        raise BadIndexDocument(where, f"must be {hint.__name__}, not {type(value).__name__}")
    return value


def _plain(record: Any) -> Any:
    if dataclasses.is_dataclass(record) and not isinstance(record, type):
        values = ((field, getattr(record, field.name)) for field in dataclasses.fields(record))
        return {field.name: _plain(value) for field, value in values if not _is_default(field, value)}
    if isinstance(record, tuple):
        return [_plain(item) for item in record]
    if isinstance(record, Mapping):
        return {key: _plain(value) for key, value in record.items()}
    return record


def _is_default(field: dataclasses.Field[Any], value: Any) -> bool:
    if field.default is not dataclasses.MISSING:
        return bool(value == field.default)
    return field.default_factory is not dataclasses.MISSING and value == field.default_factory()


def _canonical(data: Any) -> bytes:
    return json.dumps(data, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()


def read_object(document: bytes, where: str) -> dict[str, Any]:
    """The JSON object in a document.

    Raises:
        BadIndexDocument: it is none, or holds halves of characters, which can be neither stored nor shown.
    """
    try:
        data = json.loads(document)
        if b"\\u" in document:
            _canonical(data)
    except (ValueError, RecursionError) as error:
        raise BadIndexDocument(where, f"it is no JSON ({error})") from error
    if not isinstance(data, dict):
        raise BadIndexDocument(where, f"it must be an object, not {type(data).__name__}")
    return data
