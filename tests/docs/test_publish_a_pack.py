"""The page for authors names commands, options and hooks that there are."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from typer.main import get_command

from host.cli import app
from sdk.testing.trials import TRIALS

PAGE = (Path(__file__).parents[2] / "docs" / "publish_a_pack.md").read_text(encoding="utf-8")
COMMANDS = re.findall(r"^    comfy-nodes (.+?)(?: {2,}#.*)?$", PAGE, re.MULTILINE)


def test_the_page_shows_every_command_of_authors() -> None:
    shown = {line.split()[0] for line in COMMANDS}
    assert {"new", "test", "check", "pack", "login", "publish", "yank", "deprecate"} <= shown


@pytest.mark.parametrize("line", COMMANDS)
def test_a_command_on_the_page_parses(line: str) -> None:
    arguments = shlex.split(line)
    command = get_command(app)
    context = command.make_context("comfy-nodes", list(arguments), resilient_parsing=True)
    name, subcommand, rest = command.resolve_command(context, arguments)
    assert name is not None
    subcommand.make_context(name, rest)  # strict: an option that is not there raises


def test_the_page_lists_every_trial() -> None:
    assert re.findall(r"^\| ([a-z ]+) \| (?=[a-z])", PAGE.split("## Check")[0], re.MULTILINE)[1:] == [
        trial.__name__.replace("_", " ") for trial in TRIALS
    ]


def test_the_hook_on_the_page_is_python_that_answers(tmp_path: Path) -> None:
    from types import SimpleNamespace

    (code,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    names: dict[str, object] = {}
    exec(compile(code, "publish_a_pack.md", "exec"), names)
    hook = names["pytest_sample_inputs"]
    assert hook(SimpleNamespace(id="LoadPalette"), SimpleNamespace(root=tmp_path)) == {"name": "warm.json"}
    assert hook(SimpleNamespace(id="Other"), SimpleNamespace(root=tmp_path)) is None
