"""The root of all tables."""

from __future__ import annotations

from typing import Any, ClassVar

from sqlalchemy import JSON, MetaData
from sqlalchemy.orm import DeclarativeBase

NAMES = {
    "ix": "ix_%(column_0_label)s",
    "uq": "uq_%(table_name)s_%(column_0_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s",
    "pk": "pk_%(table_name)s",
}
STAMP_WIDTH = 27
"""Characters of a moment, see ``registry_server.clock``."""


class Base(DeclarativeBase):
    """Every table's root; constraints have names, so that migrations can speak of them."""

    metadata = MetaData(naming_convention=NAMES)
    type_annotation_map: ClassVar[dict[Any, Any]] = {list[str]: JSON, list[Any]: JSON, dict[str, Any]: JSON}
