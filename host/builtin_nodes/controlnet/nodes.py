"""Nodes that open control networks and apply them to prompts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Annotated, Any, Literal

from host.builtin_nodes.controlnet.control import CONTROL, TO_BOTH_SIDES, Control
from host.builtin_nodes.controlnet.errors import NotOfOneKind
from host.builtin_nodes.controlnet.interface import PART
from sdk import (
    Choice,
    Conditioning,
    ControlNet,
    Image,
    Mask,
    Model,
    ModelHandle,
    NodeContext,
    NodeType,
    Range,
    Vae,
    hookimpl,
    node,
)

if TYPE_CHECKING:
    from torch import Tensor

_CATEGORY = "conditioning/controlnet"
_BOTH = ("positive", "negative")
_BOTH_TIPS = ("The positive prompt with the hint.", "The negative prompt with the hint.")
_UNION_TYPES = {
    "openpose": 0,
    "depth": 1,
    "hed/pidi/scribble/ted": 2,
    "canny/lineart/anime_lineart/mlsd": 3,
    "normal": 4,
    "segment": 5,
    "tile": 6,
    "repaint": 7,
}
_COLOURS = 3
ControlNetName = Annotated[str, Choice(source="folder:controlnet")]
Strength = Annotated[float, Range(0.0, 10.0, 0.01)]
Share = Annotated[float, Range(0.0, 1.0, 0.001)]


@node(
    id="ControlNetLoader",
    title="Load ControlNet Model",
    category="loaders",
    output_tooltips=("The control network.",),
    reads=("control_net_name",),
)
def control_net_loader(control_net_name: ControlNetName, context: NodeContext) -> ControlNet:
    """Open a control network or a T2I adapter.

    Args:
        control_net_name: The file, in the model folder "controlnet" or "t2i_adapter".
    """
    return _opened(control_net_name, context)


@node(
    id="DiffControlNetLoader",
    title="Load ControlNet Model (diff)",
    category="loaders",
    output_tooltips=("The control network.",),
    reads=("control_net_name",),
)
def diff_control_net_loader(model: Model, control_net_name: ControlNetName, context: NodeContext) -> ControlNet:
    """Open a control network, also one whose file has only the differences to a model's weights.

    Args:
        model: The model that such a file was made for.
        control_net_name: The file, in the model folder "controlnet" or "t2i_adapter".
    """
    from host.builtin_nodes.controlnet.differences import with_base

    return with_base(_opened(control_net_name, context), model, context.models)


@node(
    id="ControlNetApply",
    title="Apply ControlNet (OLD)",
    category=_CATEGORY,
    output_tooltips=("The prompt with the hint.",),
    deprecated="Apply ControlNet does the same and more",
)
def control_net_apply(
    conditioning: Conditioning, control_net: ControlNet, image: Image, strength: Strength = 1.0
) -> Conditioning:
    """Let a control network follow a hint, for this prompt and for the negative one. Several can be chained.

    Args:
        conditioning: The positive prompt.
        control_net: The control network.
        image: The hint it was trained for: outlines, depths, poses …
        strength: How strictly to follow it; 0 not at all.
    """
    applied = {"control_net": control_net, "image": image, "strength": strength}
    return _applied((conditioning,), applied, to_both_sides=True)[0]


@node(
    id="ControlNetApplyAdvanced",
    title="Apply ControlNet",
    category=_CATEGORY,
    names=_BOTH,
    output_tooltips=_BOTH_TIPS,
)
def control_net_apply_advanced(
    positive: Conditioning,
    negative: Conditioning,
    control_net: ControlNet,
    image: Image,
    strength: Strength = 1.0,
    start_percent: Share = 0.0,
    end_percent: Share = 1.0,
    vae: Vae | None = None,
) -> tuple[Conditioning, Conditioning]:
    """Let a control network follow a hint during part of the schedule. Several can be chained.

    Args:
        positive: The positive prompt.
        negative: The negative prompt.
        control_net: The control network.
        image: The hint it was trained for: outlines, depths, poses …
        strength: How strictly to follow it; 0 not at all.
        start_percent: Where in the schedule it begins to work: 0 is the start.
        end_percent: Where in the schedule it stops: 1 is the end.
        vae: The autoencoder, for networks that look at latents (Stable Diffusion 3, Flux).
    """
    applied = {"control_net": control_net, "image": image, "strength": strength, "vae": vae}
    times = {"start": start_percent, "end": end_percent}
    return _applied((positive, negative), applied | times)


@node(
    id="ControlNetApplySD3",
    title="Apply Controlnet with VAE",
    category=_CATEGORY,
    names=_BOTH,
    output_tooltips=_BOTH_TIPS,
    deprecated="Apply ControlNet does the same and more",
)
def control_net_apply_sd3(
    positive: Conditioning,
    negative: Conditioning,
    control_net: ControlNet,
    vae: Vae,
    image: Image,
    strength: Strength = 1.0,
    start_percent: Share = 0.0,
    end_percent: Share = 1.0,
) -> tuple[Conditioning, Conditioning]:
    """Let a control network that looks at latents follow a hint. Apply ControlNet does the same.

    Args:
        positive: The positive prompt.
        negative: The negative prompt.
        control_net: The control network.
        vae: The autoencoder of the model.
        image: The hint it was trained for.
        strength: How strictly to follow it; 0 not at all.
        start_percent: Where in the schedule it begins to work: 0 is the start.
        end_percent: Where in the schedule it stops: 1 is the end.
    """
    applied = {"control_net": control_net, "image": image, "strength": strength, "vae": vae}
    times = {"start": start_percent, "end": end_percent}
    return _applied((positive, negative), applied | times)


@node(
    id="ControlNetInpaintingAliMamaApply",
    title="ControlNetInpaintingAliMamaApply",
    category=_CATEGORY,
    names=_BOTH,
    output_tooltips=_BOTH_TIPS,
)
def control_net_inpainting_ali_mama_apply(
    positive: Conditioning,
    negative: Conditioning,
    control_net: ControlNet,
    vae: Vae,
    image: Image,
    mask: Mask,
    strength: Strength = 1.0,
    start_percent: Share = 0.0,
    end_percent: Share = 1.0,
) -> tuple[Conditioning, Conditioning]:
    """Show an inpainting control network an image with a hole.

    Args:
        positive: The positive prompt.
        negative: The negative prompt.
        control_net: The control network; one that takes no mask sees the whole image.
        vae: The autoencoder of the model.
        image: The image.
        mask: The hole: 1 where to repaint.
        strength: How strictly to follow it; 0 not at all.
        start_percent: Where in the schedule it begins to work: 0 is the start.
        end_percent: Where in the schedule it stops: 1 is the end.
    """
    shown: dict[str, Any] = {"image": image}
    if control_net.adapter.takes_mask:
        shown = _with_hole(image, mask)
    applied = {"control_net": control_net, "strength": strength, "vae": vae, **shown}
    return _applied((positive, negative), applied | {"start": start_percent, "end": end_percent})


def _with_hole(image: Tensor, mask: Tensor) -> dict[str, Tensor]:
    from host.builtin_nodes.families.concat_inputs import fit_batch
    from host.builtin_nodes.images.scaling import scale

    kept = 1.0 - mask.reshape(-1, 1, *mask.shape[-2:])
    seen = scale(kept, image.shape[2], image.shape[1], "bilinear", crop="center").round()
    seen = seen if len(image) == 1 else fit_batch(seen, len(image))
    return {"image": image * seen.movedim(1, -1), "mask": kept}


@node(
    id="SetUnionControlNetType",
    title="SetUnionControlNetType",
    category=_CATEGORY,
    output_tooltips=("The control network, told what it will see.",),
)
def set_union_control_net_type(
    control_net: ControlNet,
    type: Literal[
        "auto",
        "openpose",
        "depth",
        "hed/pidi/scribble/ted",
        "canny/lineart/anime_lineart/mlsd",
        "normal",
        "segment",
        "tile",
        "repaint",
    ],
) -> ControlNet:
    """Tell a control network for several kinds of hints which kind it gets.

    Args:
        control_net: The control network; one for a single kind stays as it is.
        type: The kind; with "auto" it finds out by itself.
    """
    return control_net.with_options(control_type=[_UNION_TYPES[type]] if type in _UNION_TYPES else [])


def _opened(name: str, context: NodeContext) -> ModelHandle:
    parts = context.models.open(context.folders.find("controlnet", name))
    if PART not in parts:
        kind = next(iter(parts.values())).identity.kind if parts else "file without parts"
        raise NotOfOneKind(name, kind.replace("_", " "), "control network")
    return parts[PART]


def _applied(
    prompts: tuple[Conditioning, ...], applied: Mapping[str, Any], *, to_both_sides: bool = False
) -> tuple[Any, ...]:
    """The prompts with one more control; entries that had the same one before share the new one, too."""
    if applied["strength"] == 0:
        return prompts
    given = {name: value for name, value in applied.items() if name not in ("control_net", "image")}
    hint = _coloured(applied["image"].movedim(-1, 1))
    made: dict[int, Control] = {}

    def entry(tensor: Any, options: Mapping[str, Any]) -> list[Any]:
        previous = options.get(CONTROL)
        if id(previous) not in made:
            made[id(previous)] = Control(network=applied["control_net"], hint=hint, previous=previous, **given)
        return [tensor, {**options, CONTROL: made[id(previous)], TO_BOTH_SIDES: to_both_sides}]

    return tuple([entry(tensor, options) for tensor, options in prompt] for prompt in prompts)


def _coloured(hint: Tensor) -> Tensor:
    """A grey picture [batch, channel, height, width], also one with transparency, in three channels."""
    return hint[:, :1].expand(-1, _COLOURS, -1, -1) if hint.shape[1] < _COLOURS else hint


@hookimpl
def register_nodes() -> Iterable[NodeType]:
    """Nodes that open control networks and apply them."""
    return [
        *(control_net_loader, diff_control_net_loader, set_union_control_net_type),
        *(control_net_apply, control_net_apply_advanced, control_net_apply_sd3, control_net_inpainting_ali_mama_apply),
    ]
