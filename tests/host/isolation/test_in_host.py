"""Isolated packs in a whole host: whole prompts, errors of nodes, caches, and packs for ComfyUI."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from host.app import Host, create_host
from host.errors import JobFailed
from host.settings import load_settings
from sdk.workspace import Generation, InstalledPack, encode_generation
from tests.host.isolation.small_pack import write_small_pack

COMFYUI = '''
import os

class Where:
    """Which process it runs in."""
    CATEGORY, FUNCTION, RETURN_TYPES = "test", "go", ("INT",)

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"seed": ("INT", {"default": 0})}}

    @classmethod
    def IS_CHANGED(cls, seed):
        return seed

    def go(self, seed):
        return (os.getpid(),)

NODE_CLASS_MAPPINGS = {"Where": Where}
'''


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Host]:
    """A host with an isolated pack of ours and one for ComfyUI."""
    root = tmp_path / "packs"
    write_small_pack(root / "store" / "one" / "far-away")
    comfyui = root / "store" / "two" / "where"
    comfyui.mkdir(parents=True)
    (comfyui / "__init__.py").write_text(COMFYUI, encoding="utf-8")
    packs = tuple(
        InstalledPack(id=name, version="1.0.0", folder=root / "store" / place / name, sha256=place, isolated=True)
        for place, name in (("one", "far-away"), ("two", "where"))
    )
    generation = Generation(number=1, folder=root / "generations" / "1", packs=packs)
    generation.folder.mkdir(parents=True)
    (generation.folder / "generation.json").write_bytes(encode_generation(generation))
    (root / "current").write_text("1\n", encoding="ascii")
    made = create_host(load_settings({"base_dir": tmp_path}, {}, tmp_path))
    assert not made.registry.failures
    yield made
    for name in ("far-away", "where"):
        made.registry.manager.get_plugin(f"{name}:isolated").process.end()


def shown(host: Host, *nodes: tuple[str, dict[str, Any]]) -> str:
    """What a preview of the last of these nodes shows; they are called 1, 2 …"""
    prompt = {str(place): {"class_type": name, "inputs": inputs} for place, (name, inputs) in enumerate(nodes, 1)}
    prompt["show"] = {"class_type": "PreviewAny", "inputs": {"source": [str(len(nodes)), 0]}}
    return str(host.run(prompt).outputs["show"]["text"][0])


def test_nodes_of_isolated_packs_work_together_with_all_others(host: Host) -> None:
    assert shown(host, ("MakeThing", {"number": 5}), ("UseThing", {"thing": ["1", 0]})) == "5"
    here, there = os.getpid(), int(shown(host, ("ProcessId", {})))
    elsewhere = int(shown(host, ("Where", {"seed": 1})))
    assert len({here, there, elsewhere}) == 3


def test_a_crash_fails_the_job_by_the_nodes_name_and_the_next_one_succeeds(host: Host) -> None:
    thing = ("MakeThing", {"number": 5}), ("UseThing", {"thing": ["1", 0]})
    assert shown(host, *thing) == "5"
    with pytest.raises(JobFailed) as failed:
        shown(host, ("Crash", {}))
    assert failed.value.failure.node_type == "Crash"
    assert "the process of pack far-away ended with code 3" in str(failed.value)
    assert shown(host, *thing) == "5"


def test_results_are_cached_as_those_of_any_pack(host: Host) -> None:
    first = host.run({"1": {"class_type": "ProcessId", "inputs": {}}, "2": preview("1")})
    again = host.run({"1": {"class_type": "ProcessId", "inputs": {}}, "2": preview("1")})
    assert first.executed == 2
    assert again.executed == 0


def preview(node: str) -> dict[str, Any]:
    return {"class_type": "PreviewAny", "inputs": {"source": [node, 0]}}
