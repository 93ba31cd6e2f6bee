"""Says whether a prompt can run, and everything that is wrong with it; never recursive, linear in nodes and links."""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from host.engine import validation_faults as faults
from host.engine.catalogue import Schemas
from host.engine.graph import GraphNode
from host.engine.validation_node import Visit, close_node, open_node

if TYPE_CHECKING:
    from sdk.context import Folders

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Validated:
    """A prompt after its validation.

    Attributes:
        prompt: the prompt with constants converted to their declared types; the given one is left as it was.
        schemas: the classes as they were when it was checked; a run uses the same.
        nodes: what the good outputs need, each node after all it is linked to.
        outputs: ids of the output nodes that can run, in the prompt's order.
        error: why nothing can run, in ComfyUI's JSON; None if anything can.
        node_errors: faults by node id, in ComfyUI's JSON; also set where other outputs can run.
        cycle: ids along a dependency cycle some output needs; empty if there is none.
    """

    prompt: Mapping[str, Any]
    schemas: Schemas
    nodes: Mapping[str, GraphNode] = field(default_factory=dict)
    outputs: tuple[str, ...] = ()
    error: Mapping[str, Any] | None = None
    node_errors: Mapping[str, Any] = field(default_factory=dict)
    cycle: tuple[str, ...] = ()


def validate(
    prompt: object,
    schemas: Schemas,
    targets: Collection[str] | None = None,
    folders: Folders | None = None,
) -> Validated:
    """What of a prompt in API format can run, and what is wrong with the rest.

    Args:
        targets: ids of the only output nodes wanted; None for all.
        folders: where the files that nodes read must be; None to leave that to the run.
    """
    if not isinstance(prompt, Mapping):
        given = type(prompt).__name__
        error = faults.prompt_error("invalid_prompt", "The prompt must be an object of nodes by their ids.", given)
        return Validated({}, schemas, error=error)
    outputs: list[str] = []
    for node_id, entry in prompt.items():
        node = None
        if isinstance(entry, Mapping) and "class_type" in entry:
            node = schemas.offers(entry["class_type"])
        if node is None:
            return Validated(prompt, schemas, error=_unusable(node_id, entry))
        if node.output_node and (targets is None or node_id in targets):
            outputs.append(node_id)
    if not outputs:
        return Validated(prompt, schemas, error=faults.prompt_error("prompt_no_outputs", "Prompt has no outputs"))
    return _Check(prompt, schemas, folders).outputs(outputs)


def _unusable(node_id: str, entry: object) -> faults.Fault:
    if isinstance(entry, Mapping) and "class_type" in entry:
        message = f"Cannot execute because node {entry['class_type']} does not exist."
    else:
        message = "Cannot execute because a node is missing the class_type property."
    return faults.prompt_error("invalid_prompt", message, f"Node ID '#{node_id}'")


