"""Samplers and schedules that a pack adds to ComfyUI's lists while it is imported, as the host's own records."""

from __future__ import annotations

import logging
import sys
from collections.abc import Set as AbstractSet
from dataclasses import replace

from host.comfyui.home import home
from sdk.sampling import Sampler, Scheduler

logger = logging.getLogger(__name__)

_FUNCTIONS = "comfy.k_diffusion.sampling"
"""The module in which packs put a function ``sample_<name>`` for each sampler they name."""


def added_samplers(names: AbstractSet[str]) -> tuple[Sampler, ...]:
    """The samplers among names that a pack has added; nodes of the pack itself alone know what to do with the rest."""
    added = [name for name in home().sampling.samplers.added if name in names]
    return tuple(found for name in added if (found := _sampler(name)) is not None)


def added_schedulers(names: AbstractSet[str]) -> tuple[Scheduler, ...]:
    """The schedules among names that a pack has added."""
    handlers = home().sampling.handlers
    return tuple(Scheduler(name=name, function=handlers[name].levels) for name in handlers if name in names)


def _sampler(name: str) -> Sampler | None:
    function = vars(sys.modules[_FUNCTIONS]).get(f"sample_{name}") if _FUNCTIONS in sys.modules else None
    if function is None:
        logger.info("the sampler %r that a pack names is for its own nodes: there is no sample_%s", name, name)
        return None
    from host.comfyui.surface.sampling_runs import of_pack

    return replace(of_pack(function, {}), name=name, drops_penultimate=name in home().sampling.dropping)
