"""A borrowed denoiser as the sampling code sees it."""

# ruff: noqa: TID253 - imported inside node bodies, never on the start-up path
from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.nn import Module

from host.builtin_nodes.controlnet.control import CONTROL_TEXT
from host.builtin_nodes.families.concat_inputs import fit_batch
from host.builtin_nodes.families.interface import RUN_SEED, DenoiserAdapter, LatentFormat
from host.builtin_nodes.families.unfit_prompts import check_states
from host.builtin_nodes.sampling.batching import area_slices
from host.builtin_nodes.sampling.entries import Conditioning, Entry
from host.builtin_nodes.sampling.errors import UnsupportedConditioning
from host.builtin_nodes.sampling.parametrisation import Parametrisation
from host.builtin_nodes.sampling.rules import NO_PATCHES, NetworkPatches, PatchCall, PatchedCall
from host.builtin_nodes.sampling.uploads import upload
from sdk import ModelHandle
from sdk.models import RUN_EAGERLY

PARAMETRISATION = "parametrisation"
"""Option of a handle: the ``Parametrisation`` that replaces the model's own."""

LATENT_FORMAT = "latent_format"
"""Option of a handle: the ``LatentFormat`` that replaces the model's own."""

CONCAT = "concat"
"""The network input that is further channels of the latent."""

AROUND = "around_network"
"""Option of a handle: a tuple of ``AroundNetwork``, the outermost first."""

_INPUT = "network input "
"""What precedes the names of a network's inputs among an entry's options."""


Evaluate = Callable[[Tensor, Tensor, Tensor, Mapping[str, Any]], Tensor]
"""``(x, sigma, context, inputs) -> denoised`` of a network; ``inputs`` are those of the adapter's ``forward``."""

AroundNetwork = Callable[[Evaluate, Tensor, Tensor, Tensor, Mapping[str, Any]], Tensor]
"""``(evaluate, x, sigma, context, inputs) -> denoised``: calls ``evaluate``, once or more, with what it is to see."""


@dataclass(frozen=True, eq=False)
class FamilyModel:
    """The sampling code's ``SampledModel``: a module together with its family's adapter.

    Conditioning must have gone through ``prepare``. ``options`` are the handle's: what nodes added on the way.
    """

    module: Module
    adapter: DenoiserAdapter
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def parametrisation(self) -> Parametrisation:
        return _parametrisation(self.adapter, self.options)

    @property
    def latent_format(self) -> LatentFormat:
        return _latent_format(self.adapter, self.options)

    @property
    def device(self) -> torch.device:
        return next(self.module.parameters()).device

    def to_model(self, latent: Tensor) -> Tensor:
        return self.latent_format.to_model(latent)

    def from_model(self, latent: Tensor) -> Tensor:
        return self.latent_format.from_model(latent)

    def prepare(
        self, conditioning: Conditioning, latent: Tensor, mask: Tensor | None, *, seed: int = 0
    ) -> Conditioning:
        """The conditioning with each entry's network inputs among its options, as ``predict`` looks for them.

        Args:
            latent: the run's start latent, in the VAE's space.
            mask: the run's noise mask in any resolution, or None.
            seed: the run's.

        Raises:
            UnfitPrompt: an entry was encoded for another model.
        """
        for states, _ in conditioning:
            check_states(states, self.module)
        start = latent.to(self.device, torch.float32)
        if torch.count_nonzero(latent):
            start = self.to_model(start)
        seeded = {RUN_SEED: seed}
        return [
            [tensor.to(start.device), {**options, **self._inputs({**options, **seeded}, start, mask)}]
            for tensor, options in conditioning
        ]

    def _inputs(self, options: dict[str, object], start: Tensor, mask: Tensor | None) -> dict[str, Tensor]:
        """What the network is given at each step, there where it is."""
        inputs = {_INPUT + name: value for name, value in self.adapter.inputs(options, start, mask).items()}
        own = options.get(CONTROL_TEXT)
        if isinstance(own, Tensor):
            inputs[CONTROL_TEXT] = own
        return {name: value.to(start.device) for name, value in inputs.items()}

    def predict(
        self, x: Tensor, sigma: Tensor, entries: Sequence[Entry], patches: NetworkPatches = NO_PATCHES
    ) -> Tensor:
        """Estimates of the clean latent; see ``DenoisingModel``."""
        batch = x.shape[0] // len(entries)
        context = _joined([entry.tensor for entry in entries], batch)
        inputs: dict[str, Any] = {
            name: _joined([_network_input(name, entry) for entry in entries], batch)
            for name in _input_names(entries[0])
        }
        if patches or self.options.get(AROUND):
            sides = tuple(entry.side for entry in entries)
            call = PatchCall(sigma=float(sigma[0]), shape=tuple(x.shape), sides=sides)
            inputs["patches"] = PatchedCall(patches=patches, call=call)
        if (control := entries[0].control) is not None:
            given = {name: value for name, value in inputs.items() if isinstance(value, Tensor)}
            seen = _joined([_control_text(entry) for entry in entries], batch)
            added = control.residuals(
                self.parametrisation.model_input(_level(sigma, x), x),
                upload(self.parametrisation.timestep(sigma), x.device),
                seen,
                sigma=float(sigma[0]),
                sides=len(entries),
                inputs=given,
                model=self.module,
            )
            if added is not None:
                inputs["control"] = added
        if (boxes := entries[0].boxes) is not None:
            if not getattr(self.adapter, "takes_boxes", False):
                raise UnsupportedConditioning(["gligen"])
            inputs["boxes"] = boxes
        evaluate: Evaluate = self._evaluate
        for around in reversed(self.options.get(AROUND, ())):
            evaluate = partial(around, evaluate)
        return evaluate(x, sigma, context, inputs)

    def _evaluate(self, x: Tensor, sigma: Tensor, context: Tensor, inputs: Mapping[str, Any]) -> Tensor:
        level, timestep = _level(sigma, x), upload(self.parametrisation.timestep(sigma), x.device)
        scaled = self.parametrisation.model_input(level, x)
        with _run_eagerly(self.module, changed="patches" in inputs or "boxes" in inputs):
            output = self.adapter.forward(self.module, scaled, timestep, context, **inputs)
        return self.parametrisation.denoised(level, output.to(x), x)


