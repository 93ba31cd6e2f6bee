from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest
import torch
from torch import Tensor

from host.builtin_nodes.controlnet.control import Control
from host.builtin_nodes.controlnet.errors import MissingVae
from host.builtin_nodes.controlnet.interface import ControlCall
from host.builtin_nodes.controlnet.live import Controls, LiveControl
from host.builtin_nodes.controlnet.residuals import SKIP, ControlResiduals
from host.builtin_nodes.families.interface import LatentFormat
from host.builtin_nodes.sampling.parametrisation import discrete
from host.builtin_nodes.sampling.predictions import Epsilon
from sdk import Identity, ModelHandle

LEVELS = discrete(Epsilon())
X = torch.zeros(4, 4, 2, 3)


@dataclass
class Echo:
    """A control network that adds its hint's mean in each batch element."""

    latent_format: LatentFormat | None = None
    takes_mask: bool = False
    prepared: list[tuple[int, ...]] = field(default_factory=list)

    def hint_size(self, height: int, width: int) -> tuple[int, int]:
        return height * 8, width * 8

    def picture(self, hint: Tensor) -> Tensor:
        return hint

    def prepare(self, module: Any, hint: Tensor) -> Tensor:
        self.prepared.append(tuple(hint.shape))
        return hint.mean(dim=(1, 2, 3))

    def residuals(self, module: Any, prepared: Tensor, call: ControlCall) -> ControlResiduals:
        return ControlResiduals({SKIP: [prepared[:, None, None, None].expand(-1, 1, *call.x.shape[2:])]})


def network(adapter: Any) -> ModelHandle:
    identity = Identity(family="echo", kind="controlnet", config={}, because="test")
    return ModelHandle(key="echo", part="controlnet", identity=identity, adapter=adapter)


def control(adapter: Any = None, value: float = 1.0, **options: Any) -> Control:
    hint = torch.full((1, 3, 16, 24), value)
    return Control(**{"network": network(adapter or Echo()), "hint": hint, "strength": 1.0, **options})


def live(given: Control) -> LiveControl:
    return Controls(lambda handle: handle.key, LEVELS).live(given)


def added(given: LiveControl, x: Tensor = X, sigma: float = 1.0, sides: int = 2) -> Tensor | None:
    found = given.residuals(x, torch.zeros(len(x)), torch.zeros(len(x), 1, 1), sigma=sigma, sides=sides)
    return None if found is None else found.of(SKIP)[0]


def test_strength_scales_what_is_added() -> None:
    value = added(live(control(strength=0.25)))
    assert value is not None
    assert value.unique().tolist() == [0.25]


def test_it_rests_outside_its_share_of_the_schedule() -> None:
    middle = live(control(start=0.25, end=0.75))
    inside, early, late = (LEVELS.percent_to_sigma(share) for share in (0.5, 0.1, 0.9))
    assert added(middle, sigma=inside) is not None
    assert added(middle, sigma=early) is None
    assert added(middle, sigma=late) is None


def test_both_ends_of_its_share_belong_to_it() -> None:
    given = live(control(start=0.25, end=0.75))
    for share in (0.25, 0.75):
        sigma = float(torch.tensor(LEVELS.percent_to_sigma(share), dtype=torch.float32))
        assert added(given, sigma=sigma) is not None


def test_several_in_a_chain_add_up_and_each_keeps_its_own_schedule() -> None:
    first = control(value=1.0, end=0.5)
    both = live(control(value=0.5, strength=0.5, previous=first))
    early = added(both, sigma=LEVELS.percent_to_sigma(0.2))
    late = added(both, sigma=LEVELS.percent_to_sigma(0.8))
    assert early is not None
    assert late is not None
    assert (early.max(), late.max()) == (1.25, 0.25)


def test_each_hint_of_a_batch_goes_with_its_latent_on_every_side() -> None:
    hints = torch.tensor([0.0, 1.0])[:, None, None, None].expand(2, 3, 16, 24)
    value = added(live(control(hint=hints)))
    assert value is not None
    assert value[:, 0, 0, 0].tolist() == [0, 1, 0, 1]


def test_fewer_hints_than_latents_are_repeated() -> None:
    hints = torch.tensor([0.0, 1.0])[:, None, None, None].expand(2, 3, 16, 24)
    value = added(live(control(hint=hints)), x=torch.zeros(3, 4, 2, 3), sides=1)
    assert value is not None
    assert value[:, 0, 0, 0].tolist() == [0, 1, 0]


def test_a_hint_is_prepared_once_for_each_size_of_latent() -> None:
    adapter = Echo()
    given = live(control(adapter))
    for x in (X, X, X[..., :1], X):
        added(given, x)
    assert adapter.prepared == [(1, 3, 16, 24), (1, 3, 16, 8)]


def test_hints_are_cut_to_the_proportions_of_what_is_made_before_they_are_resized() -> None:
    hint = torch.zeros(1, 3, 16, 48)
    hint[..., 12:36] = 1.0
    value = added(live(control(hint=hint)))
    assert value is not None
    assert value.unique().tolist() == [1.0]


def test_entries_that_share_a_control_share_the_one_that_is_ready() -> None:
    controls, given = Controls(lambda handle: handle.key, LEVELS), control()
    positive = controls.in_conditioning([[X, {"control": given}], [X, {}]])
    negative = controls.in_conditioning([[X, {"control": given}]])
    assert positive[0][1]["control"] is negative[0][1]["control"]
    assert "control" not in positive[1][1]


def test_a_network_that_looks_at_latents_wants_a_vae() -> None:
    with pytest.raises(MissingVae, match="connect a VAE"):
        added(live(control(Echo(latent_format=LatentFormat(channels=4)))))
