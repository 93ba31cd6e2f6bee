"""The README's code loads, and its commands are real ones with real options."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
import torch
from typer.main import get_command

from host.cli import app
from sdk.testing import run_node

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "README.md").read_text(encoding="utf-8")
COMMANDS = re.findall(r"^    \.venv/bin/comfy-nodes (.+?)(?: {2,}#.*)?$", PAGE.replace("\\\n", " "), re.MULTILINE)


def test_the_node_in_the_readme_works() -> None:
    (code,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    module: dict[str, object] = {"__name__": "readme"}
    exec(compile(code, "README.md", "exec"), module)
    (fade,) = module["register_nodes"]()
    (faded,) = run_node(fade, image=torch.full((1, 2, 2, 3), 0.5), amount=0.5).outputs
    assert torch.equal(faded, torch.full((1, 2, 2, 3), 0.75))


def test_there_are_commands_to_check() -> None:
    assert len(COMMANDS) >= 6


@pytest.mark.parametrize("line", COMMANDS)
def test_a_command_in_the_readme_parses(line: str) -> None:
    arguments = shlex.split(line)
    command = get_command(app)
    context = command.make_context("comfy-nodes", list(arguments), resilient_parsing=True)
    name, subcommand, rest = command.resolve_command(context, arguments)
    assert name is not None
    subcommand.make_context(name, rest)  # strict: an option that is not there raises


@pytest.mark.parametrize("target", sorted(set(re.findall(r"\]\(([^)#:]+)\)", PAGE))))
def test_what_the_readme_links_to_is_there(target: str) -> None:
    assert (ROOT / target).exists(), f"README.md links to {target}"
