"""``comfy-nodes nodes``: what nodes there are, whose they are, and what one of them takes."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from host.cli import options
from host.errors import ExitCode

if TYPE_CHECKING:
    from host.app import Host
    from sdk.nodes import NodeType

Name = Annotated[str, typer.Argument(help="A node's name, or pack/name.", show_default=False)]
Filter = Annotated[str | None, typer.Option("--filter", help="Only nodes whose name, title or category contains this.")]

app = typer.Typer(help="List the nodes of all loaded packs, or show one.", invoke_without_command=True)


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
    """List the nodes of all loaded packs: name, pack, version, category. `nodes show NAME` shows one."""
    if context.invoked_subcommand:
        return
    host = _open(models_dir, base_dir, packs, safe_mode, pack_dir, log_level)
    chosen = [node for node in host.catalogue if _matches(node, filter)]
    if as_json:
        print(json.dumps([_row(node) for node in chosen], indent=2))
        return
    table = Table("node", "title", "pack", "version", "category", box=None, pad_edge=False)
    for node in sorted(chosen, key=lambda node: (node.pack != "core", node.pack, node.category, node.id)):
        table.add_row(node.id, node.title or "", node.pack, node.pack_version, node.category)
    console = Console()
    console.print(table if chosen else "no nodes: no pack is loaded, or none matches")
    show_failures(host)


@app.command("show")
def show_node(
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

    host = _open(models_dir, base_dir, packs, safe_mode, pack_dir, log_level)
    node = host.catalogue.current().get(name)
    if node is None:
        near = get_close_matches(name, [node.id for node in host.catalogue], n=3)
        hint = f"; did you mean {', '.join(near)}?" if near else ""
        Console(stderr=True).print(f"error: no loaded pack has a node {name!r}{hint}", style="red", markup=False)
        raise typer.Exit(ExitCode.FAILURE)
    if as_json:
        print(json.dumps({node.id: describe(node)}, indent=2))
    else:
        _show(node, Console())


def _open(*values: object) -> Host:
    models_dir, base_dir, packs, safe_mode, pack_dir, log_level = values
    return options.open_host(
        str(log_level), models_dir=models_dir, base_dir=base_dir, packs=packs, safe_mode=safe_mode, pack_dirs=pack_dir
    )


def _matches(node: NodeType, text: str | None) -> bool:
    return text is None or text.lower() in f"{node.true_id} {node.title or ''} {node.category}".lower()


def _row(node: NodeType) -> dict[str, str]:
    return {
        "id": node.id,
        "title": node.title or node.id,
        "pack": node.pack,
        "version": node.pack_version,
        "category": node.category,
        "description": node.description,
    }


def _show(node: NodeType, console: Console) -> None:
    console.print(f"[bold]{node.title or node.id}[/]  {node.true_id} {node.pack_version}  {node.category}")
    if node.deprecated:
        console.print(f"deprecated: {node.deprecated}", style="yellow", markup=False)
    console.print(node.description + "\n", markup=False)
    table = Table("input", "type", "default", "range or choices", "", box=None, pad_edge=False)
    for item in node.inputs:
        default = repr(item.option("default")) if "default" in (item.options or {}) else ""
        table.add_row(
            item.name + ("" if item.required else "?"), item.type, default, _limits(item), item.option("tooltip", "")
        )
    console.print(table)
    for output in node.outputs:
        console.print(f"-> {output.name}: {output.type}{' (list)' if output.is_list else ''}", markup=False)


def _limits(item: object) -> str:
    choices, low, high = getattr(item, "choices", None), item.option("min"), item.option("max")  # type: ignore[attr-defined]
    if isinstance(choices, tuple):
        shown = ", ".join(map(str, choices[:12]))
        return shown + (f", … ({len(choices)})" if len(choices) > 12 else "")
    return f"{low} .. {high}" if low is not None or high is not None else ""


def show_failures(host: Host) -> None:
    """Name the packs that could not be loaded, on standard error."""
    for failure in host.registry.failures:
        Console(stderr=True).print(str(failure), style="red", markup=False, soft_wrap=True)
