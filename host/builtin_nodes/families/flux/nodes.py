"""The node that gives Flux a prompt for each encoder, and its guidance."""

from __future__ import annotations

from typing import Annotated

from host.builtin_nodes.families.text_encoders.prompts import encode_each
from sdk import Clip, Conditioning, Multiline, NodeContext, Range, node

_Prompt = Annotated[str, Multiline(dynamic=True)]


@node(
    id="CLIPTextEncodeFlux",
    category="advanced/conditioning/flux",
    output_tooltips=("What the prompts mean to the denoiser, with its guidance.",),
)
def clip_text_encode_flux(
    *,
    clip: Clip,
    clip_l: _Prompt,
    t5xxl: _Prompt,
    guidance: Annotated[float, Range(0.0, 100.0, 0.1)] = 3.5,
    context: NodeContext,
) -> Conditioning:
    """Turn prompts into conditioning for Flux, one for each of its text encoders.

    Args:
        clip: The text encoders of Flux.
        clip_l: The prompt for CLIP-L, which sets the general direction; keywords do.
        t5xxl: The prompt for T5, which reads sentences.
        guidance: How strictly Flux dev follows the prompt; Flux schnell takes no notice.
    """
    encoded = encode_each(clip, {"clip_l": clip_l, "t5xxl": t5xxl}, "CLIPTextEncodeFlux", context)
    return [[encoded.states, {"pooled_output": encoded.pooled, "guidance": guidance}]]
