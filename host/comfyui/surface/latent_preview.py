"""``latent_preview``: callbacks that show how far sampling is, with a picture if the user wants one."""

from __future__ import annotations

from collections.abc import Callable, MutableMapping
from typing import TYPE_CHECKING, Any

from host.comfyui.surface.held_models import handle_of
from host.comfyui.surface.progress import ProgressBar

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["get_previewer", "prepare_callback"]


def get_previewer(device: Any, latent_format: Any) -> None:
    """None: the host makes previews itself, off the sampling thread, of what ``prepare_callback`` gives it."""


def prepare_callback(
    model: Any, steps: int, x0_output_dict: MutableMapping[str, Any] | None = None
) -> Callable[[int, Tensor, Tensor, int], None]:
    """A callback (step, estimate of the clean latent, sample, number of steps) that shows each step at the node.

    Args:
        x0_output_dict: gets the last estimate under ``x0``.
    """
    from sdk.previews import LatentPreview

    handle = handle_of(model, "A preview")
    bar = ProgressBar(steps)

    def callback(step: int, x0: Tensor, x: Tensor, total_steps: int) -> None:
        if x0_output_dict is not None:
            x0_output_dict["x0"] = x0
        bar.update_absolute(step + 1, total_steps, LatentPreview(x0, handle))

    return callback
