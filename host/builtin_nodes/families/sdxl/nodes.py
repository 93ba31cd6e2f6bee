"""The node that gives Stable Diffusion XL a prompt for each encoder, and the sizes it was trained with."""

from __future__ import annotations

from typing import Annotated

from sdk import Clip, Conditioning, Multiline, NodeContext, NodeError, Range, node

Side = Annotated[int, Range(0, 16384)]
Prompt = Annotated[str, Multiline(dynamic=True)]


@node(
    id="CLIPTextEncodeSDXL",
    category="advanced/conditioning",
    output_tooltips=("What the prompts mean to the denoiser, with the sizes.",),
)
def clip_text_encode_sdxl(
    *,
    clip: Clip,
    width: Side = 1024,
    height: Side = 1024,
    crop_w: Side = 0,
    crop_h: Side = 0,
    target_width: Side = 1024,
    target_height: Side = 1024,
    text_g: Prompt,
    text_l: Prompt,
    context: NodeContext,
) -> Conditioning:
    """Turn prompts into conditioning for Stable Diffusion XL, and say how large a picture to imagine.

    Args:
        clip: The text encoders of Stable Diffusion XL.
        width: Width of the imagined original picture; small ones look scaled up.
        height: Height of the imagined original picture.
        crop_w: How many pixels were cut off its left side; more than 0 moves the subject out of the centre.
        crop_h: How many pixels were cut off its top.
        target_width: Width of the picture after cropping; best the width that is made.
        target_height: Height of the picture after cropping; best the height that is made.
        text_g: The prompt for the larger encoder, OpenCLIP-G.
        text_l: The prompt for the smaller encoder, CLIP-L.
    """
    from host.builtin_nodes.text.bundled_embeddings import embeddings_for

    if not hasattr(clip.adapter, "tokenize_each"):
        raise NodeError(
            "CLIPTextEncodeSDXL needs the two text encoders of Stable Diffusion XL, but got a single one. "
            "Use CLIPTextEncode with it, or load the encoders of an SDXL model."
        )
    tokens = clip.adapter.tokenize_each({"clip_l": text_l, "clip_g": text_g}, embeddings_for(clip, context.folders))
    with context.models.borrow(clip) as module:
        encoded = clip.adapter.encode(module, tokens, clip.options)
    options = {
        "pooled_output": encoded.pooled,
        "width": width,
        "height": height,
        "crop_w": crop_w,
        "crop_h": crop_h,
        "target_width": target_width,
        "target_height": target_height,
    }
    return [[encoded.states, options]]
