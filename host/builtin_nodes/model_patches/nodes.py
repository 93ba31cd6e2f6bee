"""Nodes that change what happens inside a model's network."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated

from host.builtin_nodes.sampling.rules import NetworkPatches, with_guidance
from sdk import Choice, Model, NodeType, Range, TypedCombo, hookimpl, node

_CATEGORY = "model_patches/unet"
_PATCHED = ("The model with this change.",)
_Factor = Annotated[float, Range(0.0, 10.0, 0.01)]
_Share = Annotated[float, Range(0.0, 1.0, 0.001)]
# Not a Literal: Python takes two of those for one that differ in their order alone, and another node has that other.
_METHODS = Choice(("bicubic", "nearest-exact", "bilinear", "area", "bislerp"))


@node(id="FreeU", title="FreeU", category=_CATEGORY, output_tooltips=_PATCHED)
def free_u(model: Model, b1: _Factor = 1.1, b2: _Factor = 1.2, s1: _Factor = 0.9, s2: _Factor = 0.2) -> Model:
    """Trade detail from the network's skip connections for structure from its deep layers (Si et al. 2023).

    Args:
        model: A UNet.
        b1: Factor for half of the deep features where they are widest. 1 changes nothing.
        b2: Factor for half of the deep features one level up.
        s1: Factor for the lowest frequencies of skip connections at the widest level. 1 changes nothing.
        s2: Factor for the lowest frequencies of skip connections one level up.
    """
    from host.builtin_nodes.model_patches.freeu import FreeU

    return with_guidance(model, patches=NetworkPatches(before_output=(FreeU((b1, b2), (s1, s2)),)))


@node(id="FreeU_V2", title="FreeU_V2", category=_CATEGORY, output_tooltips=_PATCHED)
def free_u_v2(model: Model, b1: _Factor = 1.3, b2: _Factor = 1.4, s1: _Factor = 0.9, s2: _Factor = 0.2) -> Model:
    """FreeU that strengthens deep features most where the picture has structure (Si et al. 2023, second version).

    Args:
        model: A UNet.
        b1: Largest factor for half of the deep features where they are widest. 1 changes nothing.
        b2: Largest factor for half of the deep features one level up.
        s1: Factor for the lowest frequencies of skip connections at the widest level. 1 changes nothing.
        s2: Factor for the lowest frequencies of skip connections one level up.
    """
    from host.builtin_nodes.model_patches.freeu import FreeU

    patch = FreeU((b1, b2), (s1, s2), by_structure=True)
    return with_guidance(model, patches=NetworkPatches(before_output=(patch,)))


@node(id="HyperTile", category=_CATEGORY, output_tooltips=_PATCHED)
def hyper_tile(
    model: Model,
    tile_size: Annotated[int, Range(1, 2048)] = 256,
    swap_size: Annotated[int, Range(1, 128)] = 2,
    max_depth: Annotated[int, Range(0, 10)] = 0,
    scale_depth: bool = False,
) -> Model:
    """Let self-attention look at tiles instead of the whole picture: faster for large images, less coherent.

    Args:
        model: A UNet.
        tile_size: Smallest side of a tile, in pixels of the image; at least 32.
        swap_size: Above 2, how many tile sizes the run alternates between, less one, so that seams move.
        max_depth: How many halvings of the picture inside the network are tiled, too.
        scale_depth: Make tiles cover more of the picture the deeper they are.
    """
    from host.builtin_nodes.model_patches.tiles import TiledAttention

    tiled = TiledAttention(max(32, tile_size) // 8, swap_size, max_depth, scale_depth)
    return with_guidance(model, patches=NetworkPatches(around_self=(tiled,)))


@node(id="TomePatchModel", category=_CATEGORY, output_tooltips=_PATCHED)
def tome_patch_model(model: Model, ratio: Annotated[float, Range(0.0, 1.0, 0.01)] = 0.3) -> Model:
    """Let places that look alike share their attention: faster, with slightly less detail (Bolya & Hoffman 2023).

    Args:
        model: A UNet.
        ratio: Share of the places that are merged, at most 0.75. 0 changes nothing.
    """
    from host.builtin_nodes.model_patches.token_merging import MergedTokens

    return with_guidance(model, patches=NetworkPatches(around_self=(MergedTokens(ratio),)))


@node(
    id="PatchModelAddDownscale",
    title="PatchModelAddDownscale (Kohya Deep Shrink)",
    category=_CATEGORY,
    output_tooltips=_PATCHED,
)
def patch_model_add_downscale(
    model: Model,
    block_number: Annotated[int, Range(1, 32, 1)] = 3,
    downscale_factor: Annotated[float, Range(0.1, 9.0, 0.001)] = 2.0,
    start_percent: _Share = 0.0,
    end_percent: _Share = 0.35,
    downscale_after_skip: bool = True,
    *,
    downscale_method: Annotated[str, _METHODS, TypedCombo(multiselect=False)],
    upscale_method: Annotated[str, _METHODS, TypedCombo(multiselect=False)],
) -> Model:
    """Make the picture smaller inside the network early in the run, so that large images keep one composition.

    Args:
        model: A UNet.
        block_number: Input block after which the picture shrinks, as the original code counts blocks.
        downscale_factor: How much smaller it becomes.
        start_percent: Share of the run after which it begins.
        end_percent: Share of the run after which it ends.
        downscale_after_skip: Leave the skip connection of that block at full size.
        downscale_method: How it is made smaller.
        upscale_method: How it is brought back to the size of a skip connection.
    """
    from host.builtin_nodes.families.sampled_model import parametrisation_of
    from host.builtin_nodes.model_patches.downscale import MatchSkip, ShrinkHidden

    levels = parametrisation_of(model)
    highest, lowest = (levels.percent_to_sigma(share) for share in (start_percent, end_percent))
    shrink = ShrinkHidden(block_number, downscale_factor, downscale_method, highest, lowest)
    back = (MatchSkip(upscale_method),)
    if downscale_after_skip:
        return with_guidance(model, patches=NetworkPatches(after_skip=(shrink,), before_output=back))
    return with_guidance(model, patches=NetworkPatches(after_input=(shrink,), before_output=back))


@hookimpl
def register_nodes() -> Iterable[NodeType]:
    """Nodes that change what happens between a UNet's blocks and around its attention."""
    return [free_u, free_u_v2, hyper_tile, tome_patch_model, patch_model_add_downscale]
