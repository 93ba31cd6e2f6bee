"""The node that gives Stable Diffusion XL's refiner a prompt, a size and an aesthetic score."""

from __future__ import annotations

from typing import Annotated

from sdk import Clip, Conditioning, Multiline, NodeContext, Range, node

Side = Annotated[int, Range(0, 16384)]


@node(
    id="CLIPTextEncodeSDXLRefiner",
    category="advanced/conditioning",
    output_tooltips=("What the prompt means to the denoiser, with size and score.",),
)
def clip_text_encode_sdxl_refiner(
    *,
    ascore: Annotated[float, Range(0.0, 1000.0, 0.01)] = 6.0,
    width: Side = 1024,
    height: Side = 1024,
    text: Annotated[str, Multiline(dynamic=True)],
    clip: Clip,
    context: NodeContext,
) -> Conditioning:
    """Turn a prompt into conditioning for the refiner of Stable Diffusion XL.

    Args:
        ascore: How beautiful the picture should be, on the scale of the training data; about 6 for the prompt, 2.5 for
            the negative one.
        width: Width of the picture.
        height: Height of the picture.
        text: The prompt.
        clip: The text encoder of the refiner.
    """
    from host.builtin_nodes.text.bundled_embeddings import embeddings_for

    tokens = clip.adapter.tokenize(text, embeddings_for(clip, context.folders))
    with context.models.borrow(clip) as module:
        encoded = clip.adapter.encode(module, tokens, clip.options)
    options = {"pooled_output": encoded.pooled, "aesthetic_score": ascore, "width": width, "height": height}
    return [[encoded.states, options]]
