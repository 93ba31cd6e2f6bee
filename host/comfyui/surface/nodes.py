"""``nodes``: the classes of all nodes, and what the sampler nodes are made of."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Mapping
from typing import Any, NoReturn

from host.comfyui.home import home
from host.comfyui.node_classes import class_of
from host.comfyui.offered import UnknownName
from host.comfyui.surface import model_management
from host.comfyui.surface.image_savers import PreviewImage, SaveImage

__all__ = [
    "EXTENSION_WEB_DIRS",
    "MAX_RESOLUTION",
    "NODE_CLASS_MAPPINGS",
    "NODE_DISPLAY_NAME_MAPPINGS",
    "PreviewImage",
    "SaveImage",
    "before_node_execution",
    "common_ksampler",
    "interrupt_processing",
]

MAX_RESOLUTION = 16384
EXTENSION_WEB_DIRS: dict[str, str] = {}
"""Folders of scripts that packs name while they are imported, by the name in their addresses; the loader takes them."""
_BY_HAND: Mapping[str, type] = {"PreviewImage": PreviewImage, "SaveImage": SaveImage}


class ReadOnly(TypeError):
    """A pack wants to put a node in another's place behind everybody's back; ``name`` is the node."""

    def __init__(self, name: object) -> None:
        super().__init__(name)
        self.name = name

    def __str__(self) -> str:
        return (
            f"the table of all nodes can't be changed (node {self.name!r}): a pack offers nodes in the "
            "NODE_CLASS_MAPPINGS of its own __init__.py"
        )


class _Table(Mapping[str, Any]):
    """Something of every node, by the name that prompts call it; as it is now, and not to be changed."""

    def __getitem__(self, name: str) -> Any:
        catalogue = home().catalogue()
        node = catalogue.ready(name)
        if node is None:
            raise KeyError(name)
        return self._of(name, node)

    def __contains__(self, name: object) -> bool:
        return home().catalogue().find(name) is not None

    def __iter__(self) -> Iterator[str]:
        catalogue = home().catalogue()
        return iter([catalogue.name_of(node) for node in catalogue])

    def __len__(self) -> int:
        return len(home().catalogue())

    def __setitem__(self, name: object, value: object) -> NoReturn:
        raise ReadOnly(name)

    def __delitem__(self, name: object) -> NoReturn:
        raise ReadOnly(name)

    def update(self, *tables: Mapping[str, Any], **named: Any) -> NoReturn:
        raise ReadOnly(", ".join([*(name for table in tables for name in table), *named]))

    def copy(self) -> dict[str, Any]:
        """All of it, as a dict of the caller's own."""
        return dict(self)

    @abstractmethod
    def _of(self, name: str, node: Any) -> Any:
        """What of a node the table is of."""


class _Classes(_Table):
    def _of(self, name: str, node: Any) -> type:
        return _BY_HAND[node.id] if node.pack == "core" and node.id in _BY_HAND else class_of(node)


class _Titles(_Table):
    def _of(self, name: str, node: Any) -> str:
        return node.title or name


NODE_CLASS_MAPPINGS = _Classes()
NODE_DISPLAY_NAME_MAPPINGS = _Titles()


def __getattr__(name: str) -> Any:
    """The class of the built-in node of that name."""
    if (node := home().catalogue().find(f"core/{name}")) is None:
        raise UnknownName(name)
    return class_of(node)


def common_ksampler(
    model: Any,
    seed: int,
    steps: int,
    cfg: float,
    sampler_name: str,
    scheduler: str,
    positive: Any,
    negative: Any,
    latent: Mapping[str, Any],
    denoise: float = 1.0,
    disable_noise: bool = False,
    start_step: int | None = None,
    last_step: int | None = None,
    force_full_denoise: bool = False,
) -> tuple[dict[str, Any]]:
    """The sampled latent, alone in a tuple.

    Args:
        denoise: share of the noise that is removed, 0..1.
        disable_noise: the latent is noisy already.
        start_step, last_step: the part of the steps to run; None for all.
        force_full_denoise: a run that ends early removes all noise.
    """
    from host.builtin_nodes.denoising import Run
    from host.comfyui.surface.sampling_runs import run_as_node

    run = Run(
        seed=seed,
        steps=steps,
        cfg=cfg,
        sampler=sampler_name,
        scheduler=scheduler,
        denoise=denoise,
        start_at=start_step,
        end_at=last_step,
        add_noise=not disable_noise,
        leftover_noise=not force_full_denoise,
    )
    return (run_as_node(model, run, positive, negative, latent),)


def before_node_execution() -> None:
    """Raise ``InterruptProcessingException`` once the running job is cancelled."""
    model_management.throw_exception_if_processing_interrupted()


def interrupt_processing(value: bool = True) -> None:
    """Cancel the job of the running node."""
    model_management.interrupt_current_processing(value)
