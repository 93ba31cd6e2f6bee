"""What the quick commands must not load."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.support.command_line import CommandLine

pytestmark = pytest.mark.e2e

HEAVY = {"torch", "diffusers", "transformers", "numpy", "PIL", "sqlalchemy", "tokenizers", "safetensors"}


ONLY_FOR_OTHERS = {"fastapi", "uvicorn", "httpx", "resolvelib", "packaging", "zstandard", "datasketch"}


def loaded_by(comfy_nodes: CommandLine, *arguments: str) -> set[str]:
    """The modules that a command imports, from its first line to its last."""
    command = [sys.executable, "-X", "importtime", "-m", "host.cli", *arguments]
    ended = subprocess.run(
        command, cwd=comfy_nodes.base, env=comfy_nodes.environment, capture_output=True, text=True, check=True
    )
    return {line.rpartition("|")[2].strip() for line in ended.stderr.splitlines()}


def libraries(modules: set[str]) -> set[str]:
    return {name.partition(".")[0] for name in modules}


@pytest.mark.parametrize("arguments", [["nodes"], ["nodes", "show", "KSampler"], ["--help"]], ids=" ".join)
def test_lists_and_help_load_nothing_heavy(comfy_nodes: CommandLine, arguments: list[str]) -> None:
    loaded = libraries(loaded_by(comfy_nodes, *arguments))
    assert {"host", "rich"} <= loaded
    assert not loaded & HEAVY


def test_the_list_of_packs_loads_nothing_of_the_host_and_no_other_command(comfy_nodes: CommandLine) -> None:
    loaded = loaded_by(comfy_nodes, "list")
    assert "registry_client.lockfile" in loaded
    assert not libraries(loaded) & (HEAVY | ONLY_FOR_OTHERS)
    host = {name for name in loaded if name.startswith("host.")}
    assert host <= {"host.cli", "host.cli.__main__", "host.cli.command_group", "host.cli.own_commands", "host.start"}
    assert not {name for name in loaded if name.startswith(("rich.markdown", "rich.traceback", "typer.rich_utils"))}
