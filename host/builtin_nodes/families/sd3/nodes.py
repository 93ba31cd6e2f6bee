"""The node that gives Stable Diffusion 3 a prompt for each encoder."""

from __future__ import annotations

from typing import Annotated, Literal

from host.builtin_nodes.families.text_encoders.prompts import encode_each
from sdk import Clip, Conditioning, Multiline, NodeContext, TypedCombo, node

_Prompt = Annotated[str, Multiline(dynamic=True)]


@node(
    id="CLIPTextEncodeSD3",
    category="advanced/conditioning",
    output_tooltips=("What the prompts mean to the denoiser.",),
)
def clip_text_encode_sd3(
    clip: Clip,
    clip_l: _Prompt,
    clip_g: _Prompt,
    t5xxl: _Prompt,
    empty_padding: Annotated[Literal["none", "empty_prompt"], TypedCombo(multiselect=False)],
    context: NodeContext,
) -> Conditioning:
    """Turn prompts into conditioning for Stable Diffusion 3, one for each of its text encoders.

    Args:
        clip: The text encoders of Stable Diffusion 3; prompts for those that aren't there are left out.
        clip_l: The prompt for the smallest encoder, CLIP-L.
        clip_g: The prompt for the larger encoder of the same kind, CLIP-G.
        t5xxl: The prompt for the largest encoder, T5, which reads sentences.
        empty_padding: What an empty prompt stands for: nothing at all, or a prompt without words. Of CLIP-L and CLIP-G,
            one prompt is enough to have both at work.
    """
    prompts: dict[str, str | None] = {"clip_l": clip_l, "clip_g": clip_g, "t5xxl": t5xxl}
    if empty_padding == "none":
        # Both CLIP encoders' results stand side by side, so that one of them needs the other.
        prompts |= dict.fromkeys(("clip_l", "clip_g")) if not clip_l and not clip_g else {}
        prompts |= {} if t5xxl else {"t5xxl": None}
    encoded = encode_each(clip, prompts, "CLIPTextEncodeSD3", context)
    return [[encoded.states, {"pooled_output": encoded.pooled}]]
