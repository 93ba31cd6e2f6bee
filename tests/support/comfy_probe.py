"""Runs a test's function as the node of a pack in ComfyUI's form, with a tiny model's parts as that pack gets them."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from host.app import Host
from host.comfyui import finder
from host.comfyui.home import attach, home
from tests.support.comfy_host import PICTURE_PACK, host_with_packs
from tests.support.comfy_packs import write_pack
from tests.support.tiny_checkpoint import write_tiny_checkpoint

PROBE = """
class Probe:
    RETURN_TYPES = ("MODEL", "CLIP", "VAE", "*")
    FUNCTION = "go"
    OUTPUT_NODE = True
    task = None
    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"model": ("MODEL",), "clip": ("CLIP",), "vae": ("VAE",)}}
    def go(self, model, clip, vae):
        return type(self).task(model, clip, vae) or (model, clip, vae, None)
NODE_CLASS_MAPPINGS = {"Probe": Probe}
"""


class ProbedHost:
    """A host with a tiny model, the picture pack, and a node that runs functions."""

    def __init__(self, base: Path) -> None:
        write_tiny_checkpoint(base / "models" / "checkpoints" / "tiny.safetensors")
        write_pack(base / "probe", PROBE)
        self.base = base
        self.host: Host = host_with_packs(base, [PICTURE_PACK, base / "probe"])
        self._home = home()
        self._probe = self.host.catalogue.find("probe/Probe")

    def attach(self) -> None:
        """Have packs ask this host, also after another test's."""
        finder.install()
        attach(self._home)

    def inside(self, task: Callable[[Any, Any, Any], Any]) -> Any:
        """What a function (model, clip, vae) gives that the node runs; what it raises is raised."""
        given: list[Any] = []

        def run(model: Any, clip: Any, vae: Any) -> None:
            given.append(task(model, clip, vae))

        assert self._probe is not None
        assert self._probe.function is not None
        self._probe.function.task = staticmethod(run)  # type: ignore[attr-defined]
        loader = {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": "tiny.safetensors"}}
        probe = {"class_type": "Probe", "inputs": {"model": ["1", 0], "clip": ["1", 1], "vae": ["1", 2]}}
        self.host.run({"1": loader, "2": probe})
        return given[0]


def module_of(pack: str) -> Any:
    """The module of a pack that is loaded."""
    return sys.modules[f"custom_nodes.{pack}"]
