"""``comfy-nodes run``: run a workflow from a file and say where the pictures are."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from host.cli import options
from host.errors import HostError, PromptRejected
from sdk import terminal
from sdk.commands import ExitCode

if TYPE_CHECKING:
    from host.app import Host, RunReport
    from host.engine.catalogue import Schemas
    from host.workflow_files import WorkflowFile

HELP = """Run a workflow and print where its pictures are.

The file is JSON in API or UI format, or a picture that was saved with its workflow inside.

\b
Ends with
  0    everything ran
  2    a wrong option
  3    the file holds no usable workflow
  4    the workflow, or some of its outputs, can not run
  5    a node failed
  14   with --locked: other packs are installed
  130  cancelled with Ctrl-C
"""
EXAMPLE = (
    'Example: comfy-nodes run workflow.json --set 3.seed=42 --set "6.text=a small yellow star" --output-dir pictures'
)

WorkflowPath = Annotated[Path, typer.Argument(help="The file with the workflow.", metavar="FILE", show_default=False)]
Set = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="NODE.INPUT=VALUE",
        help='Change an input: 3.seed=42, "6.text=a red star". NODE is an id or a title. May be repeated.',
    ),
]
Target = Annotated[
    list[str] | None, typer.Option(metavar="NODE", help="Run only this output node, by its id. May be repeated.")
]

Locked = Annotated[
    bool, typer.Option("--locked", help="Only if the installed packs are those that made the picture.", metavar="")
]
Install = Annotated[
    bool, typer.Option("--install", help="With --locked: first install the packs that made the picture.", metavar="")
]


class UnknownTarget(HostError):
    """``--target`` names a node that can't be one."""

    exit_code = ExitCode.WORKFLOW_UNREADABLE

    def __init__(self, target: str, outputs: Sequence[str]) -> None:
        super().__init__(target, outputs)
        self.target, self.outputs = target, tuple(outputs)

    def __str__(self) -> str:
        return f"--target {self.target}: the workflow has no such output node; it has: {', '.join(self.outputs)}"


def run(
    workflow: WorkflowPath,
    set: Set = None,
    target: Target = None,
    output_dir: options.OutputDir = None,
    input_dir: options.InputDir = None,
    models_dir: options.ModelsDir = None,
    base_dir: options.BaseDir = None,
    packs: options.Packs = None,
    safe_mode: options.SafeMode = None,
    pack_dir: options.PackDir = None,
    device: options.Device = None,
    dtype: options.Dtype = None,
    compile: options.Compile = None,
    vram: options.Vram = None,
    cache: options.Cache = None,
    locked: Locked = False,
    install: Install = False,
    as_json: options.AsJson = False,
    log_level: options.LogLevel = "warning",
) -> None:
    from host.workflow_files import read_workflow

    if install and not locked:
        raise typer.BadParameter("--install goes with --locked: the packs are those that made the picture")
    read = read_workflow(workflow)
    if locked:
        from host.cli.locked import check_locked

        base = options.read_settings(base_dir=base_dir).base_dir
        may_ask = sys.stdin.isatty() and sys.stderr.isatty() and not as_json
        check_locked(workflow, read, base, install=install, may_ask=may_ask, log_level=log_level)
    host = options.open_host(
        log_level,
        output_dir=output_dir,
        input_dir=input_dir,
        models_dir=models_dir,
        base_dir=base_dir,
        packs=packs,
        safe_mode=safe_mode,
        pack_dirs=pack_dir,
        device=device,
        dtype=dtype,
        compile=compile,
        vram=vram,
        cache=cache,
    )
    schemas = host.catalogue.current()
    if locked:
        from host.provenance import KEY, check_same

        check_same(read.extra_pnginfo.get(KEY), host.installed, workflow)
    prompt = prepare(host, read, set or (), schemas)
    report = execute(host, prompt, target or None, read.extra_pnginfo, schemas)
    show(host, prompt, report, as_json, schemas)
    if report.node_errors:
        raise typer.Exit(ExitCode.PROMPT_REJECTED)


