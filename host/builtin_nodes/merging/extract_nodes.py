"""The node that saves the difference between two models as a LoRA."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Annotated, Any, Literal

from host.builtin_nodes.images.saving import save_numbered
from host.builtin_nodes.lora.errors import first_of
from sdk import (
    Clip,
    Hidden,
    Model,
    ModelHandle,
    NodeContext,
    NodeError,
    NodeResult,
    NodeType,
    Options,
    Range,
    TypedCombo,
    hookimpl,
    node,
)
from sdk.models import PatchTarget, Stacked

if TYPE_CHECKING:
    from torch import Tensor

_HIDDEN = {"input": {"hidden": {"prompt": ["PROMPT"], "extra_pnginfo": ["EXTRA_PNGINFO"]}}}
"""Saved nodes of this kind declare their hidden inputs as lists."""

_DOTTED = {"denoiser": "diffusion_model.", "text_encoder": "text_encoders."}
"""How names begin under which files of changes call a part's weights, as its original code does."""


class NothingToSave(NodeError):
    """Neither a model nor a text encoder is connected."""

    def __str__(self) -> str:
        return "There is no difference to save: connect one made by ModelMergeSubtract or CLIPMergeSubtract."


@node(
    id="LoraSave",
    title="Extract and Save Lora",
    category="_for_testing",
    output_node=True,
    returns=type(None),
    experimental=True,
    info=_HIDDEN,
)
def lora_save(
    *,
    context: NodeContext,
    filename_prefix: Annotated[str, Options({"multiline": False})] = "loras/ComfyUI_extracted_lora",
    rank: Annotated[int, Range(1, 4096, 1)] = 8,
    lora_type: Annotated[Literal["standard", "full_diff"], TypedCombo(multiselect=False)],
    bias_diff: bool = True,
    model_diff: Model | None = None,
    text_encoder_diff: Clip | None = None,
    prompt: Annotated[Any, Hidden.PROMPT] = None,
    extra_pnginfo: Annotated[Any, Hidden.EXTRA_PNGINFO] = None,
) -> NodeResult:
    """Save the difference between two models as a LoRA in the output folder.

    Args:
        filename_prefix: Start of the file name, before a running number; may name sub-folders.
        rank: How many directions of each difference are kept: more are nearer to it and take more space.
        lora_type: "full_diff" keeps differences whole.
        bias_diff: Save the differences of biases and norms, too.
        model_diff: A difference that ModelMergeSubtract made.
        text_encoder_diff: A difference that CLIPMergeSubtract made.
    """
    from host.builtin_nodes.merging.tensor_files import entry_of, write_tensors

    given = [handle for handle in (model_diff, text_encoder_diff) if handle is not None]
    if not given:
        raise NothingToSave
    chosen = rank if lora_type == "standard" else None
    entries = {
        name: entry_of(tensor.contiguous())
        for handle in given
        for name, tensor in _changes(handle, context, rank=chosen, with_biases=bias_diff)
    }
    place = context.folders.place(filename_prefix)
    saved = save_numbered(
        place, lambda file: write_tensors(file, entries, {}, lambda done, total: None), suffix=".safetensors"
    )
    return NodeResult(ui={"models": [saved.shown()]})


def _changes(
    handle: ModelHandle, context: NodeContext, *, rank: int | None, with_biases: bool
) -> Iterator[tuple[str, Tensor]]:
    """A part's entries, in float32: at full rank they are the difference up to rounding."""
    from host.builtin_nodes.merging.extraction import as_changes, weight_of

    weights = context.models.weights(handle)
    names = _file_names(handle, weights.aliases)
    for done, (target, name) in enumerate(names.items()):
        context.progress(done, len(names))
        yield from as_changes(name, weight_of(target, weights), rank=rank, with_biases=with_biases)
    covered = {weight for target in names for weight in _weights_in(target)}
    nameless = [name for name in weights.shapes if name not in covered and weights[name].count_nonzero()]
    if nameless:
        message = f"{len(nameless)} weights differ that a LoRA has no name for, and are left out: {first_of(nameless)}"
        context.logger.warning("%s", message)
        context.text(message)


def _file_names(handle: ModelHandle, aliases: Mapping[str, PatchTarget]) -> dict[PatchTarget, str]:
    """What files of changes call each weight, or several that they have as one, with its kind."""
    names: dict[PatchTarget, str] = {}
    for alias, target in aliases.items():
        if alias.startswith(_DOTTED[handle.part]):
            kind = _weights_in(target)[0].rpartition(".")[2]
            names.setdefault(target, f"{alias.removesuffix('.bias')}.{kind}")
    return names


def _weights_in(target: PatchTarget) -> list[str]:
    if isinstance(target, str):
        return [target]
    sources = target.sources if isinstance(target, Stacked) else [target]
    return [source.key for source in sources]


@hookimpl
def register_nodes() -> Iterable[NodeType]:
    """The node that saves a difference."""
    return [lora_save]
