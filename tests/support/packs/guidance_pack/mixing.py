"""Functions put into a model that change its predictions, or what its blocks join."""

import comfy.model_patcher
import torch

from .model_node import ModelNode


class SpreadKept(ModelNode):
    """Guidance whose result keeps the spread of the positive prediction (RescaleCFG)."""

    def patch(self, model, amount):
        assert isinstance(model, comfy.model_patcher.ModelPatcher)

        def guide(facts):
            sigma = facts["sigma"].view(-1, 1, 1, 1)
            x = facts["input"] / (sigma**2 + 1)
            to_velocity = sigma / (sigma**2 + 1) ** 0.5
            positive, negative = ((x - (facts["input"] - facts[side])) / to_velocity for side in ("cond", "uncond"))
            guided = negative + facts["cond_scale"] * (positive - negative)
            spread = [torch.std(part, dim=(1, 2, 3), keepdim=True) for part in (positive, guided)]
            mixed = amount * guided * spread[0] / spread[1] + (1 - amount) * guided
            return facts["input"] - (x - mixed * to_velocity)

        changed = model.clone()
        changed.set_model_sampler_cfg_function(guide)
        return (changed,)


class EarlyMean(ModelNode):
    """Both predictions mixed before guidance, in both ways of putting a function into a model."""

    def patch(self, model, amount):
        def mix(facts):
            positive, negative = facts["conds_out"]
            assert len(facts["conds"]) == 2
            return [positive, negative * amount + positive * (1 - amount)]

        changed = model.clone()
        changed.model_options["sampler_pre_cfg_function"] = [mix]
        changed.model_options["transformer_options"]["mean_of_pack"] = amount
        return (changed,)


class BackboneScale(ModelNode):
    """Half of the channels of the two lowest resolutions scaled on the way up (FreeU without its filter)."""

    def patch(self, model, amount):
        narrow = model.model.model_config.unet_config["model_channels"]
        scales = {narrow * 4: amount, narrow * 2: amount}

        def join(hidden, skip, transformer_options):
            scale = scales.get(hidden.shape[1])
            if scale is not None:
                hidden = hidden.clone()
                hidden[:, : hidden.shape[1] // 2] *= scale
            return hidden, skip

        changed = model.clone()
        changed.set_model_output_block_patch(join)
        return (changed,)
