"""Ctrl-C, kills and disks that refuse: what is there afterwards is whole, or is not there."""

from __future__ import annotations

import resource
import signal
import time
from pathlib import Path

import pytest
from PIL import Image

from tests.support.command_line import CommandLine, interrupt, plain_picture, text_to_image, wait_for, write_json

pytestmark = pytest.mark.e2e

SLOW_PACK = '''
import hashlib, time
from pathlib import Path

class Stuck:
    """One call into C that looks at no signal for minutes."""
    CATEGORY, FUNCTION, RETURN_TYPES, OUTPUT_NODE = "test", "go", (), True

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"sign": ("STRING", {})}}

    def go(self, sign):
        Path(sign).touch()
        hashlib.pbkdf2_hmac("sha256", b"", b"", 2**31 - 1)
        return ()

NODE_CLASS_MAPPINGS = {"Stuck": Stuck}
'''
STEPS_PACK = """
from pathlib import Path
from sdk.hooks import hookimpl

@hookimpl
def after_node(job, node_id, node, result, seconds):
    Path("after", node_id).touch()
"""


def files(folder: Path) -> list[str]:
    """Names in a folder, without hidden ones."""
    return sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))


def test_control_c_ends_sampling_within_a_step(comfy_nodes: CommandLine, base: Path, tmp_path: Path) -> None:
    (tmp_path / "marks").mkdir()
    write_json(base / "long.json", text_to_image() | {"3": text_to_image(steps=10_000)["3"]})
    run = comfy_nodes.start("run", "long.json", "--output-dir", tmp_path, "--json", "--log-level", "debug")
    assert run.stderr is not None
    for line in run.stderr:
        if "sampling" in line:
            break
    interrupt(run)
    began = time.monotonic()
    ended = comfy_nodes.end(run)
    assert time.monotonic() - began < 10
    assert (ended.code, ended.json["state"]) == (130, "cancelled")
    assert files(tmp_path) == ["marks"]
