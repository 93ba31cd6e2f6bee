"""``comfy-nodes run``: run a workflow from a file and say where the pictures are."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from host.cli import options
from host.errors import ExitCode

if TYPE_CHECKING:
    from host.app import Host, RunReport
    from host.engine.cancellation import Cancellation

WorkflowPath = Annotated[
    Path, typer.Argument(help="JSON in API or UI format, or a picture with its workflow inside.", show_default=False)
]
Set = Annotated[
    list[str] | None, typer.Option("--set", help='Change an input: 3.seed=42, "6.text=a red star"; may be repeated.')
]
Target = Annotated[list[str] | None, typer.Option(help="Run only this output node; may be repeated.")]


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
    vram: options.Vram = None,
    cache: options.Cache = None,
    as_json: options.AsJson = False,
    log_level: options.LogLevel = "warning",
) -> None:
    """Run a workflow.

    Ends with 0 when everything ran, 2 for a wrong option, 3 for a file without a usable workflow, 4 when the workflow
    asks for something impossible (also if only some outputs do), 5 when a node failed, 130 when it was cancelled.
    """
    from host.workflow_files import read_workflow

    read = read_workflow(workflow)
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
        vram=vram,
        cache=cache,
    )
    report = _run(host, read, set or [], target)
    _show(host, report, as_json)
    if report.node_errors:
        raise typer.Exit(ExitCode.PROMPT_REJECTED)


def _run(host: Host, read: Any, overrides: list[str], targets: list[str] | None) -> RunReport:
    from host.cli.progress import ProgressBars, titles_of
    from host.engine.cancellation import Cancellation
    from host.overrides import apply_overrides

    prompt = apply_overrides(host.to_prompt(read), overrides, host.catalogue.current())
    cancel = Cancellation()
    console = Console(stderr=True)
    with cancelled_by_interrupt(cancel, console), ProgressBars(console, titles_of(prompt)) as bars:
        return host.run(
            prompt, targets=targets, extra_data={"extra_pnginfo": dict(read.extra_pnginfo)}, events=bars, cancel=cancel
        )


@contextmanager
def cancelled_by_interrupt(cancel: Cancellation, console: Console) -> Iterator[None]:
    """Ctrl-C cancels the job at its next step; a second one ends the program at once."""

    def stop(number: int, frame: FrameType | None) -> None:
        if not cancel.cancel():
            raise KeyboardInterrupt
        console.print("cancelling after this step; press Ctrl-C again to stop at once")

    before = signal.signal(signal.SIGINT, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _show(host: Host, report: RunReport, as_json: bool) -> None:
    files = saved_files(host, report)
    if as_json:
        facts = {
            "job": report.job_id,
            "state": "succeeded",
            "files": [str(path) for path in files],
            "outputs": report.outputs,
            "node_errors": report.node_errors,
            "seconds": round(report.seconds, 3),
            "executed": report.executed,
            "cached": report.cached,
        }
        print(json.dumps(facts, indent=2))
        return
    for node_id, faults in report.node_errors.items():
        for fault in faults["errors"]:
            said = f"left out: node {node_id} ({faults['class_type']}): {fault['message']}: {fault['details']}"
            Console(stderr=True).print(said, style="yellow", markup=False)
    for path in files:
        print(path)
    for node_id, shown in report.outputs.items():
        for line in shown.get("text", ()):
            print(f"{node_id}: {line}")


def saved_files(host: Host, report: RunReport) -> list[Path]:
    """The files that output nodes say they wrote, as absolute paths."""
    items = [item for shown in report.outputs.values() for group in shown.values() for item in group]
    described = [item for item in items if isinstance(item, dict) and {"filename", "type"} <= set(item)]
    roots = {name: host.services.folders.root(name) for name in ("input", "output", "temp")}
    return [roots[item["type"]] / item.get("subfolder", "") / item["filename"] for item in described]
