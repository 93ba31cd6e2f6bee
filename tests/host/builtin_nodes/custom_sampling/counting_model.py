"""A model that finds no noise anywhere, for tests of the nodes around sampling."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.nn import Linear, Module

from host.builtin_nodes.families.interface import LatentFormat
from host.builtin_nodes.sampling.parametrisation import Parametrisation, discrete
from host.builtin_nodes.sampling.registry import SAMPLERS, SCHEDULERS
from sdk import Identity, ModelHandle
from sdk.testing import FakeContext


class CountingAdapter:
    """Keeps the prompts of every evaluation, as the first number of their tensors."""

    latent_format = LatentFormat(channels=4, scale=0.5)

    def __init__(self) -> None:
        self.prompts: list[list[float]] = []
        self.timesteps: list[float] = []

    @property
    def parametrisation(self) -> Parametrisation:
        return discrete()

    def inputs(self, options: Mapping[str, Any], latent: Tensor, mask: Tensor | None) -> dict[str, Tensor]:
        return {}

    def forward(self, module: Module, x: Tensor, timestep: Tensor, context: Tensor, **inputs: Any) -> Tensor:
        self.prompts.append(context[:, 0, 0].tolist())
        self.timesteps.append(float(timestep[0]))
        return torch.zeros_like(x)


class OneModel:
    """A model manager with one module."""

    @contextmanager
    def borrow(self, handle: ModelHandle, *, working_bytes: int = 0) -> Iterator[Module]:
        yield Linear(1, 1)


def counting_model() -> ModelHandle:
    identity = Identity(family="none", kind="denoiser", config={}, because="it is made for a test")
    return ModelHandle(key="k", part="denoiser", identity=identity, adapter=CountingAdapter())


def context() -> FakeContext:
    return FakeContext(
        models=OneModel(),  # type: ignore[arg-type]
        samplers={sampler.name: sampler for sampler in SAMPLERS},
        schedulers={scheduler.name: scheduler for scheduler in SCHEDULERS},
    )


def prompt(number: float) -> list[list[Any]]:
    return [[torch.full((1, 7, 3), number), {}]]
