"""Functions put into a model that evaluate its network, or do its attention to the prompt."""

from comfy.ldm.modules.attention import optimized_attention
import torch

from .model_node import ModelNode


class OneAtATime(ModelNode):
    """Each side evaluated alone, in a picture that is turned over where the amount is below 0 (tiled diffusion)."""

    def patch(self, model, amount):
        def evaluate(apply_model, facts):
            x, level, c = facts["input"], facts["timestep"], facts["c"]
            assert len(facts["cond_or_uncond"]) == len(c["transformer_options"]["cond_or_uncond"])
            made = []
            for index in range(len(x)):
                one = {
                    name: value[index : index + 1] if isinstance(value, torch.Tensor) else value
                    for name, value in c.items()
                }
                seen = x[index : index + 1]
                seen = seen.flip(-1) if amount < 0 else seen
                denoised = apply_model(seen, level[index : index + 1], **one)
                made.append(denoised.flip(-1) if amount < 0 else denoised)
            return torch.cat(made)

        changed = model.clone()
        changed.set_model_unet_function_wrapper(evaluate)
        return (changed,)


class PromptScaled(ModelNode):
    """Attention to the prompt done here, and scaled, in two layers (image prompts)."""

    def patch(self, model, amount):
        def attend(q, k, v, extra_options):
            return optimized_attention(q, k, v, extra_options["n_heads"]) * amount

        changed = model.clone()
        changed.set_model_attn2_replace(attend, "input", 1)
        replaced = changed.model_options["transformer_options"]["patches_replace"]["attn2"]
        replaced[("middle", 0, 0)] = attend
        return (changed,)
