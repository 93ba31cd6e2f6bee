"""What the quick commands must not load."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.support.command_line import CommandLine

pytestmark = pytest.mark.e2e

HEAVY = {"torch", "diffusers", "transformers", "numpy", "PIL", "sqlalchemy", "tokenizers", "safetensors"}


@pytest.mark.parametrize("arguments", [["nodes"], ["nodes", "show", "KSampler"], ["--help"]], ids=" ".join)
def test_lists_and_help_load_nothing_heavy(comfy_nodes: CommandLine, arguments: list[str]) -> None:
    command = [sys.executable, "-X", "importtime", "-m", "host.cli", *arguments]
    ended = subprocess.run(
        command, cwd=comfy_nodes.base, env=comfy_nodes.environment, capture_output=True, text=True, check=True
    )
    loaded = {line.rpartition("|")[2].strip().partition(".")[0] for line in ended.stderr.splitlines()}
    assert {"host", "rich"} <= loaded
    assert not loaded & HEAVY
