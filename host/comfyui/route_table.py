"""What packs declare as ``PromptServer.instance.routes``."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

STATIC = "static"
ANY_METHOD = "*"


@dataclass(frozen=True)
class Declared:
    """One route as a pack declared it; of method ``STATIC``, ``target`` is a folder."""

    method: str
    path: str
    target: Any
    options: dict[str, Any] = field(default_factory=dict)


class RouteTable(Sequence[Declared]):
    """Collects routes by decorators, as aiohttp's ``RouteTableDef`` does."""

    def __init__(self) -> None:
        self._declared: list[Declared] = []

    def __getitem__(self, index: Any) -> Any:
        return self._declared[index]

    def __len__(self) -> int:
        return len(self._declared)

    def __iter__(self) -> Iterator[Declared]:
        return iter(self._declared)

    def forget(self, routes: Sequence[Declared]) -> None:
        """Forget these routes."""
        self._declared = [route for route in self._declared if not any(route is gone for gone in routes)]

    def route(self, method: str, path: str, **options: Any) -> Callable[[Any], Any]:
        """A decorator for the handler of a route."""

        def declare(handler: Any) -> Any:
            self._declared.append(Declared(method.upper(), path, handler, options))
            return handler

        return declare

    def get(self, path: str, **options: Any) -> Callable[[Any], Any]:
        return self.route("GET", path, **options)

    def head(self, path: str, **options: Any) -> Callable[[Any], Any]:
        return self.route("HEAD", path, **options)

    def post(self, path: str, **options: Any) -> Callable[[Any], Any]:
        return self.route("POST", path, **options)

    def put(self, path: str, **options: Any) -> Callable[[Any], Any]:
        return self.route("PUT", path, **options)

    def patch(self, path: str, **options: Any) -> Callable[[Any], Any]:
        return self.route("PATCH", path, **options)

    def delete(self, path: str, **options: Any) -> Callable[[Any], Any]:
        return self.route("DELETE", path, **options)

    def options(self, path: str, **options: Any) -> Callable[[Any], Any]:
        return self.route("OPTIONS", path, **options)

    def view(self, path: str, **options: Any) -> Callable[[Any], Any]:
        return self.route(ANY_METHOD, path, **options)

    def static(self, prefix: str, path: Any, **options: Any) -> None:
        """Have the files of a folder served below a prefix."""
        self._declared.append(Declared(STATIC, prefix, path, options))
