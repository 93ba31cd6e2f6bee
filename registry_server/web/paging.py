"""Long lists in parts."""

from __future__ import annotations

from dataclasses import dataclass, field
from urllib.parse import urlsplit

from fastapi import Request

from registry_server.requests import root_of
from registry_server.web.links import search_path

PAGE_SIZE = 20


@dataclass(frozen=True, kw_only=True)
class Pager:
    """Where in a list of results we are.

    Attributes:
        fields: what was searched for.
    """

    page: int
    total: int
    size: int = PAGE_SIZE
    fields: dict[str, str] = field(default_factory=dict)

    @property
    def pages(self) -> int:
        """How many there are."""
        return max(1, -(-self.total // self.size))

    @property
    def before(self) -> str:
        """Path of the page before this one, "" on the first."""
        return search_path(min(self.page - 1, self.pages), **self.fields) if self.page > 1 else ""

    @property
    def after(self) -> str:
        """Path of the next page, "" on the last."""
        return search_path(self.page + 1, **self.fields) if self.page < self.pages else ""


def root_path(request: Request) -> str:
    """What stands before every path of ours: "" unless a proxy serves the registry below a folder."""
    return urlsplit(root_of(request)).path.rstrip("/")