def _level(sigma: Tensor, x: Tensor) -> Tensor:
    """Levels [batch] as they are computed with: one for all stays a scalar in main memory, which nothing waits for."""
    if bool((sigma == sigma[0]).all()):
        return sigma[0]
    return upload(sigma.reshape(-1, *[1] * (x.ndim - 1)), x.device)


@contextmanager
def _run_eagerly(module: Module, *, changed: bool) -> Iterator[None]:
    """Keep compiled code away from a module that nodes have changed inside, as they may differently at each step."""
    if not changed:
        yield
        return
    setattr(module, RUN_EAGERLY, True)
    try:
        yield
    finally:
        delattr(module, RUN_EAGERLY)


def parametrisation_of(model: ModelHandle) -> Parametrisation:
    """How a denoiser sees noise, as its handle has it; nothing is loaded."""
    return _parametrisation(model.adapter, model.options)


def latent_format_of(model: ModelHandle) -> LatentFormat:
    """How a denoiser's latents differ from the VAE's, as its handle has it; nothing is loaded."""
    return _latent_format(model.adapter, model.options)


def _parametrisation(adapter: DenoiserAdapter, options: Mapping[str, Any]) -> Parametrisation:
    chosen: Parametrisation | None = options.get(PARAMETRISATION)
    return adapter.parametrisation if chosen is None else chosen


def _latent_format(adapter: DenoiserAdapter, options: Mapping[str, Any]) -> LatentFormat:
    chosen: LatentFormat | None = options.get(LATENT_FORMAT)
    return adapter.latent_format if chosen is None else chosen


def _input_names(entry: Entry) -> list[str]:
    """Names of the network's inputs, without those that are meant for one side only."""
    names = (name.removeprefix(_INPUT) for name in entry.options if name.startswith(_INPUT))
    return [name for name in names if " " not in name]


def _network_input(name: str, entry: Entry) -> Tensor:
    """A network input of an entry: the one for its side, if there is one; cropped to its area if it is a latent."""
    side = "positive" if entry.side == "positive" else "negative"  # the further sides of guiders are no wish either
    value: Tensor = entry.options.get(f"{_INPUT}{side} {name}", entry.options[_INPUT + name])
    if entry.area is None or name != CONCAT:
        return value
    return value[(..., *area_slices(entry.area))]


def _control_text(entry: Entry) -> Tensor:
    """The prompt as the entry's control networks see it: their own, if they have one."""
    own: Tensor | None = entry.options.get(CONTROL_TEXT)
    return entry.tensor if own is None else own


def _joined(tensors: Sequence[Tensor], batch: int) -> Tensor:
    return torch.cat([fit_batch(tensor, batch) for tensor in tensors])