def prepare(host: Host, read: WorkflowFile, overrides: Sequence[str], schemas: Schemas) -> dict[str, Any]:
    """The prompt in API format with the overrides applied, for the nodes as they are now.

    Raises:
        UnknownNodes: it uses node classes that no loaded pack has.
        OverrideError: an override can't be applied.
    """
    from host.cli.missing_nodes import check_nodes_known, unknown_nodes
    from host.engine.ui_format.errors import UnknownNodeTypes
    from host.overrides import apply_overrides

    drawn = read.extra_pnginfo.get("workflow")
    try:
        prompt = host.to_prompt(read, schemas)
    except UnknownNodeTypes as error:
        raise unknown_nodes(error.nodes, host.registry, drawn) from error
    check_nodes_known(prompt, host.registry, drawn)
    return apply_overrides(prompt, overrides, schemas)


def execute(
    host: Host,
    prompt: Mapping[str, Any],
    targets: Sequence[str] | None,
    extra_pnginfo: Mapping[str, Any],
    schemas: Schemas,
) -> RunReport:
    """Run the prompt with bars on the terminal; Ctrl-C cancels."""
    from host.cli.interrupts import interrupts
    from host.cli.progress import ProgressBars, titles_of
    from host.engine.cancellation import Cancellation

    _check_targets(host, prompt, targets or ())
    cancel = Cancellation()
    console = terminal.stderr()
    bars = ProgressBars(console, titles_of(prompt))

    def cancelled() -> None:
        cancel.cancel()
        terminal.say(console, "cancelling after this step; press Ctrl-C again to stop at once")

    try:
        with bars, interrupts(cancelled, bars.stop_at_once):
            extra_data = {"extra_pnginfo": dict(extra_pnginfo)}
            return host.run(prompt, targets=targets, extra_data=extra_data, events=bars, cancel=cancel, schemas=schemas)
    except PromptRejected as rejected:
        raise _explained(prompt, rejected, schemas) from rejected


def _check_targets(host: Host, prompt: Mapping[str, Any], targets: Sequence[str]) -> None:
    outputs = [
        node_id
        for node_id, node in prompt.items()
        if isinstance(node, Mapping) and (known := host.catalogue.find(node.get("class_type"))) and known.output_node
    ]
    for target in targets:
        if target not in outputs:
            raise UnknownTarget(target, outputs)


def _explained(prompt: Mapping[str, Any], rejected: PromptRejected, schemas: Schemas) -> Exception:
    from host.rejections import explained

    return explained(rejected, prompt, schemas)


def show(host: Host, prompt: Mapping[str, Any], report: RunReport, as_json: bool, schemas: Schemas) -> None:
    """Print what a run gave: file paths and texts, or everything as JSON; faults of left-out outputs aside."""
    from host.rejections import fault_lines

    for line in fault_lines(report.node_errors, prompt, schemas):
        terminal.say(terminal.stderr(), f"left out: {line}", "yellow")
    files = saved_files(host, report)
    if as_json:
        print(json.dumps(_facts(report, files), indent=2, default=repr))
        return
    for path in files:
        terminal.print_line(str(path))
    for node_id, shown in report.outputs.items():
        for line in shown.get("text", ()):
            terminal.print_line(f"{node_id}: {line}")


def _facts(report: RunReport, files: Sequence[Path]) -> dict[str, Any]:
    return {
        "state": "succeeded",
        "job": report.job_id,
        "files": [str(path) for path in files],
        "outputs": report.outputs,
        "node_errors": report.node_errors,
        "seconds": round(report.seconds, 3),
        "executed": report.executed,
        "cached": report.cached,
    }


def saved_files(host: Host, report: RunReport) -> list[Path]:
    """The files that output nodes say they wrote, as absolute paths."""
    items = [item for shown in report.outputs.values() for group in shown.values() for item in group]
    described = [item for item in items if isinstance(item, dict) and {"filename", "type"} <= item.keys()]
    roots = {name: host.services.folders.root(name) for name in ("input", "output", "temp")}
    return [
        roots[item["type"]] / item.get("subfolder", "") / item["filename"]
        for item in described
        if item["type"] in roots
    ]
