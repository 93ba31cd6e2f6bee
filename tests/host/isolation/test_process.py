"""A pack in a process of its own, seen from the host."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from host.engine.cancellation import Cancellation
from host.isolation.errors import CannotCross, NotIsolable, WorkerEnded
from host.isolation.process import IsolatedPack
from host.isolation.proxies import IsolatedPlugin, NotLoadedThere, load_isolated
from sdk.context import SavePlace
from sdk.errors import Cancelled, NodeError
from sdk.nodes import NodeType
from tests.host.isolation.small_pack import write_small_pack


class Folders:
    def place(self, prefix: str, *, root: str = "output", size: tuple[int, int] | None = None) -> SavePlace:
        return SavePlace(Path("/somewhere"), prefix, 1, "", root)


class Context:
    """What a node is given; writes down what it reports, and cancels on a word."""

    node_id, prompt_id, settings = "1", "prompt", {}
    folders = Folders()

    def __init__(self, cancel_at: str = "") -> None:
        self.cancel, self.said, self._cancel_at = Cancellation(), [], cancel_at

    def text(self, message: str) -> None:
        self.said.append(message)
        if message == self._cancel_at:
            self.cancel.cancel("no longer wanted")

    def progress(self, value: float, total: float, *, preview: Any = None) -> None:
        self.cancel.raise_if_cancelled()
        self.said.append((value, total))


@pytest.fixture(scope="module")
def plugin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[IsolatedPlugin]:
    loaded = load_isolated(packed(tmp_path_factory.mktemp("pack")))["isolated"]
    yield loaded
    loaded.process.end()


def packed(folder: Path, more: str = "") -> IsolatedPack:
    return IsolatedPack(id="far-away", version="1.0.0", folder=write_small_pack(folder / "far-away", more))


def node(plugin: IsolatedPlugin, name: str) -> NodeType:
    return next(node for node in plugin.register_nodes() if node.id == name)


def result(plugin: IsolatedPlugin, name: str, *, state: Any = None, context: Any = None, **inputs: Any) -> Any:
    found = node(plugin, name).run(state, inputs, context or Context())
    return found.outputs[0]


def test_nodes_run_in_another_process_and_always_the_same(plugin: IsolatedPlugin) -> None:
    first = result(plugin, "ProcessId")
    assert first != os.getpid()
    assert result(plugin, "ProcessId") == first


def test_nodes_look_like_those_of_any_pack(plugin: IsolatedPlugin) -> None:
    found = node(plugin, "DoubleInPlace")
    assert [(item.name, item.type) for item in found.inputs] == [("image", "IMAGE")]
    assert [item.type for item in found.outputs] == ["IMAGE"]
    assert found.description == "Doubles."


@pytest.mark.parametrize("size", [2, 200])
def test_what_a_node_does_to_its_input_stays_in_its_process(plugin: IsolatedPlugin, size: int) -> None:
    image = torch.rand(1, size, size, 3)
    before, context = image.clone(), Context()
    doubled = result(plugin, "DoubleInPlace", image=image, context=context)
    assert torch.equal(image, before)
    assert torch.equal(doubled, before * 2)
    assert context.said == ["at work", (1, 1)]


def test_a_tensor_that_came_from_a_process_goes_to_the_next_node_without_a_copy(plugin: IsolatedPlugin) -> None:
    doubled = result(plugin, "DoubleInPlace", image=torch.ones(1, 200, 200, 3))
    life = plugin.process._running()
    assert life._known.holding(doubled) is not None
    assert torch.equal(result(plugin, "DoubleInPlace", image=doubled), torch.full((1, 200, 200, 3), 4.0))
    assert torch.equal(doubled, torch.full((1, 200, 200, 3), 2.0))
    part = doubled[:, ::2, 1:5]
    assert torch.equal(result(plugin, "DoubleInPlace", image=part), part * 2)


def test_what_only_the_pack_knows_stays_there_and_can_be_used_there(plugin: IsolatedPlugin) -> None:
    thing = result(plugin, "MakeThing", number=7)
    assert repr(thing) == "<Value in another process>"
    assert result(plugin, "UseThing", thing=thing) == 7


def test_what_only_the_host_knows_is_refused_by_name(plugin: IsolatedPlugin) -> None:
    with pytest.raises(CannotCross, match="a object can't be handed to pack far-away"):
        result(plugin, "UseThing", thing=object())


def test_a_nodes_state_lives_as_long_as_the_node_in_the_prompt(plugin: IsolatedPlugin) -> None:
    create = node(plugin, "Counter").create
    assert create is not None
    mine, other = create(), create()
    assert [result(plugin, "Counter", state=mine) for _ in range(2)] == [1, 2]
    assert result(plugin, "Counter", state=other) == 1


def test_what_a_node_raises_is_reported_under_its_own_name(plugin: IsolatedPlugin) -> None:
    with pytest.raises(Exception, match="no such key") as raised:
        result(plugin, "RaiseError")
    assert type(raised.value).__qualname__ == "LookupError"
    assert 'raise LookupError("no such key")' in raised.value.__notes__[0]
    with pytest.raises(NodeError, match="not like this"):
        result(plugin, "RaiseError", kind="refused")


def test_cancelling_reaches_the_node(plugin: IsolatedPlugin) -> None:
    with pytest.raises(Cancelled, match="no longer wanted"):
        result(plugin, "WaitLong", context=Context(cancel_at="waiting"))


def test_the_hosts_folders_answer_and_its_models_say_why_not(plugin: IsolatedPlugin) -> None:
    assert result(plugin, "OutputFolder") == "/somewhere"
    with pytest.raises(NodeError, match="where the host's models can't be used"):
        result(plugin, "UseModels")


def test_the_end_of_the_process_is_an_error_of_the_node_and_the_next_call_gets_a_new_process(tmp_path: Path) -> None:
    plugin = load_isolated(packed(tmp_path))["isolated"]
    try:
        fingerprint = node(plugin, "ProcessId").fingerprint
        assert fingerprint is not None
        before, mark, thing = result(plugin, "ProcessId"), fingerprint({}), result(plugin, "MakeThing")
        with pytest.raises(WorkerEnded, match=r"ended with code 3; .* goodbye"):
            result(plugin, "Crash")
        assert result(plugin, "ProcessId") != before
        assert fingerprint({}) != mark
        with pytest.raises(WorkerEnded, match="that held a Value ended"):
            result(plugin, "UseThing", thing=thing)
    finally:
        plugin.process.end()


def test_a_pack_that_can_not_be_imported_says_so(tmp_path: Path) -> None:
    with pytest.raises(NotLoadedThere, match="'nowhere_to_be_found'"):
        load_isolated(packed(tmp_path, "import nowhere_to_be_found\n"))


def test_a_pack_whose_process_ends_while_it_is_imported_says_so(tmp_path: Path) -> None:
    with pytest.raises(WorkerEnded, match="ended with code 9"):
        load_isolated(packed(tmp_path, "os._exit(9)\n"))


def test_a_pack_that_changes_the_host_itself_is_refused(tmp_path: Path) -> None:
    sampler = """
from sdk.sampling import Sampler

@hookimpl
def register_samplers():
    return [Sampler(name="far", function=print)]
"""
    with pytest.raises(NotIsolable, match="takes part in register_samplers"):
        load_isolated(packed(tmp_path, sampler))


def test_a_pack_that_looks_on_is_told_that_it_sees_nothing_from_afar(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    listener = "\n\n@hookimpl\ndef after_node(node_id):\n    pass\n"
    load_isolated(packed(tmp_path, listener))["isolated"].process.end()
    assert "it is not told of what the host does (after_node)" in caplog.text
