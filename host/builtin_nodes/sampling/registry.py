"""The built-in samplers and schedulers, in the order in which users see them.

Importing this module imports no torch: a record's function is looked up when it is first called.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from host.builtin_nodes.sampling.traits import BROWNIAN_NOISE, CONTINUED_NOISE, LIFTED_END, OWN_MASK_NOISE
from sdk.sampling import Sampler, Scheduler


@dataclass(frozen=True)
class LazyFunction:
    """A function of a module of this package that is imported when it is called."""

    module: str
    name: str

    def resolve(self) -> Callable[..., Any]:
        """The function itself."""
        function: Callable[..., Any] = getattr(import_module(f"{__package__}.{self.module}"), self.name)
        return function

    def __call__(self, *args: Any, **options: Any) -> Any:
        return self.resolve()(*args, **options)


def _sampler(name: str, module: str, *traits: str, function: str | None = None, drops: bool = False) -> Sampler:
    return Sampler(
        name=name,
        function=LazyFunction(f"samplers.{module}", function or f"sample_{name}"),
        drops_penultimate=drops,
        traits=frozenset(traits),
    )


def _scheduler(name: str) -> Scheduler:
    return Scheduler(name=name, function=LazyFunction("schedulers", f"{name}_schedule"))


SAMPLERS: tuple[Sampler, ...] = (
    _sampler("euler", "euler", CONTINUED_NOISE),
    _sampler("euler_cfg_pp", "cfg_pp"),
    _sampler("euler_ancestral", "ancestral"),
    _sampler("euler_ancestral_cfg_pp", "cfg_pp"),
    _sampler("heun", "euler", CONTINUED_NOISE),
    _sampler("heunpp2", "heunpp", CONTINUED_NOISE),
    _sampler("dpm_2", "dpm2", CONTINUED_NOISE, drops=True),
    _sampler("dpm_2_ancestral", "ancestral_second_order", drops=True),
    _sampler("lms", "multistep"),
    _sampler("dpm_fast", "dpm_solver"),
    _sampler("dpm_adaptive", "dpm_solver"),
    _sampler("dpmpp_2s_ancestral", "ancestral_second_order"),
    _sampler("dpmpp_2s_ancestral_cfg_pp", "cfg_pp"),
    _sampler("dpmpp_sde", "dpmpp", BROWNIAN_NOISE),
    _sampler("dpmpp_sde_gpu", "dpmpp", BROWNIAN_NOISE, function="sample_dpmpp_sde"),
    _sampler("dpmpp_2m", "dpmpp"),
    _sampler("dpmpp_2m_cfg_pp", "cfg_pp"),
    _sampler("dpmpp_2m_sde", "dpmpp_multistep_sde", BROWNIAN_NOISE),
    _sampler("dpmpp_2m_sde_gpu", "dpmpp_multistep_sde", BROWNIAN_NOISE, function="sample_dpmpp_2m_sde"),
    _sampler("dpmpp_2m_sde_heun", "dpmpp_multistep_sde", BROWNIAN_NOISE),
    _sampler("dpmpp_2m_sde_heun_gpu", "dpmpp_multistep_sde", BROWNIAN_NOISE, function="sample_dpmpp_2m_sde_heun"),
    _sampler("dpmpp_3m_sde", "dpmpp_multistep_sde", BROWNIAN_NOISE),
    _sampler("dpmpp_3m_sde_gpu", "dpmpp_multistep_sde", BROWNIAN_NOISE, function="sample_dpmpp_3m_sde"),
    _sampler("ddpm", "renoising"),
    _sampler("lcm", "renoising"),
    _sampler("ipndm", "multistep"),
    _sampler("ipndm_v", "multistep"),
    _sampler("deis", "deis"),
    _sampler("res_multistep", "residual"),
    _sampler("res_multistep_cfg_pp", "residual"),
    _sampler("res_multistep_ancestral", "residual"),
    _sampler("res_multistep_ancestral_cfg_pp", "residual"),
    _sampler("gradient_estimation", "residual"),
    _sampler("gradient_estimation_cfg_pp", "residual"),
    _sampler("er_sde", "er_sde"),
    _sampler("seeds_2", "seeds"),
    _sampler("seeds_3", "seeds"),
    _sampler("sa_solver", "sa_solver"),
    _sampler("sa_solver_pece", "sa_solver"),
    _sampler("ddim", "euler", CONTINUED_NOISE, OWN_MASK_NOISE, function="sample_euler"),
    _sampler("uni_pc", "unipc", LIFTED_END, drops=True),
    _sampler("uni_pc_bh2", "unipc", LIFTED_END, drops=True),
)

SCHEDULERS: tuple[Scheduler, ...] = tuple(
    _scheduler(name)
    for name in (
        "simple",
        "sgm_uniform",
        "karras",
        "exponential",
        "ddim_uniform",
        "beta",
        "normal",
        "linear_quadratic",
        "kl_optimal",
    )
)
