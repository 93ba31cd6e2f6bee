"""The SAMPLER values of the nodes that set a sampler's options: records like those the samplers are registered by."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

from host.builtin_nodes.sampling.registry import SAMPLERS, LazyFunction
from host.builtin_nodes.sampling.traits import CONTINUED_NOISE
from sdk import SamplerRecord

_RECORDS = {sampler.name: sampler for sampler in SAMPLERS}


def with_settings(name: str, **settings: Any) -> SamplerRecord:
    """The built-in sampler of that name with settings of its function."""
    record = _RECORDS[name]
    return replace(record, function=partial(record.function, **settings))


def euler_cfg_pp_alternative() -> SamplerRecord:
    """CFG++ whose slope leaves the guided estimate for the negative one."""
    name = "euler_cfg_pp_alternative"
    return SamplerRecord(name=name, function=LazyFunction("samplers.cfg_pp", f"sample_{name}"))


def lcm_upscale(ratio: float, steps: int | None, method: str) -> SamplerRecord:
    """Consistency sampling on a latent that grows from step to step."""
    function = partial(
        LazyFunction("samplers.lcm_upscale", "sample_lcm_upscale"), ratio=ratio, growing_steps=steps, method=method
    )
    return SamplerRecord(name="lcm_upscale", function=function, traits=frozenset({CONTINUED_NOISE}))


def er_sde(solver_type: str, max_stage: int, eta: float, s_noise: float) -> SamplerRecord:
    """ER-SDE-Solver for one of the paper's equations: ``ER-SDE``, ``Reverse-time SDE`` or ``ODE``.

    ``eta`` counts for the reverse-time equation alone, ``s_noise`` not for the ODE.
    """
    if solver_type == "ER-SDE":
        return with_settings("er_sde", max_stage=max_stage, s_noise=s_noise)
    if solver_type == "ODE" or eta == 0:
        # The formula's own amount would be the rounding of two equal variances, and its root shows in the picture.
        eta, s_noise = 0.0, 0.0
    return with_settings("er_sde", max_stage=max_stage, s_noise=s_noise, noise_scale=lambda level: level ** (eta + 1))
