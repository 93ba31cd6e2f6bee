"""Packs as their ``nodes.json`` describes them, so that a host lists their nodes without importing them.

``docs/nodes_json.md`` describes the format. A file that leaves anything open (choices that only the code knows, hooks
or nodes that static reading could not see) is not used: the pack is imported then.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from sdk.errors import SdkError
from sdk.nodes import Input, NodeType, Output
from sdk.object_info import describe
from sdk.sockets import COMBO

logger = logging.getLogger(__name__)

NODES_FILE = "nodes.json"
FORMAT = 1
_SECTIONS = ("required", "optional", "hidden")


class NodesFileDisagrees(SdkError):
    """Importing a pack gives other nodes than its ``nodes.json`` describes; ``problems`` says in what."""

    def __init__(self, pack: str, version: str, problems: tuple[str, ...]) -> None:
        super().__init__(pack, version, problems)
        self.pack, self.version, self.problems = pack, version, problems

    def __str__(self) -> str:
        return (
            f"the {NODES_FILE} of {pack_and_version(self.pack, self.version)} differs from what its code gives: "
            + "; ".join(self.problems)
        )


class NodeLeftOut(SdkError):
    """A pack describes a node that importing it does not give here, often for want of a library or of hardware."""

    def __init__(self, pack: str, version: str, node: str) -> None:
        super().__init__(pack, version, node)
        self.pack, self.version, self.node = pack, version, node

    def __str__(self) -> str:
        return (
            f"{pack_and_version(self.pack, self.version)} describes node {self.node!r}, but its code gives no such "
            "node on this machine; the pack's page may say what the node needs."
        )


def pack_and_version(pack: str, version: str) -> str:
    """Pack and version, as messages name them."""
    return f"pack {pack} {version}".strip()


@dataclass(frozen=True, kw_only=True)
class DescribedPack:
    """What ``nodes.json`` says of a pack.

    Attributes:
        nodes: records without the pack's code; they can be shown, not run.
        hooks: those besides ``register_nodes`` that importing the pack has an effect on.
    """

    nodes: tuple[NodeType, ...]
    hooks: frozenset[str]


def read_description(folder: Path, version: str, *, verify: bool) -> DescribedPack | None:
    """What the folder's ``nodes.json`` says; None where the pack has to be imported to know it.

    Args:
        version: of the pack, as its manifest says.
        verify: compare the file with the folder's sources, which may have changed since it was written.
    """
    try:
        document = json.loads((folder / NODES_FILE).read_bytes())
        if not _is_usable(document, version) or (verify and document["sources"] != _sources(folder)):
            return None
        nodes = tuple(_node(name, entry) for name, entry in document["nodes"].items())
        return DescribedPack(nodes=nodes, hooks=frozenset(document["hooks"]))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        logger.warning("%s can't be read, so the pack is imported: %r", folder / NODES_FILE, error)
        return None


def _is_usable(document: Any, version: str) -> bool:
    if document["format"] != FORMAT or document["version"] != version or not document["complete"]:
        return False
    entries = document["nodes"].values()
    known = all(entry["schema"] and "unknown" not in entry["dynamic"].values() for entry in entries)
    return known and document.get("hooks") is not None


def _sources(folder: Path) -> str:
    from sdk.inspection.nodes_file import sources_digest  # here, since only packs under development need it

    return sources_digest({path.relative_to(folder).as_posix(): path for path in folder.rglob("*.py")})


def _node(name: str, entry: Mapping[str, Any]) -> NodeType:
    schema = entry["schema"]
    # The file's keys are sorted; in which order things were declared stands in lists.
    order = {section: schema["input_order"][section] for section in _SECTIONS if section in schema["input_order"]}
    node = NodeType(
        id=name,
        run=_not_imported,
        title=schema.get("display_name"),
        category=schema["category"],
        description=schema["description"],
        inputs=tuple(
            _input(each, schema["input"][section][each], section == "required", entry["dynamic"].get(each))
            for section in order
            if section != "hidden"
            for each in order[section]
        ),
        outputs=tuple(_outputs(schema)),
        hidden={each: schema["input"]["hidden"][each] for each in order.get("hidden", ())},
        output_node=schema["output_node"],
        aliases=tuple(entry["aliases"]),
        deprecated=entry["deprecated"] or None,
        experimental=bool(schema.get("experimental", False)),
        python_module=schema["python_module"],
    )
    made = describe(replace(node, inputs=()))
    more = {key: value for key, value in schema.items() if key not in made or made[key] != value}
    return replace(node, info={**{key: more[key] for key in more if key != "input"}, "input_order": order})


def _not_imported(*_: object) -> Any:
    raise AssertionError("the pack is imported before one of its nodes runs")


def _input(name: str, config: list[Any], required: bool, source: str | None) -> Input:
    kind = config[0]
    options = dict(config[1]) if len(config) > 1 else None
    listed = isinstance(kind, list)
    choices = source or (tuple(kind) if listed else None)
    if kind == COMBO and choices is None and options is not None and "options" in options:
        choices = tuple(options["options"])
    return Input(
        name=name,
        type=COMBO if listed else kind,
        required=required,
        choices=choices,
        options=options,
        typed_combo=kind == COMBO,
    )


def _outputs(schema: Mapping[str, Any]) -> Iterator[Output]:
    tooltips = schema.get("output_tooltips") or ()
    for index, kind in enumerate(schema["output"]):
        yield Output(
            type=kind if isinstance(kind, str) else COMBO,
            name=schema["output_name"][index],
            is_list=schema["output_is_list"][index],
            tooltip=tooltips[index] if index < len(tooltips) else None,
        )


def differences(described: Iterable[NodeType], imported: Iterable[NodeType]) -> Iterator[str]:
    """In what the nodes of an import differ from those described: names, sockets, and whether they end a graph.

    Described nodes that the import does not give are no difference: packs leave nodes out where a machine lacks what
    they need.
    """
    said = {node.id: node for node in described}
    given = {node.id: node for node in imported}
    yield from (f"{name!r} is a node of the code and not described" for name in given.keys() - said.keys())
    for name, node in said.items():
        if name not in given:
            continue
        for fact in ("aliases", "output_node"):
            if (was := getattr(node, fact)) != (now := getattr(given[name], fact)):
                yield f"the {fact} of {name!r} are described as {was!r} and are {now!r}"
        for what, facts in (("inputs", _input_facts), ("outputs", _output_facts)):
            if (was := facts(node)) != (now := facts(given[name])):
                yield f"the {what} of {name!r} are described as {was} and are {now}"


def _input_facts(node: NodeType) -> dict[str, str]:
    kinds = ((item, str.__str__(item.type)) for item in node.inputs)  # packs have strings that equal every other
    return {item.name: kind if item.required else f"{kind}, optional" for item, kind in kinds}


def _output_facts(node: NodeType) -> list[str]:
    return [f"list of {item.type}" if item.is_list else str.__str__(item.type) for item in node.outputs]
