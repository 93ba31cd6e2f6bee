"""``comfy-nodes nodes``: what nodes there are, whose they are, and what one of them takes."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping
from itertools import groupby
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.text import Text

from host.cli import options
from host.errors import HostError
from sdk import terminal

if TYPE_CHECKING:
    from host.app import Host
    from sdk.nodes import Input, NodeType

Name = Annotated[str, typer.Argument(help="A node's name, or pack/name.", metavar="NODE", show_default=False)]
Filter = Annotated[
    str | None,
    typer.Option("--filter", metavar="TEXT", help="Only nodes with this in their name, title or category."),
]

app = typer.Typer(
    help="List the nodes of all loaded packs, or show one.",
    invoke_without_command=True,
    epilog="Example: comfy-nodes nodes --filter latent; comfy-nodes nodes show KSampler",
)


class UnknownNode(HostError):
    """No loaded pack has a node of that name; ``close`` are names spelled nearly the same."""

    def __init__(self, name: str, close: Iterable[str]) -> None:
        super().__init__(name, close)
        self.name, self.close = name, tuple(close)

    def __str__(self) -> str:
        hint = f"did you mean {' or '.join(self.close)}?" if self.close else "`comfy-nodes nodes` lists all there are."
        return f"no loaded pack has a node {self.name!r}; {hint}"


@app.callback()
def list_nodes(
    context: typer.Context,
    filter: Filter = None,
    models_dir: options.ModelsDir = None,
    base_dir: options.BaseDir = None,
    packs: options.Packs = None,
    safe_mode: options.SafeMode = None,
    pack_dir: options.PackDir = None,
    as_json: options.AsJson = False,
    log_level: options.LogLevel = "warning",
) -> None:
    """List the nodes of all loaded packs: name, title, category, pack and version."""
    if context.invoked_subcommand:
        return
    from host.plugins import hook_names

    host = _open(models_dir, base_dir, packs, safe_mode, pack_dir, log_level, without=hook_names())
    chosen = [node for node in host.catalogue if _matches(node, filter)]
    chosen.sort(key=lambda node: (node.pack != "core", node.pack.lower(), node.category, node.id))
    if as_json:
        print(json.dumps([_row(node, host.catalogue.name_of(node)) for node in chosen], indent=2))
    else:
        _list({host.catalogue.name_of(node): node for node in chosen}, terminal.stdout(), filter)
    for failure in host.registry.failures:
        terminal.say(terminal.stderr(), str(failure), "red")


@app.command("show")
def show_node(
    context: typer.Context,
    name: Name,
    models_dir: options.ModelsDir = None,
    base_dir: options.BaseDir = None,
    packs: options.Packs = None,
    safe_mode: options.SafeMode = None,
    pack_dir: options.PackDir = None,
    as_json: options.AsJson = False,
    log_level: options.LogLevel = "warning",
) -> None:
    """Show one node: what it does, its inputs with types, defaults and ranges, its outputs."""
    from difflib import get_close_matches

    from host.engine.object_info import describe

    # Options may stand before `show` as well as after it.
    before: dict[str, Any] = context.parent.params if context.parent else {}
    host = _open(
        models_dir or before.get("models_dir"),
        base_dir or before.get("base_dir"),
        packs or before.get("packs"),
        safe_mode or before.get("safe_mode"),
        [*(before.get("pack_dir") or ()), *(pack_dir or ())],
        log_level,
    )
    node = host.catalogue.current().get(name)
    if node is None:
        raise UnknownNode(name, get_close_matches(name, [node.id for node in host.catalogue], n=3))
    if as_json or before.get("as_json"):
        called = host.catalogue.name_of(node)
        print(json.dumps({called: {**describe(node), "name": called}}, indent=2))
    else:
        _show(node, terminal.stdout())


def _open(*values: object, without: Collection[str] | None = None) -> Host:
    models_dir, base_dir, packs, safe_mode, pack_dir, log_level = values
    # Packs that could not be loaded are part of the list, so that a warning would say it twice.
    level = "error" if log_level == "warning" else str(log_level)
    return options.open_host(
        level,
        without=without,
        models_dir=models_dir,
        base_dir=base_dir,
        packs=packs,
        safe_mode=safe_mode,
        pack_dirs=pack_dir,
    )


def _matches(node: NodeType, text: str | None) -> bool:
    return text is None or text.lower() in f"{node.true_id} {node.title or ''} {node.category}".lower()


def _row(node: NodeType, name: str) -> dict[str, Any]:
    return {
        "id": name,
        "title": node.title or node.id,
        "pack": node.pack,
        "version": node.pack_version,
        "category": node.category,
        "description": node.description,
        "deprecated": node.deprecated,
        "aliases": list(node.aliases),
    }


def _list(nodes: Mapping[str, NodeType], console: Console, text: str | None) -> None:
    if not nodes:
        terminal.say(console, "no pack is loaded, so there are no nodes" if text is None else f"no node has {text!r}")
    elif not console.is_terminal:
        headings = ("node", "title", "category", "pack", "version")
        rows = [
            (name, node.title or node.id, node.category, node.pack, node.pack_version) for name, node in nodes.items()
        ]
        terminal.print_table(console, headings, rows)
    else:
        _list_by_category(nodes, console)


def _list_by_category(nodes: Mapping[str, NodeType], console: Console) -> None:
    """Packs and categories as headings leave room for names at 80 columns."""
    for (pack, version), of_pack in groupby(nodes.items(), key=lambda item: (item[1].pack, item[1].pack_version)):
        members = list(of_pack)
        count = f"{len(members)} node{'s' * (len(members) != 1)}"
        console.print(Text.assemble((f"{pack} {version}", "bold"), (f"  {count}", "dim")))
        width = max(len(name) for name, _ in members)
        for category, of_category in groupby(members, key=lambda item: item[1].category):
            terminal.say(console, f"  {category or 'no category'}", "cyan")
            rows = [(name.ljust(width), node.title if node.title != node.id else "") for name, node in of_category]
            console.print(terminal.folding_table((), [(name, title or "") for name, title in rows], indent=4))


def _show(node: NodeType, console: Console) -> None:
    facts = f"  {node.true_id} {node.pack_version}  {node.category}"
    console.print(Text.assemble((node.title or node.id, "bold"), facts))
    if node.deprecated is not None:
        terminal.say(console, f"deprecated: {node.deprecated}", "yellow")
    if node.description:
        console.print(Text(f"\n{node.description}"))
    terminal.print_table(console, ("input", "type", "about"), [_input_row(item) for item in node.inputs])
    outputs = [
        (output.name, output.type + (", list" if output.is_list else ""), output.tooltip or "")
        for output in node.outputs
    ]
    terminal.print_table(console, ("output", "type", "about"), outputs or [("none", "", "")])


def _input_row(item: Input) -> tuple[str, str, str]:
    default = f" = {item.default!r}" if "default" in (item.options or {}) else ""
    about = [limits(item), item.option("tooltip") or ""]
    return item.name, item.type + default + ("" if item.required else ", optional"), "\n".join(filter(None, about))


def limits(item: Input) -> str:
    """What values an input takes, in words; empty where any will do."""
    if isinstance(item.choices, tuple):
        return ", ".join(map(str, item.choices)) or "nothing to choose from"
    low, high = item.option("min"), item.option("max")
    if low is not None and high is not None:
        return f"{low} to {high}"
    return f"at least {low}" if low is not None else f"at most {high}" if high is not None else ""
