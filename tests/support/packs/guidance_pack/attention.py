"""Functions put into a model that change its attention."""

import comfy.model_patcher
import comfy.samplers

from .model_node import ModelNode


class PlainAttentionAway(ModelNode):
    """Away from what the network predicts while its middle looks at each cell alone (PAG)."""

    def patch(self, model, amount):
        def alone(q, k, v, extra_options):
            return v

        def away(facts):
            if amount == 0:
                return facts["denoised"]
            options = comfy.model_patcher.set_model_options_patch_replace(
                facts["model_options"].copy(), alone, "attn1", "middle", 0
            )
            (weak,) = comfy.samplers.calc_cond_batch(
                facts["model"], [facts["cond"]], facts["input"], facts["sigma"], options
            )
            return facts["denoised"] + (facts["cond_denoised"] - weak) * amount

        changed = model.clone()
        changed.set_model_sampler_post_cfg_function(away)
        return (changed,)


class TiledAttention(ModelNode):
    """Self-attention within the left and the right half of the picture (HyperTile)."""

    def patch(self, model, amount):
        shapes = []

        def halves(q, k, v, extra_options):
            height, width = extra_options["original_shape"][-2:]
            scale = (height * width / q.shape[1]) ** 0.5
            rows, columns = round(height / scale), round(width / scale)
            shapes.append((len(q), rows, columns))
            if columns % 2:
                return q, k, v
            return tuple(
                part.reshape(len(part), rows, 2, columns // 2, -1)
                .transpose(1, 2)
                .reshape(2 * len(part), -1, part.shape[-1])
                for part in (q, k, v)
            )

        def whole(out, extra_options):
            count, rows, columns = shapes.pop()
            if columns % 2:
                return out
            return out.reshape(count, 2, rows, columns // 2, -1).transpose(1, 2).reshape(count, rows * columns, -1)

        changed = model.clone()
        changed.set_model_attn1_patch(halves)
        changed.set_model_attn1_output_patch(whole)
        return (changed,)
