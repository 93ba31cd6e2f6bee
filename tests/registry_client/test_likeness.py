"""Packs whose nodes' code is nearly that of another's."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from registry_client.client import Client
from registry_client.planning import Plan
from registry_client.requests import Request
from registry_client.requirements import read_requirement
from tests.support.registry_client import client
from tests.support.registry_folder import RegistryFolder

CODE = '''"""A pack."""
from sdk import hookimpl, node


@node(category="tests")
def {name}(text: str = "", times: int = 2, gap: str = " ") -> str:
    """Gives the text several times.

    Args:
        text: anything.
        times: how often.
        gap: what stands between.
    """
    parts = []
    for number in range(times):
        parts.append(text.strip() + str(number))
        if number % 2 == 0:
            parts.append(gap.upper())
        elif number % 3 == 0:
            parts.append(gap.lower())
    found = sorted(set(parts), key=len)
    if not found:
        raise ValueError("nothing is left of the text")
    {last}


@hookimpl
def register_nodes():
    return [{name}]
'''
OWN = "return gap.join(found)"
CHANGED = "return gap.join(found[:10])"
OTHER = '''"""A pack."""
from sdk import hookimpl, node


@node(id="Other", category="tests")
def count(text: str = "") -> int:
    """Counts letters.

    Args:
        text: anything.
    """
    total = 0
    while text:
        total, text = total + text[0].isalpha(), text[1:]
    return max(total, 0) if total else -1


@hookimpl
def register_nodes():
    return [count]
'''


@pytest.fixture
def registry(tmp_path: Path) -> RegistryFolder:
    made = RegistryFolder(tmp_path / "registry")
    for name, last in (("first", OWN), ("copy", CHANGED), ("same", OWN)):
        code = CODE.format(name=f"stretch_{name}", last=last)
        made.publish_pack(name, "1.0", nodes=[f"Stretch{name.title()}"], files={f"pack_{name}.py": code})
    made.publish_pack("other", "1.0", nodes=["Other"], files={"pack_other.py": OTHER})
    return made


def install(one: Client, *names: str) -> Plan:
    with one.changing():
        plan = one.plan(Request(add=tuple(map(read_requirement, names))))
        one.apply(plan, "test", import_check=False)
    return plan


def told(one: Client, plan: Plan | None) -> list[tuple[Any, Any]]:
    return [(found.packs, tuple(pair[:2] for pair in found.nodes)) for found in one.likenesses(plan)]


def test_a_new_pack_with_nearly_the_code_of_another_is_told(registry: RegistryFolder, tmp_path: Path) -> None:
    one = client(tmp_path, registry)
    assert told(one, install(one, "first", "other")) == []
    plan = install(one, "copy")
    assert told(one, plan) == [(("copy", "first"), (("StretchCopy", "StretchFirst"),))]
    (found,) = one.likenesses(plan)
    assert 0.8 <= found.nodes[0][2] < 1
    assert str(found).startswith("copy and first have similar code for StretchCopy (StretchFirst) ")


def test_packs_of_the_same_installation_are_compared_with_each_other(registry: RegistryFolder, tmp_path: Path) -> None:
    one = client(tmp_path, registry)
    assert len(told(one, install(one, "first", "copy"))) == 1


def test_what_was_there_before_is_not_told_again(registry: RegistryFolder, tmp_path: Path) -> None:
    one = client(tmp_path, registry)
    install(one, "first", "copy")
    assert told(one, install(one, "other")) == []
    assert len(told(one, None)) == 1


def test_the_very_same_code_is_told_of_the_whole_installation_only(registry: RegistryFolder, tmp_path: Path) -> None:
    one = client(tmp_path, registry)
    assert told(one, install(one, "first", "same")) == []
    assert [found.nodes for found in one.likenesses()] == [(("StretchFirst", "StretchSame", 1.0),)]


def test_the_shape_of_an_archive_is_read_once(registry: RegistryFolder, tmp_path: Path) -> None:
    one = client(tmp_path, registry)
    plan = install(one, "first", "copy")
    before = one.likenesses(plan)
    for pack in one.lock().packs:
        for path in (tmp_path / "base" / "packs" / "store").rglob(f"{pack.id}/**/*.py"):
            path.unlink()
    assert one.likenesses(plan) == before
