"""The names by which files of weight changes call a model's layers.

Tables made here go into ``Part.patch_names``: for each name of a layer its weight, and for the name with ``.bias``
its bias. Which names there are is history: kohya's trainers write a module's path with underscores, diffusers and PEFT
with dots; either takes diffusers' paths for a UNet or those of the original code.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

_TEXT_MODEL = "text_model."
_OUR_VECTOR, _DIFFUSERS_VECTOR = "class_embedding.", "add_embedding."
_ATTENTIONS = (".attn1.", ".attn2.")
_BELOW_SELF_ATTENTION = {"q_proj": "to_q", "k_proj": "to_k", "v_proj": "to_v", "out_proj": "to_out"}


def unet_names(originals: Mapping[str, str], prefix: str = "") -> dict[str, str]:
    """Further names for a UNet's weights and biases.

    Known are ``lora_unet_…``, ``oft_unet_…`` and ``lycoris_…`` with diffusers' and with original paths, either paths
    alone and after ``base_model.model.``, as PEFT saves them, original paths after ``diffusion_model.`` and
    ``model.diffusion_model.``, and diffusers' paths after ``unet.``, also those of its former attention processors.
    diffusers calls the layers of vector conditioning ``add_embedding``, our module ``class_embedding``.

    Args:
        originals: the file's key for each tensor of diffusers' module.
        prefix: what precedes the original paths in these keys.
    """

    def spellings(layer: str, weight: str) -> Iterator[str]:
        original = originals[weight].removeprefix(prefix).rpartition(".")[0]
        yield f"diffusion_model.{original}"
        yield f"model.diffusion_model.{original}"
        yield original
        paths = dict.fromkeys((layer, layer.replace(_OUR_VECTOR, _DIFFUSERS_VECTOR, 1)))
        for path in (original, *paths):
            yield f"lora_unet_{_underscored(path)}"
            yield f"oft_unet_{_underscored(path)}"
            yield f"lycoris_{_underscored(path)}"
            yield f"base_model.model.{path}"
        for path in paths:
            yield f"base_model.model.unet.{path}"
        for path in (*paths, *_processor_paths(layer)):
            yield f"unet.{path}"
            yield path

    return _table(originals, spellings)


def clip_text_names(
    weights: Iterable[str],
    *,
    kohya: Sequence[str] = ("lora_te", "lora_te1"),
    dotted: Sequence[str] = ("text_encoder", "text_encoders.clip_l.transformer"),
) -> dict[str, str]:
    """Further names for the weights and biases of a CLIP text encoder, with and without the level ``text_model``.

    Paths with dots are also known with the names that diffusers' former attention processors had: ``self_attn.to_q``.

    Args:
        weights: names of the module's tensors, with or without their level ``text_model``.
        kohya: what precedes paths with underscores; ``lora_te1`` and ``lora_te2`` where a model has two encoders.
        dotted: what precedes paths with dots.
    """

    def spellings(layer: str, weight: str) -> Iterator[str]:
        below = layer.removeprefix(_TEXT_MODEL)
        # Without the level, as transformers' own module is since its version 5.
        for path in (_TEXT_MODEL + below, below):
            for prefix in kohya:
                yield f"{prefix}_{_underscored(path)}"
            for prefix in dotted:
                yield f"{prefix}.{path}"
                attention, found, projection = path.rpartition("self_attn.")
                if found:
                    yield f"{prefix}.{attention}self_attn.{_BELOW_SELF_ATTENTION[projection]}"

    return _table(weights, spellings)


def _table(weights: Iterable[str], spellings: Callable[[str, str], Iterable[str]]) -> dict[str, str]:
    names: dict[str, str] = {}
    for weight in weights:
        layer, _, kind = weight.rpartition(".")
        if kind in ("weight", "bias"):
            for spelling in spellings(layer, weight):
                names.setdefault(spelling if kind == "weight" else f"{spelling}.bias", weight)
    return names


def _underscored(path: str) -> str:
    return path.replace(".", "_")


def _processor_paths(layer: str) -> Iterator[str]:
    """``….attn1.to_out.0`` as ``….attn1.processor.to_out``; nothing outside attention."""
    for attention in _ATTENTIONS:
        block, found, projection = layer.rpartition(attention)
        if found:
            yield f"{block}{attention}processor.{projection.removesuffix('.0')}"
