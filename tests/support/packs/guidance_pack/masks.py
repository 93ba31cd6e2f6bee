"""A mask that lets cells go later the lower its value is (differential diffusion)."""

from .model_node import ModelNode


class LaterMask(ModelNode):
    def patch(self, model, amount):
        def mask_at(sigma, denoise_mask, extra_options):
            sampling = extra_options["model"].inner_model.model_sampling
            levels = extra_options["sigmas"]
            last = max(float(levels[-1]), float(sampling.sigma_min))
            start, end = sampling.timestep(levels[:1])[0], sampling.timestep(levels.new_tensor([last]))[0]
            share = (sampling.timestep(sigma)[0] - end) / (start - end)
            return (denoise_mask >= share).to(denoise_mask.dtype)

        changed = model.clone()
        changed.set_model_denoise_mask_function(mask_at)
        return (changed,)
