"""Nodes that merge models block by block."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from host.builtin_nodes.merging.blending import merged
from host.builtin_nodes.merging.blocks import by_block
from sdk import Input, Model, NodeContext, NodeResult, NodeType, hookimpl, node

_CATEGORY = "advanced/model_merging"
_RATIO = {"default": 1.0, "min": 0.0, "max": 1.0, "step": 0.01}
_MODELS = ("model1", "model2")


def _numbered(stem: str, count: int, end: str = ".") -> list[str]:
    return [f"{stem}.{number}{end}" for number in range(count)]


_UNET_ENDS = ["time_embed.", "label_emb."]
_SD1 = [
    *_UNET_ENDS,
    *_numbered("input_blocks", 12),
    *_numbered("middle_block", 3),
    *_numbered("output_blocks", 12),
    "out.",
]
_SDXL = [
    *_UNET_ENDS,
    *_numbered("input_blocks", 9, ""),
    *_numbered("middle_block", 3, ""),
    *_numbered("output_blocks", 9, ""),
    "out.",
]
_SD3_ENDS = ["pos_embed.", "x_embedder.", "context_embedder.", "y_embedder.", "t_embedder."]
_FLUX_ENDS = ["img_in.", "time_in.", "guidance_in", "vector_in.", "txt_in."]
_BLOCKS = {
    "ModelMergeSD1": ("Stable Diffusion 1", _SD1),
    "ModelMergeSD2": ("Stable Diffusion 2", _SD1),
    "ModelMergeSDXL": ("Stable Diffusion XL", _SDXL),
    "ModelMergeSD3_2B": ("Stable Diffusion 3 medium", [*_SD3_ENDS, *_numbered("joint_blocks", 24), "final_layer."]),
    "ModelMergeSD35_Large": (
        "Stable Diffusion 3.5 large",
        [*_SD3_ENDS, *_numbered("joint_blocks", 38), "final_layer."],
    ),
    "ModelMergeFlux1": (
        "Flux",
        [*_FLUX_ENDS, *_numbered("double_blocks", 19), *_numbered("single_blocks", 38), "final_layer."],
    ),
}
"""What the blocks of each kind of model are called, with the model's name in words."""


@node(id="ModelMergeBlocks", category=_CATEGORY, output_tooltips=("The merged model.",))
def _two_models(model1: Model, model2: Model, context: NodeContext) -> Model:
    """Mix two models, with a share of its own for each part.

    Args:
        model1: The one whose options the result keeps; a share of 1 takes a part from it alone.
        model2: The other one, of the same kind.
    """
    return model1


def _merge(state: Any, inputs: dict[str, Any], context: NodeContext) -> NodeResult:
    one, other = (inputs[name] for name in _MODELS)
    ratios = {name: float(value) for name, value in inputs.items() if name not in _MODELS}
    return NodeResult(outputs=(merged(one, other, by_block(context.models.weights(one), ratios), context),))


def _by_blocks(name: str, category: str, description: str, blocks: Sequence[str]) -> NodeType:
    """A node with one share for each block."""
    shares = tuple(
        Input(name=block, type="FLOAT", options={**_RATIO, "tooltip": f"Share of model1 in {block.rstrip('.')}."})
        for block in blocks
    )
    base: NodeType = _two_models
    facts: dict[str, Any] = {"id": name, "title": name, "category": category, "description": description}
    return replace(base, inputs=(*base.inputs, *shares), run=_merge, function=None, **facts)


@hookimpl
def register_nodes() -> Iterable[NodeType]:
    """Nodes that merge models block by block."""
    specific = f"{_CATEGORY}/model_specific"
    simple = "Mix two UNets: one share each for the way down, the middle and the way up."
    return [
        _by_blocks("ModelMergeBlocks", _CATEGORY, simple, ["input", "middle", "out"]),
        *(
            _by_blocks(name, specific, f"Mix two models of the kind {model}, block by block.", blocks)
            for name, (model, blocks) in _BLOCKS.items()
        ),
    ]
