"""Which share of two models each block gets, by what the original code calls its weights."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from host.builtin_nodes.merging.blending import Share
from sdk import PartWeights, Stacked
from sdk.models import PatchTarget

_ORIGINAL = "diffusion_model."


def by_block(weights: PartWeights, ratios: Mapping[str, float]) -> Callable[[str], Share]:
    """The shares of a weight: those of the longest name of ``ratios`` that its original name begins with.

    Weights of none get the first ratio.

    Args:
        weights: of the first model.
        ratios: the first model's shares, by the beginning of original names (``input_blocks.1.``).
    """
    default, names = next(iter(ratios.values())), _original_names(weights.aliases)

    def share(name: str) -> Share:
        begins = [start for start in ratios if names.get(name, name).startswith(start)]
        ratio = ratios[max(begins, key=len)] if begins else default
        return Share(ratio, 1.0 - ratio)

    return share


def _original_names(aliases: Mapping[str, PatchTarget]) -> dict[str, str]:
    """For each of the module's weights a name that the original code has for it, or for a weight it is part of."""
    names: dict[str, str] = {}
    for alias, target in aliases.items():
        if alias.startswith(_ORIGINAL):
            for weight in _weights(target):
                names.setdefault(weight, alias.removeprefix(_ORIGINAL) + ".")
    return names


def _weights(target: PatchTarget) -> list[str]:
    if isinstance(target, str):
        return [target]
    return [source.key for source in (target.sources if isinstance(target, Stacked) else (target,))]
