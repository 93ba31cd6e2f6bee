"""Objects of packs work while the node runs that got them, and keep nothing of it alive."""

from __future__ import annotations

import gc
import weakref
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
import torch

from host.builtin_nodes.families.clip_vision.adapter import VisionOutput
from host.comfyui.handles import from_pack, to_pack
from host.comfyui.running import OutsideOfNodes, Running
from host.comfyui.surface.held_models import VAE
from sdk.models import Identity, ModelHandle
from tests.support.comfy_packs import load, node_of
from tests.support.comfy_probe import ProbedHost
from tests.support.node_context import context_in

HANDLE = ModelHandle(
    key="k", part="vae", identity=Identity(family="f", kind="vae", config={}, because=""), adapter=None
)


def test_an_object_that_a_pack_keeps_works_until_its_node_has_run(probed: ProbedHost) -> None:
    kept = probed.inside(lambda _model, _clip, vae: vae)
    with pytest.raises(OutsideOfNodes, match="a VAE works only while a node runs"):
        kept.decode(torch.zeros(1, 4, 8, 8))


def test_an_object_that_a_pack_keeps_holds_no_context(tmp_path: Path) -> None:
    context = context_in(tmp_path)
    gone = weakref.ref(context)
    with Running(context).entered():
        kept = VAE(HANDLE)
        assert kept.context is context
    del context
    gc.collect()
    assert gone() is None


def test_threads_of_a_running_node_may_use_its_objects(probed: ProbedHost) -> None:
    def run(_model: Any, _clip: Any, vae: Any) -> Any:
        made: list[Any] = []
        thread = Thread(target=lambda: made.append(vae.decode(torch.zeros(1, 4, 8, 8))))
        thread.start()
        thread.join()
        return made

    (picture,) = probed.inside(run)
    assert picture.shape == (1, 64, 64, 3)


def test_lists_of_models_are_lists_of_objects() -> None:
    (held,) = to_pack([HANDLE])
    assert isinstance(held, VAE)
    assert from_pack([held]) == [HANDLE]


def test_what_an_image_encoder_says_is_there_by_attribute_and_by_key() -> None:
    said = to_pack(VisionOutput(torch.zeros(1), torch.ones(1), torch.full((1,), 2.0)))
    assert said["image_embeds"] is said.image_embeds
    assert float(said["penultimate_hidden_states"]) == 1.0
    said["image_embeds"] = torch.full((1,), 5.0)
    assert float(said.image_embeds) == 5.0
    assert from_pack(said) is said
    assert to_pack(said) is said


ASKED = """
class Asked:
    RETURN_TYPES = ()
    FUNCTION = "go"
    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"vae": ("VAE",), "late": ("INT", {"lazy": True})}}
    @classmethod
    def IS_CHANGED(cls, vae, late):
        return type(vae).__name__
    def check_lazy_status(self, vae, late):
        return ["late"] if type(vae).__name__ == "VAE" else []
    def go(self, vae, late): ...
NODE_CLASS_MAPPINGS = {"Asked": Asked}
"""
ASKED_BY_SCHEMA = """
from comfy_api.latest import ComfyExtension, io
class Asked(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(node_id="Asked", inputs=[io.Vae.Input("vae"), io.Int.Input("late", lazy=True)], outputs=[])
    @classmethod
    def fingerprint_inputs(cls, vae, late):
        return type(vae).__name__
    @classmethod
    def check_lazy_status(cls, vae, late):
        return ["late"] if type(vae).__name__ == "VAE" else []
    @classmethod
    def execute(cls, vae, late):
        return io.NodeOutput()
class Extension(ComfyExtension):
    async def get_node_list(self):
        return [Asked]
def comfy_entrypoint():
    return Extension()
"""


@pytest.mark.parametrize("source", [ASKED, ASKED_BY_SCHEMA])
def test_functions_beside_a_node_s_work_get_objects_too(tmp_path: Path, source: str) -> None:
    node = node_of(load(tmp_path / "pack", source), "Asked")
    assert node.create is not None
    assert node.lazy is not None
    assert node.fingerprint is not None
    assert node.lazy(node.create(), {"vae": HANDLE, "late": None}) == ["late"]
    assert node.fingerprint({"vae": HANDLE, "late": None}) == "VAE"
