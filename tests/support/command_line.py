"""The command line as users start it: whole processes, in a folder of their own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

SECONDS = 120
CHECKPOINT = "tiny.safetensors"


@dataclass(frozen=True)
class Ended:
    """How a process ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Standard output, all of it, as JSON."""
        return json.loads(self.out)


class CommandLine:
    """Starts ``comfy-nodes`` with a base folder."""

    def __init__(self, base: Path) -> None:
        self.base = base
        settings = {name: value for name, value in os.environ.items() if not name.startswith("COMFY_NODES_")}
        self.environment = {**settings, "OMP_NUM_THREADS": "1"}

    def __call__(self, *arguments: object, limits: str = "") -> Ended:
        """Run a command to its end; a traceback is never an answer to a user."""
        return self.end(self.start(*arguments, limits=limits))

    def start(
        self, *arguments: object, limits: str = "", errors: IO[str] | int = subprocess.PIPE
    ) -> subprocess.Popen[str]:
        """Start a command; ``limits`` are a shell's commands that come first, such as ``ulimit -f 1``."""
        command = [sys.executable, "-m", "host.cli", *map(str, arguments)]
        return subprocess.Popen(
            ["sh", "-c", f'{limits}; exec "$@"', "sh", *command] if limits else command,
            cwd=self.base,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        )

    def end(self, process: subprocess.Popen[str]) -> Ended:
        """Wait for a process."""
        try:
            out, err = process.communicate(timeout=SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            raise
        assert "Traceback" not in out + err, err
        return Ended(process.returncode, out, err)


def wait_for(condition: Callable[[], object], process: subprocess.Popen[str]) -> None:
    """Wait until the condition holds; fails if the process ends before."""
    deadline = time.monotonic() + SECONDS
    while not condition():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline, "it never came so far"
        time.sleep(0.005)


def write_json(path: Path, data: object) -> Path:
    path.write_text(json.dumps(data), encoding="utf-8")
    return path


def text_to_image(**sampler: Any) -> dict[str, Any]:
    """A workflow in API format for the tiny checkpoint: 64 x 64 pixels, two steps."""
    settings = {
        "seed": 1,
        "steps": 2,
        "cfg": 4.0,
        "sampler_name": "euler",
        "scheduler": "normal",
        "denoise": 1.0,
        **sampler,
    }
    links = {"model": ["4", 0], "positive": ["6", 0], "negative": ["7", 0], "latent_image": ["5", 0]}
    return {
        "3": node("KSampler", **settings, **links),
        "4": node("CheckpointLoaderSimple", ckpt_name=CHECKPOINT),
        "5": node("EmptyLatentImage", width=64, height=64, batch_size=1),
        "6": node("CLIPTextEncode", text="a red circle", clip=["4", 1], title="Positive"),
        "7": node("CLIPTextEncode", text="", clip=["4", 1]),
        "8": node("VAEDecode", samples=["3", 0], vae=["4", 2]),
        "9": node("SaveImage", images=["8", 0], filename_prefix="picture"),
    }


def plain_picture(side: int = 64) -> dict[str, Any]:
    """A workflow that needs no model: a grey square, saved."""
    return {
        "1": node("EmptyImage", width=side, height=side, batch_size=1, color=0x808080),
        "2": node("SaveImage", images=["1", 0], filename_prefix="grey"),
    }


def node(class_type: str, title: str | None = None, **inputs: Any) -> dict[str, Any]:
    entry: dict[str, Any] = {"class_type": class_type, "inputs": inputs}
    return entry | ({"_meta": {"title": title}} if title else {})


def drawn(prompt: Mapping[str, Any]) -> dict[str, Any]:
    """A prompt in API format as an editor would have drawn it: widget values in order, links by number."""
    widgets = {
        "KSampler": ("seed", None, "steps", "cfg", "sampler_name", "scheduler", "denoise"),
        "CheckpointLoaderSimple": ("ckpt_name",),
        "EmptyLatentImage": ("width", "height", "batch_size"),
        "CLIPTextEncode": ("text",),
        "SaveImage": ("filename_prefix",),
    }
    nodes, links = [], []
    for node_id, entry in prompt.items():
        given, kind, inputs = entry["inputs"], entry["class_type"], []
        for name, value in given.items():
            if isinstance(value, list):
                links.append([len(links) + 1, int(value[0]), value[1], int(node_id), len(inputs), "*"])
                inputs.append({"name": name, "type": "*", "link": len(links)})
        values = [given[name] if name else "fixed" for name in widgets.get(kind, ())]
        nodes.append({"id": int(node_id), "type": kind, "mode": 0, "inputs": inputs, "widgets_values": values})
    for drawn_node in nodes:
        own = [link for link in links if link[1] == drawn_node["id"]]
        slots = range(max((link[2] for link in own), default=-1) + 1)
        drawn_node["outputs"] = [{"type": "*", "links": [link[0] for link in own if link[2] == slot]} for slot in slots]
    return {"version": 0.4, "nodes": nodes, "links": links, "groups": []}
