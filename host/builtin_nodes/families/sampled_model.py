"""A borrowed denoiser as the sampling code sees it."""

# ruff: noqa: TID253 - imported inside node bodies, never on the start-up path
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import Module

from host.builtin_nodes.families.concat_inputs import fit_batch
from host.builtin_nodes.families.interface import DenoiserAdapter
from host.builtin_nodes.sampling.guidance import Conditioning, Entry
from host.builtin_nodes.sampling.parametrisation import Parametrisation

_INPUT = "network input "
"""What precedes the names of a network's inputs among an entry's options."""


@dataclass(frozen=True, eq=False)
class FamilyModel:
    """The sampling code's ``SampledModel``: a module together with its family's adapter.

    Conditioning must have gone through ``prepare``.
    """

    module: Module
    adapter: DenoiserAdapter

    @property
    def parametrisation(self) -> Parametrisation:
        return self.adapter.parametrisation

    @property
    def device(self) -> torch.device:
        return next(self.module.parameters()).device

    def to_model(self, latent: Tensor) -> Tensor:
        return self.adapter.latent_format.to_model(latent)

    def from_model(self, latent: Tensor) -> Tensor:
        return self.adapter.latent_format.from_model(latent)

    def prepare(self, conditioning: Conditioning, latent: Tensor, mask: Tensor | None) -> Conditioning:
        """The conditioning with each entry's network inputs among its options, as ``predict`` looks for them.

        Args:
            latent: the run's start latent, in the VAE's space.
            mask: the run's noise mask in any resolution, or None.
        """
        start = latent.to(self.device, torch.float32)
        if torch.count_nonzero(start):
            start = self.to_model(start)
        return [[tensor, {**options, **self._inputs(options, start, mask)}] for tensor, options in conditioning]

    def _inputs(self, options: dict[str, object], start: Tensor, mask: Tensor | None) -> dict[str, Tensor]:
        return {_INPUT + name: value for name, value in self.adapter.inputs(options, start, mask).items()}

    def predict(self, x: Tensor, sigma: Tensor, entries: Sequence[Entry]) -> Tensor:
        """Estimates of the clean latent; see ``DenoisingModel``."""
        batch = x.shape[0] // len(entries)
        level = sigma.reshape(-1, *[1] * (x.ndim - 1))
        output = self.adapter.forward(
            self.module,
            self.parametrisation.model_input(level, x),
            self.parametrisation.timestep(sigma),
            _joined([entry.tensor for entry in entries], batch),
            **{
                name.removeprefix(_INPUT): _joined([entry.options[name] for entry in entries], batch)
                for name in entries[0].options
                if name.startswith(_INPUT)
            },
        )
        return self.parametrisation.denoised(level, output.to(x), x)


def _joined(tensors: Sequence[Tensor], batch: int) -> Tensor:
    return torch.cat([fit_batch(tensor, batch) for tensor in tensors])
