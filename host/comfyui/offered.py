"""The modules of the reference host that packs find here, and what they are told of those they don't find."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from functools import cache
from types import ModuleType
from typing import Any

SURFACE = "host.comfyui.surface"

PROVIDED: Mapping[str, str | None] = {
    "comfy": None,
    "comfy.cli_args": f"{SURFACE}.cli_args",
    "comfy.clip_vision": f"{SURFACE}.clip_vision",
    "comfy.comfy_types": f"{SURFACE}.comfy_types",
    "comfy.comfy_types.node_typing": f"{SURFACE}.comfy_types",
    "comfy.k_diffusion": None,
    "comfy.k_diffusion.sampling": f"{SURFACE}.k_sampling",
    "comfy.k_diffusion.utils": f"{SURFACE}.image_folders",
    "comfy.latent_formats": f"{SURFACE}.latent_formats",
    "comfy.ldm": None,
    "comfy.ldm.modules": None,
    "comfy.ldm.modules.attention": f"{SURFACE}.attention",
    "comfy.ops": f"{SURFACE}.layers",
    "comfy.model_base": f"{SURFACE}.networks",
    "comfy.model_management": f"{SURFACE}.model_management",
    "comfy.model_patcher": f"{SURFACE}.model_patcher",
    "comfy.sample": f"{SURFACE}.sample",
    "comfy.samplers": f"{SURFACE}.samplers",
    "comfy.sd": f"{SURFACE}.sd",
    "comfy.supported_models": f"{SURFACE}.model_configs",
    "comfy.utils": f"{SURFACE}.tensor_tools",
    "comfy_api": None,
    "comfy_api.latest": f"{SURFACE}.v3_latest",
    "comfy_api.latest.io": f"{SURFACE}.v3_io",
    "comfy_execution": None,
    "comfy_execution.graph": f"{SURFACE}.execution",
    "comfy_execution.graph_utils": f"{SURFACE}.graph_builder",
    "comfy_extras": None,
    "comfyui_version": f"{SURFACE}.version",
    "folder_paths": f"{SURFACE}.folder_paths",
    "latent_preview": f"{SURFACE}.latent_preview",
    "server": f"{SURFACE}.prompt_server",
}
"""Module names that packs import, each with our module that has its public names; None for a mere package."""

FOR_PACKS_ALONE: Mapping[str, str] = {
    "execution": f"{SURFACE}.execution",
    "node_helpers": f"{SURFACE}.node_values",
    "nodes": f"{SURFACE}.nodes",
}
"""The same for names that are so common that only the code of packs gets these modules for them."""

EMPTY: frozenset[str] = frozenset(
    f"comfy.{name}"
    for name in (
        *("checkpoint_pickle", "clip_model", "conds", "controlnet", "diffusers_convert"),
        *("diffusers_load", "float", "gligen", "hooks"),
        *("ldm.flux", "ldm.flux.layers", "ldm.flux.math", "ldm.flux.model", "ldm.models"),
        *("ldm.models.autoencoder", "ldm.modules.diffusionmodules"),
        *("ldm.modules.diffusionmodules.model", "ldm.modules.diffusionmodules.openaimodel"),
        *("ldm.modules.diffusionmodules.util", "ldm.modules.distributions", "ldm.modules.ema", "ldm.util", "lora"),
        *("lora_convert", "model_detection", "model_sampling", "options"),
        *("patcher_extension", "sampler_helpers", "sd1_clip", "sdxl_clip"),
        *("supported_models_base", "t2i_adapter", "taesd", "taesd.taesd", "text_encoders", "weight_adapter"),
    )
)
"""Modules of which nothing is there, but that can be imported: many packs do so and use them in few of their nodes."""

_EXTRAS = "comfy_extras.nodes_"
"""How the modules of further built-in nodes begin; each of ours has the classes of all nodes."""


def is_offered(name: str) -> bool:
    """Whether a module of that name can be imported by packs, and by everybody else while there are any."""
    return name in PROVIDED or name in EMPTY or _is_extra(name)


def _is_extra(name: str) -> bool:
    return name.startswith(_EXTRAS) and name.count(".") == 1


def source_of(name: str) -> str | None:
    """Our module behind an offered one; None for a mere package, or one of which nothing is there."""
    return FOR_PACKS_ALONE["nodes"] if _is_extra(name) else PROVIDED.get(name)


class UnknownName(AttributeError):
    """What the ``__getattr__`` of one of our modules raises for a name it hasn't got."""


class NotProvided(ModuleNotFoundError):
    """A pack imports a part of the reference host that isn't offered here; ``name`` is the module."""

    def __init__(self, name: str) -> None:
        super().__init__(name=name)

    def __str__(self) -> str:
        offered = ", ".join(sorted(name for name, source in {**PROVIDED, **FOR_PACKS_ALONE}.items() if source))
        return f"module {self.name!r} of ComfyUI is not offered to packs here; offered are {offered}"


class NameNotProvided(ImportError):
    """A pack imports something from an offered module that this module hasn't got here.

    Attributes:
        wanted: what it wanted; ``name`` is the module.
    """

    def __init__(self, module: str, wanted: str) -> None:
        super().__init__(name=module)
        self.wanted = wanted

    def __str__(self) -> str:
        return missing_name(str(self.name), self.wanted)


def missing_name(module: str, wanted: str) -> str:
    """The sentence about a name that an offered module hasn't got."""
    return f"{wanted!r} of ComfyUI's module {module!r} is not offered to packs here"


def is_package(name: str) -> bool:
    """Whether modules are offered inside of this one, or might be asked for there."""
    return name == "comfy_extras" or any(other.startswith(f"{name}.") for other in (*PROVIDED, *EMPTY))


def fill(module: ModuleType, source: str | None) -> None:
    """Give a module the public names of our own; what that has a ``__getattr__`` for is asked for there each time."""
    ours = None if source is None else importlib.import_module(source)
    name = module.__name__
    if ours is not None:
        module.__doc__ = ours.__doc__
        for public in ours.__all__:
            setattr(module, public, getattr(ours, public))
    ask = None if ours is None else vars(ours).get("__getattr__")

    def look_up(wanted: str) -> Any:
        if not wanted.startswith("__") and is_offered(f"{name}.{wanted}"):
            return importlib.import_module(f"{name}.{wanted}")
        if not wanted.startswith("__") and ask is not None:
            try:
                return ask(wanted)
            except UnknownName:
                pass
        raise AttributeError(missing_name(name, wanted))

    vars(module)["__getattr__"] = look_up


@cache
def module_for_packs(name: str) -> ModuleType:
    """The module of ``FOR_PACKS_ALONE`` of that name, which ``sys.modules`` does not show."""
    module = ModuleType(name)
    fill(module, FOR_PACKS_ALONE[name])
    return module
