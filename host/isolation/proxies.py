"""An isolated pack as the host sees it: nodes like any other's, whose work is done elsewhere."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from typing import Any

from host.isolation.descriptions import node_facts
from host.isolation.errors import NotIsolable
from host.isolation.pack_process import PackProcess, State
from host.isolation.process import IsolatedPack
from sdk.context import NodeContext
from sdk.errors import SdkError
from sdk.hooks import hookimpl
from sdk.nodes import NodeResult, NodeType, Validation
from sdk.web import WebDirectory

logger = logging.getLogger(__name__)


class NotLoadedThere(SdkError):
    """A pack can't be imported in its own process; ``problem`` says why, ``remedy`` what to do."""

    def __init__(self, pack: str, problem: str, remedy: str) -> None:
        super().__init__(pack, problem, remedy)
        self.pack, self.problem, self.remedy = pack, problem, remedy

    def __str__(self) -> str:
        return f"in its own process, {self.problem} {self.remedy}"


class IsolatedPlugin:
    """What an isolated pack contributes.

    Attributes:
        unheard: hooks that it takes part in, and is not asked by here, because they are called all the time.
    """

    def __init__(
        self,
        process: PackProcess,
        nodes: Iterable[NodeType],
        folders: Iterable[WebDirectory],
        unheard: Iterable[str] = (),
    ) -> None:
        self.process, self._nodes, self._folders = process, tuple(nodes), tuple(folders)
        self.unheard = tuple(unheard)

    @hookimpl
    def register_nodes(self) -> Iterable[NodeType]:
        return self._nodes

    @hookimpl
    def register_web_directories(self) -> Iterable[WebDirectory]:
        return self._folders


def load_isolated(pack: IsolatedPack) -> dict[str, Any]:
    """The plugin of a pack that was started in a process of its own, by name.

    Raises:
        NotLoadedThere: it can't be imported.
        NotIsolable: it does what works in the host's own process alone.
        WorkerEnded: its process did not live to say anything.
    """
    process = PackProcess(pack)
    try:
        loaded = process.load()
        if "failure" in loaded:
            raise NotLoadedThere(pack.id, loaded["failure"], loaded["hint"])
        if loaded["here_only"] or (loaded["observes"] and not loaded["nodes"]):
            raise NotIsolable(pack.id, (*loaded["here_only"], *loaded["observes"]))
        if loaded["observes"]:
            logger.warning("%s", not_told(pack.id, loaded["observes"]))
    except BaseException:
        process.end()
        raise
    nodes = [proxy(process, described) for described in loaded["nodes"]]
    return {"isolated": IsolatedPlugin(process, nodes, loaded["web_directories"], loaded["observes"])}


def not_told(pack: str, hooks: Iterable[str]) -> str:
    """What users should know of an isolated pack that takes part in these hooks."""
    return f"pack {pack} is isolated, so it is not told of what the host does ({', '.join(hooks)}); its nodes work"


def proxy(process: PackProcess, described: Mapping[str, Any]) -> NodeType:
    """A node that has everything done by the pack's process.

    Its fingerprint counts the ends of that process, because values that were kept there are gone then.
    """
    facts, has = node_facts(described), described["has"]
    node_id: str = facts["id"]

    def run(state: State | None, inputs: dict[str, Any], context: NodeContext) -> NodeResult:
        result: NodeResult = process.call("run", node_id, (state and state.number, inputs), context)
        return result

    def lazy(state: State | None, inputs: dict[str, Any]) -> Any:
        return process.call("lazy", node_id, (state and state.number, inputs))

    def fingerprint(inputs: dict[str, Any]) -> list[Any]:
        return [process.deaths, process.call("fingerprint", node_id, (inputs,)) if "fingerprint" in has else None]

    def migrate(inputs: dict[str, Any], version: str) -> dict[str, Any]:
        migrated: dict[str, Any] = process.call("migrate", node_id, (inputs, version))
        return migrated

    def check(**given: Any) -> bool | str:
        answer: bool | str = process.call("validate", node_id, (given,))
        return answer

    names, wants_types = described.get("checked", (None, False))
    return NodeType(
        **facts,
        run=run,
        create=(lambda: State(process.forget)) if "create" in has else None,
        lazy=lazy if "lazy" in has else None,
        validation=Validation(check=check, names=names, wants_types=wants_types) if "validation" in has else None,
        fingerprint=fingerprint,
        migrate=migrate if "migrate" in has else None,
        refresh=(lambda: proxy(process, process.call("refresh", node_id, ()))) if "refresh" in has else None,
    )
