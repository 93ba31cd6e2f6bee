"""A model whose exact denoiser is known: a mixture of Gaussians over latents."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from host.builtin_nodes.sampling.guidance import Entry
from host.builtin_nodes.sampling.parametrisation import Parametrisation
from host.builtin_nodes.sampling.predictions import Velocity
from host.builtin_nodes.sampling.rules import NO_PATCHES, NetworkPatches


class MixtureModel:
    """E[x0 | x, sigma] of a mixture of isotropic Gaussians; a prompt's logits weight its components.

    It records what it is asked for. ``through_network`` makes it round levels to timesteps as a network would.
    """

    device = torch.device("cpu")

    def __init__(
        self, parametrisation: Parametrisation, means: Tensor, stds: Tensor, *, through_network: bool = False
    ) -> None:
        self.parametrisation = parametrisation
        self._means, self._stds = means.double(), stds.double()
        self._through_network = through_network
        self.first_x: Tensor | None = None
        self.called_sigmas: list[float] = []
        self.called_batches: list[int] = []
        self.called_sides: list[list[int]] = []

    def predict(
        self, x: Tensor, sigma: Tensor, entries: Sequence[Entry], patches: NetworkPatches = NO_PATCHES
    ) -> Tensor:
        if self.first_x is None:
            self.first_x = x.chunk(len(entries))[0].clone()
        self.called_sigmas.append(float(sigma[0]))
        self.called_batches.append(len(x))
        self.called_sides.append([0 if entry.side == "positive" else 1 for entry in entries])
        parts = zip(entries, x.chunk(len(entries)), strict=True)
        return torch.cat([self.estimate(part, sigma[0], entry.tensor) for entry, part in parts])

    def to_model(self, latent: Tensor) -> Tensor:
        return latent

    def from_model(self, latent: Tensor) -> Tensor:
        return latent

    def estimate(self, x: Tensor, sigma: Tensor, prompt: Tensor) -> Tensor:
        """The clean latents of samples at one level, under one prompt [1 or batch, token, component]."""
        weights = prompt.double().mean(dim=1)[0].softmax(dim=0)
        if not self._through_network:
            return self.denoise(x, sigma, weights)
        level = self.parametrisation.sigmas[self.parametrisation.timestep(sigma)]
        variance = level**2 + 1
        seen = self.parametrisation.model_input(sigma, x) * variance.sqrt()
        clean = self.denoise(seen, level, weights)
        if isinstance(self.parametrisation.prediction, Velocity):
            output = (seen / variance - clean) * variance.sqrt() / level
        else:
            output = (seen - clean) / level
        return self.parametrisation.denoised(sigma, output, x)

    def denoise(self, x: Tensor, sigma: Tensor, weights: Tensor) -> Tensor:
        """The exact estimate, computed in float64."""
        sigma, x = sigma.double(), x.double()
        alpha = 1 - sigma if self.parametrisation.is_flow else torch.ones_like(sigma)
        variances = alpha**2 * self._stds**2 + sigma**2
        offsets = x[:, None] - alpha * self._means
        size = x[0].numel()
        logs = weights.log() - size / 2 * variances.log() - offsets.flatten(2).square().sum(2) / (2 * variances)
        shares = logs.softmax(dim=1)[:, :, None, None, None]
        gains = (alpha * self._stds**2 / variances)[:, None, None, None]
        return (shares * (self._means + gains * offsets)).sum(1).float()
