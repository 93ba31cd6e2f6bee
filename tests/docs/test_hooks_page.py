"""``docs/hooks.md`` and the hook specifications say the same."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import pytest

from host import hookspecs as host_hooks
from host.engine import hookspecs as engine_hooks
from host.models import hookspecs as model_hooks

PAGE = Path(__file__).parents[2] / "docs" / "hooks.md"
SPECIFIED = {
    name: function
    for module in (engine_hooks, model_hooks, host_hooks)
    for name, function in vars(module).items()
    if hasattr(function, "comfy-nodes_spec")
}
SECTIONS = dict(re.findall(r"^### (\w+)\((.*)\)$", PAGE.read_text(encoding="utf-8"), re.MULTILINE))


def test_there_are_hooks() -> None:
    assert len(SPECIFIED) >= 19


def test_every_hook_has_a_section_and_every_section_a_hook() -> None:
    assert set(SECTIONS) == set(SPECIFIED)


@pytest.mark.parametrize("name", sorted(SPECIFIED))
def test_a_section_names_the_hooks_arguments_in_order(name: str) -> None:
    assert SECTIONS[name] == ", ".join(inspect.signature(SPECIFIED[name]).parameters)


@pytest.mark.parametrize("name", sorted(SPECIFIED))
def test_a_hook_says_when_it_fires_and_what_a_result_means(name: str) -> None:
    said = inspect.getdoc(SPECIFIED[name]) or ""
    assert len(said) > 60
    assert name.startswith(("register_", "before_", "after_", "on_", "choose_", "identify_"))


def test_the_page_s_example_is_a_pack_that_loads() -> None:
    code = re.search(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert code is not None
    module: dict[str, object] = {"__name__": "page"}
    exec(compile(code[1], str(PAGE), "exec"), module)
    (invert,) = module["register_nodes"]()
    assert invert(0.25) == 0.75
