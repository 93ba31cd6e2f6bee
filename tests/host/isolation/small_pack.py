"""A pack with a node for everything that can happen in a process of its own."""

from __future__ import annotations

from pathlib import Path

MANIFEST = """
[project]
name = "far-away"
version = "1.0.0"
[project.entry-points."comfy_nodes.packs"]
nodes = "far_away"
"""
CODE = '''
from __future__ import annotations

import os
import time
from typing import Annotated, Any

from sdk import Image, NodeContext, hookimpl, node
from sdk.errors import NodeError
from sdk.sockets import Socket

Thing = Annotated[Any, Socket("THING")]


class Value:
    def __init__(self, number):
        self.number = number


@node
def double_in_place(context: NodeContext, image: Image) -> Image:
    """Doubles."""
    context.text("at work")
    context.progress(1, 1)
    image *= 2
    return image


@node
def process_id() -> int:
    """Where it runs."""
    return os.getpid()


@node
def make_thing(number: int = 3) -> Thing:
    """Makes what only this pack knows."""
    return Value(number)


@node
def use_thing(thing: Thing) -> int:
    """Uses it."""
    return thing.number


@node
def crash() -> int:
    """Ends its process."""
    print("goodbye", flush=True)
    os._exit(3)


@node
def raise_error(kind: str = "") -> int:
    """Raises."""
    if kind == "refused":
        raise NodeError("not like this")
    raise LookupError("no such key")


@node
def wait_long(context: NodeContext) -> int:
    """Works until it is cancelled."""
    context.text("waiting")
    while True:
        context.progress(0, 10)
        time.sleep(0.005)


@node
def output_folder(context: NodeContext) -> str:
    """Asks the host."""
    return str(context.folders.place("a").folder)


@node
def use_models(context: NodeContext) -> str:
    """Uses what is not there."""
    return str(context.models.open("a"))


@node
class Counter:
    def __init__(self):
        self.count = 0

    def run(self) -> int:
        """Counts its calls."""
        self.count += 1
        return self.count


@hookimpl
def register_nodes():
    return [double_in_place, process_id, make_thing, use_thing, crash, raise_error, wait_long, output_folder,
            use_models, Counter]
'''


def write_small_pack(folder: Path, more: str = "") -> Path:
    """Write the pack into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "pyproject.toml").write_text(MANIFEST, encoding="utf-8")
    (folder / "far_away.py").write_text(CODE + more, encoding="utf-8")
    return folder
