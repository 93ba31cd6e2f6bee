"""A sampler and a schedule that join ComfyUI's lists."""

import comfy.model_patcher
import torch
from comfy.samplers import SCHEDULER_HANDLERS, SCHEDULER_NAMES, KSampler, SchedulerHandler, k_diffusion_sampling

seeds = []


def sample_guided_back(model, x, sigmas, extra_args=None, callback=None, disable=None):
    """Euler's method that steps away from the negative prediction alone (CFG++)."""
    extra_args = dict(extra_args or {})
    seeds.append(extra_args["seed"])
    seen = {}

    def look(facts):
        seen["negative"] = facts["uncond_denoised"]
        return facts["denoised"]

    extra_args["model_options"] = comfy.model_patcher.set_model_options_post_cfg_function(
        extra_args.get("model_options", {}).copy(), look, disable_cfg1_optimization=True
    )
    ones = x.new_ones([len(x)])
    for step in range(len(sigmas) - 1):
        denoised = model(x, sigmas[step] * ones, **extra_args)
        slope = (x - seen["negative"]) / sigmas[step]
        callback({"i": step, "x": x, "sigma": sigmas[step], "denoised": denoised})
        x = denoised + slope * sigmas[step + 1]
    return x


def straight(n, sigma_min, sigma_max):
    return torch.cat([torch.linspace(float(sigma_max), float(sigma_min), n), torch.zeros(1)])


def add_to_lists():
    if "guided_back" not in KSampler.SAMPLERS:
        KSampler.SAMPLERS.insert(KSampler.SAMPLERS.index("uni_pc_bh2") + 1, "guided_back")
        k_diffusion_sampling.sample_guided_back = sample_guided_back
    KSampler.SAMPLERS.append("only_for_my_nodes")
    KSampler.DISCARD_PENULTIMATE_SIGMA_SAMPLERS |= {"guided_back_2"}
    SCHEDULER_HANDLERS["straight"] = SchedulerHandler(straight, use_ms=False)
    SCHEDULER_NAMES.append("straight")
