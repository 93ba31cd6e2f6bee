"""Says whether a prompt can run, and everything that is wrong with it; never recursive, linear in nodes and links."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from host.engine.catalogue import Schemas
from host.engine.errors import PackUnavailable
from host.engine.graph import GraphNode
from host.engine.migration import migrate
from host.engine.validation import faults
from host.engine.validation.node import Visit, close_node, open_node

if TYPE_CHECKING:
    from sdk.context import Folders


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
    migrated: dict[str, Any] = {}
    unmigrated: dict[str, Exception] = {}
    for node_id, entry in prompt.items():
        node = None
        if isinstance(entry, Mapping) and "class_type" in entry:
            try:
                node = schemas.offers(entry["class_type"])
            except PackUnavailable as error:
                return Validated(prompt, schemas, error=_unavailable(node_id, entry["class_type"], error))
        if node is None:
            return Validated(prompt, schemas, error=_unusable(node_id, entry))
        if node.output_node and (targets is None or node_id in targets):
            outputs.append(node_id)
        if node.migrate is not None:
            try:
                migrated[node_id] = migrate(entry, node) or entry
            except Exception as error:  # noqa: BLE001 - a pack's migration may raise anything; it becomes a fault
                unmigrated[node_id] = error
    if not outputs:
        return Validated(prompt, schemas, error=faults.prompt_error("prompt_no_outputs", "Prompt has no outputs"))
    return _Check({**prompt, **migrated} if migrated else prompt, schemas, folders, unmigrated).outputs(outputs)


def _unusable(node_id: str, entry: object) -> faults.Fault:
    if isinstance(entry, Mapping) and "class_type" in entry:
        message = f"Cannot execute because node {entry['class_type']} does not exist."
    else:
        message = "Cannot execute because a node is missing the class_type property."
    return faults.prompt_error("invalid_prompt", message, f"Node ID '#{node_id}'")


def _unavailable(node_id: str, class_type: object, error: PackUnavailable) -> faults.Fault:
    message = f"Cannot execute because the pack of node {class_type} can't be loaded: {error}"
    return faults.prompt_error("invalid_prompt", message, f"Node ID '#{node_id}'")


class _Check:
    """One validation under way.

    ``_good`` holds the nodes found in order, each after all it is linked to; ``_bad`` the others that were looked at.
    """

    def __init__(
        self,
        prompt: Mapping[str, Any],
        schemas: Schemas,
        folders: Folders | None,
        unmigrated: Mapping[str, Exception],
    ) -> None:
        self._prompt, self._schemas, self._folders, self._unmigrated = prompt, schemas, folders, unmigrated
        self._good: dict[str, GraphNode] = {}
        self._bad: dict[str, Visit] = {}
        self._converted: dict[str, Mapping[str, Any]] = {}
        self._faulty: list[Visit] = []
        self._node_errors: dict[str, dict[str, Any]] = {}
        self._cycle: tuple[str, ...] = ()

    def outputs(self, outputs: list[str]) -> Validated:
        good: list[str] = []
        bad: list[str] = []
        reasons: list[faults.Fault] = []
        for node_id in outputs:
            if node_id not in self._good and node_id not in self._bad:
                self._walk(node_id)
            if node_id in self._good:
                good.append(node_id)
            else:
                bad.append(node_id)
                reasons += self._bad[node_id].faults
                self._blame(node_id)
        error = None
        if not good:
            details = "\n".join(f"{fault['message']}: {fault['details']}" for fault in reasons)
            message = "Prompt outputs failed validation"
            error = faults.prompt_error("prompt_outputs_failed_validation", message, details)
        nodes = self._needed(good) if bad else self._good
        return Validated(
            self._prompt_as_run(), self._schemas, nodes, tuple(good), error, self._node_errors, self._cycle
        )

    def _walk(self, root: str) -> None:
        """Check a node and all it needs, depth first."""
        path: list[Visit] = []
        on_path: set[str] = set()
        good, bad = self._good, self._bad
        self._enter(root, path, on_path)
        while path:
            visit = path[-1]
            if visit.followed < len(visit.links):
                source = visit.links[visit.followed][1]
                visit.followed += 1
                if source in bad:
                    visit.valid = False
                elif source in on_path:
                    visit.valid = False
                    self._note_cycle(path, source)
                elif source not in good:
                    self._enter(source, path, on_path)
            else:
                self._leave(path, on_path)

    def _note_cycle(self, path: list[Visit], source: str) -> None:
        if not self._cycle:
            ids = [visit.id for visit in path]
            self._cycle = tuple(ids[ids.index(source) :])

    def _enter(self, node_id: str, path: list[Visit], on_path: set[str]) -> None:
        visit = Visit(node_id)
        path.append(visit)
        on_path.add(node_id)
        try:
            if failed := self._unmigrated.get(node_id):
                raise failed
            open_node(visit, self._prompt, self._schemas)
        except Exception as error:  # noqa: BLE001 - prompts and packs may raise anything here; it becomes a fault
            self._fail(visit, path, error)

    def _leave(self, path: list[Visit], on_path: set[str]) -> None:
        visit = path[-1]
        if visit.class_type:
            try:
                close_node(visit, self._folders)
            except Exception as error:  # noqa: BLE001 - a pack's own validation may raise anything
                self._fail(visit, path, error)
        path.pop()
        on_path.discard(visit.id)
        if visit.faults:
            self._faulty.append(visit)
        if visit.changed:
            self._converted[visit.id] = visit.converted()
        if visit.valid and not visit.faults:
            self._good[visit.id] = visit.node()
            return
        self._bad[visit.id] = visit
        if path:
            path[-1].valid = False

    def _fail(self, visit: Visit, path: list[Visit], error: Exception) -> None:
        """Make an exception the node's only fault, and leave the node."""
        if len(path) > 1:
            reader = path[-2]
            name, source, slot = reader.links[reader.followed - 1]
            rule = reader.schema.rules.get(name)
            visit.faults = [faults.raised_inside(error, name, rule.config if rule else None, [source, slot])]
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

    def _needed(self, outputs: list[str]) -> dict[str, GraphNode]:
        """The nodes that these outputs need, in the order found."""
        found = set(outputs)
        waiting = list(outputs)
        while waiting:
            for _, source, _ in self._good[waiting.pop()].links:
                if source not in found:
                    found.add(source)
                    waiting.append(source)
        return {node_id: node for node_id, node in self._good.items() if node_id in found}

    def _prompt_as_run(self) -> Mapping[str, Any]:
        converted = self._converted
        if not converted:
            return self._prompt
        return {
            node_id: {**entry, "inputs": converted[node_id]} if node_id in converted else entry
            for node_id, entry in self._prompt.items()
        }
