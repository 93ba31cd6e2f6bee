"""A pack's function around each evaluation of the network, with what it evaluates under the names that packs know."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from host.comfyui.surface.model_changes import OfPack, side_numbers
from host.comfyui.surface.model_options import TRANSFORMER, Options, copied
from host.comfyui.surface.model_rules import added_patches

if TYPE_CHECKING:
    from torch import Tensor

_NAMES = {"c_concat": "concat", "y": "vector"}
"""What packs call inputs of networks, and what adapters do; others have one name."""
_THEIRS = {ours: theirs for theirs, ours in _NAMES.items()}


@dataclass(frozen=True, eq=False)
class NetworkWrapper(OfPack):
    """Calls ``function(apply_model, {"input": …, "timestep": …, "c": …, "cond_or_uncond": …})``.

    Attributes:
        options: those of the model.
    """

    function: Callable[..., Any]
    options: Options

    def __call__(
        self, evaluate: Callable[..., Tensor], x: Tensor, sigma: Tensor, context: Tensor, inputs: Mapping[str, Any]
    ) -> Tensor:
        own = self.options.get(TRANSFORMER, {})
        sides = side_numbers(inputs["patches"].call)
        level = sigma.to(x.device)

        def apply_model(x: Tensor, t: Tensor, c_crossattn: Tensor = context, **c: Any) -> Tensor:
            patched = inputs["patches"]
            more = patched.patches + added_patches(c.pop(TRANSFORMER, own), own)
            given = {_NAMES.get(name, name): value for name, value in c.items() if value is not None}
            patches = replace(patched, patches=more, call=replace(patched.call, shape=tuple(x.shape)))
            return evaluate(x, t, c_crossattn, {**given, "patches": patches})

        c = {_THEIRS.get(name, name): value for name, value in inputs.items() if name != "patches"}
        told = {**copied(own), "cond_or_uncond": sides, "sigmas": level[:1]}
        c |= {"c_crossattn": context, TRANSFORMER: told}
        facts = {"input": x, "timestep": level, "c": c, "cond_or_uncond": sides}
        changed: Tensor = self.function(apply_model, facts)
        return changed
