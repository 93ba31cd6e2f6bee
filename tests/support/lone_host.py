"""The engine with a handful of nodes and real folders: no plugins, no server, no models."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from host.engine.caching.memory import MemoryCache
from host.engine.cancellation import Cancellation
from host.engine.catalogue import Catalogue
from host.engine.events import NoEvents
from host.engine.executor import Executor
from host.engine.outcome import Outcome
from host.engine.validation.prompt import validate
from host.folders import LocalFolders
from sdk import NodeType


@dataclass(frozen=True)
class FolderServices:
    """``NodeServices`` with files and nothing else."""

    folders: LocalFolders
    models: Any = None
    samplers: Mapping[str, Any] = field(default_factory=dict)
    schedulers: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Request:
    """What the executor looks at of a job."""

    id: str
    extra_data: Mapping[str, Any]


class LoneHost:
    """Runs prompts one after another against one cache."""

    def __init__(self, nodes: Iterable[NodeType], folders: LocalFolders) -> None:
        self._catalogue = Catalogue(folders.choices)
        for node in nodes:
            self._catalogue.add(replace(node, pack="core"))
        self._executor = Executor(MemoryCache(2**24), services=FolderServices(folders))

    @property
    def node_ids(self) -> set[str]:
        return {node.id for node in self._catalogue}

    def run(self, request: Mapping[str, Any]) -> Outcome:
        """Run a request as clients post it; it must be valid."""
        validated = validate(request["prompt"], self._catalogue.current())
        assert validated.error is None, (validated.error, validated.node_errors)
        job = Request(request.get("prompt_id", "job"), request.get("extra_data", {}))
        return self._executor.run(job, validated, NoEvents(), Cancellation())