class _Check:
    """One validation under way.

    ``_done`` holds the result of every node looked at, in the order in which they were completed: a node after all
    it is linked to.
    """

    def __init__(self, prompt: Mapping[str, Any], schemas: Schemas, folders: Folders | None) -> None:
        self._prompt, self._schemas, self._folders = prompt, schemas, folders
        self._done: dict[str, Visit] = {}
        self._faulty: list[Visit] = []
        self._node_errors: dict[str, dict[str, Any]] = {}
        self._cycle: tuple[str, ...] = ()

    def outputs(self, outputs: list[str]) -> Validated:
        good: list[str] = []
        bad: list[str] = []
        reasons: list[faults.Fault] = []
        for node_id in outputs:
            visit = self._done.get(node_id) or self._walk(node_id)
            if visit.valid:
                good.append(node_id)
            else:
                bad.append(node_id)
                reasons += visit.faults
                self._blame(node_id)
        if self._cycle:
            logger.warning("the prompt has a dependency cycle: %s", " -> ".join((*self._cycle, self._cycle[0])))
        error = None
        if not good:
            details = "\n".join(f"{fault['message']}: {fault['details']}" for fault in reasons)
            message = "Prompt outputs failed validation"
            error = faults.prompt_error("prompt_outputs_failed_validation", message, details)
        nodes = self._graph(good, everything=not bad)
        prompt = self._converted()
        return Validated(prompt, self._schemas, nodes, tuple(good), error, self._node_errors, self._cycle)

    def _walk(self, root: str) -> Visit:
        """Check a node and all it needs, depth first."""
        path: list[Visit] = []
        on_path: set[str] = set()
        done = self._done
        visit = self._enter(root, path, on_path)
        while path:
            visit = path[-1]
            if visit.followed < len(visit.links):
                source = visit.links[visit.followed].source
                visit.followed += 1
                found = done.get(source)
                if found is not None:
                    visit.valid = visit.valid and found.valid
                elif source in on_path:
                    visit.valid = False
                    ids = [step.id for step in path]
                    self._cycle = tuple(ids[ids.index(source) :])
                else:
                    self._enter(source, path, on_path)
                continue
            self._leave(path, on_path)
        return visit

    def _enter(self, node_id: str, path: list[Visit], on_path: set[str]) -> Visit:
        visit = Visit(node_id)
        path.append(visit)
        on_path.add(node_id)
        try:
            open_node(visit, self._prompt, self._schemas)
        except Exception as error:  # noqa: BLE001 - prompts and packs may raise anything here; it becomes a fault
            self._fail(visit, path, error)
        return visit

    def _leave(self, path: list[Visit], on_path: set[str]) -> None:
        visit = path[-1]
        if visit.class_type:
            try:
                close_node(visit, self._folders)
            except Exception as error:  # noqa: BLE001 - a pack's own validation may raise anything
                self._fail(visit, path, error)
        path.pop()
        on_path.discard(visit.id)
        visit.valid = visit.valid and not visit.faults
        self._done[visit.id] = visit
        if visit.faults:
            self._faulty.append(visit)
        if path and not visit.valid:
            path[-1].valid = False

    def _fail(self, visit: Visit, path: list[Visit], error: Exception) -> None:
        """Make an exception the node's only fault, and leave the node."""
        if len(path) > 1:
            reader = path[-2]
            link = reader.links[reader.followed - 1]
            rule = reader.schema.rules.get(link.name)
            shown = [link.source, link.slot]
            visit.faults = [faults.raised_inside(error, link.name, rule.config if rule else None, shown)]
        else:
            visit.faults = [faults.raised(error)]
        visit.class_type = ""
        visit.links = []

    def _blame(self, failed: str) -> None:
        """Note the nodes found at fault so far; as in ComfyUI, each names every output that fails from then on."""
        for visit in self._faulty:
            entry = self._node_errors.get(visit.id)
            if entry is None:
                class_type = self._prompt[visit.id]["class_type"]
                entry = {"errors": visit.faults, "dependent_outputs": [], "class_type": class_type}
                self._node_errors[visit.id] = entry
            entry["dependent_outputs"].append(failed)

    def _graph(self, good: list[str], *, everything: bool) -> dict[str, GraphNode]:
        wanted = self._done.keys() if everything else self._reachable(good)
        return {visit.id: visit.node() for visit in self._done.values() if visit.id in wanted}

    def _reachable(self, roots: list[str]) -> set[str]:
        found = set(roots)
        waiting = list(roots)
        while waiting:
            for link in self._done[waiting.pop()].links:
                if link.source not in found:
                    found.add(link.source)
                    waiting.append(link.source)
        return found

    def _converted(self) -> Mapping[str, Any]:
        changed = {visit.id: visit for visit in self._done.values() if visit.changed}
        if not changed:
            return self._prompt
        return {
            node_id: {**entry, "inputs": changed[node_id].converted()} if node_id in changed else entry
            for node_id, entry in self._prompt.items()
        }
