"""The family, its model, and the levels against their definitions."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest
import torch  # noqa: TID253 - the network is tried
from safetensors import safe_open
from tiny_ddpm.adapter import TinyDdpmAdapter
from tiny_ddpm.family import TinyDdpmFamily
from tiny_ddpm.levels import TRAINING_STEPS, DdpmLevels, alpha_bars
from tiny_ddpm.network import Network, NetworkConfig
from tiny_ddpm.nodes import WEIGHTS, empty_pixels, load_tiny_ddpm, no_prompt

from sdk import Header, Identity, Refusal, TensorInfo
from sdk.testing import FakeContext, FakeModels, load_pack, run_node

PACK = Path(__file__).parents[1]


def header(path: Path = WEIGHTS) -> Header:
    with safe_open(path, framework="pt") as file:
        slices = {key: file.get_slice(key) for key in file.keys()}  # noqa: SIM118 - it is no dict
        tensors = {key: TensorInfo(part.get_dtype(), tuple(part.get_shape())) for key, part in slices.items()}
    return Header(path, tensors)


@pytest.fixture(scope="module")
def network() -> Network:
    known = TinyDdpmFamily().identify(header())
    assert isinstance(known, Identity)
    (part,) = TinyDdpmFamily().parts(header(), known)
    module = part.build()
    with safe_open(WEIGHTS, framework="pt") as file:
        module.load_state_dict({name: file.get_tensor(source.key) for name, source in part.weights.items()})
    return module.eval()


def test_the_model_that_ships_is_small_and_known() -> None:
    assert WEIGHTS.stat().st_size < 1_000_000
    known = TinyDdpmFamily().identify(header())
    assert (known.family, known.kind) == ("tiny-ddpm", "denoiser")
    assert known.config == {"channels": 3, "width": 32, "time_width": 64}
    assert "'ddpm.'" in known.because


@pytest.mark.parametrize("config", [NetworkConfig(1, 16, 32), NetworkConfig(4, 24, 48)])
def test_networks_of_other_widths_are_known_by_their_shapes(config: NetworkConfig) -> None:
    shapes = {f"ddpm.{name}": tuple(w.shape) for name, w in Network(config).named_parameters()}
    found = Header(Path("x"), {key: TensorInfo("F32", shape) for key, shape in shapes.items()})
    known = TinyDdpmFamily().identify(found)
    assert NetworkConfig(**known.config) == config
    (part,) = TinyDdpmFamily().parts(found, known)
    assert part.weights.keys() == dict(part.build().named_parameters()).keys()


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"ddpm.conv_in.weight": None}, "it has no weight ddpm.conv_in.weight of 4 dimensions"),
        ({"ddpm.time_in.weight": (4,)}, "it has no weight ddpm.time_in.weight of 2 dimensions"),
        ({"ddpm.conv_out.weight": (7, 32, 3, 3)}, "do not fit each other"),
        ({"ddpm.down.weight": (32, 32, 3, 3)}, "not twice as wide"),
    ],
)
def test_other_files_are_refused_with_a_reason(change: dict, reason: str) -> None:
    tensors = dict(header().tensors)
    for key, shape in change.items():
        if shape is None:
            del tensors[key]
        else:
            tensors[key] = TensorInfo("F32", shape)
    refused = TinyDdpmFamily().identify(Header(Path("x"), tensors))
    assert isinstance(refused, Refusal)
    assert reason in refused.reason


def test_levels_are_those_of_the_paper() -> None:
    levels = DdpmLevels()
    kept = alpha_bars()
    assert float(kept[0]) == pytest.approx(1 - 1e-4)
    assert len(levels.sigmas) == TRAINING_STEPS
    assert (levels.sigmas.diff() > 0).all()
    scale = 1 / (1 + levels.sigmas**2)
    assert torch.allclose(scale.double(), kept, rtol=1e-4)


def test_steps_and_levels_are_each_other_s_reverse() -> None:
    levels = DdpmLevels()
    steps = torch.tensor([0, 1, 500, 998, 999])
    assert torch.equal(levels.timestep(levels.sigma(steps)), steps)
    assert levels.percent_to_sigma(0) > levels.sigma_max
    assert levels.percent_to_sigma(1) == 0
    assert levels.sigma_at(0) == levels.sigma_max
    assert levels.sigma_at(1) == levels.sigma_min
    assert levels.starts_at_maximum(levels.sigma_max)
    assert not levels.starts_at_maximum(levels.sigma_min)


def test_an_exact_estimate_of_the_noise_gives_the_image_back() -> None:
    levels, image = DdpmLevels(), torch.randn(2, 3, 8, 8)
    noise, sigma = torch.randn(2, 3, 8, 8), torch.full((2, 1, 1, 1), 3.0)
    noised = levels.noise_scaling(sigma, noise, image)
    assert torch.allclose(levels.denoised(sigma, noise, noised), image, atol=1e-5)
    assert torch.equal(levels.inverse_noise_scaling(sigma, image), image)


def test_the_model_s_estimate_of_the_noise_is_much_better_than_none(network: Network) -> None:
    image = torch.full((8, 3, 16, 16), -0.8)
    image[:, 0, 4:12, 4:12] = 0.9
    noise, step = torch.randn(image.shape, generator=torch.Generator().manual_seed(2)), torch.full((8,), 300)
    kept = alpha_bars()[300].float()
    with torch.no_grad():
        estimate = network(kept.sqrt() * image + (1 - kept).sqrt() * noise, step)
    assert float((estimate - noise).square().mean()) < 0.1


def test_sampling_gives_pictures_of_one_bright_thing_on_a_dark_ground(network: Network) -> None:
    """Forty steps of DDIM (Song et al. 2020, eq. 12); see `workflows/shapes.json` for a host's sampler."""
    adapter = TinyDdpmAdapter(3)
    levels = adapter.parametrisation
    sigmas = torch.cat([levels.sigma(torch.linspace(999, 0, 40)), torch.zeros(1)])
    noise = torch.randn(16, 3, 16, 16, generator=torch.Generator().manual_seed(4))
    x = levels.noise_scaling(sigmas[0], noise, torch.zeros_like(noise), True)
    with torch.no_grad():
        for sigma, following in pairwise(sigmas):
            timestep = levels.timestep(sigma).expand(16)
            output = adapter.forward(network, levels.model_input(sigma, x), timestep, torch.zeros(1))
            denoised = levels.denoised(sigma, output, x).clamp(-1, 1)
            x = denoised + (x - denoised) * following / sigma
    pictures = (x + 1) / 2
    border = torch.cat([pictures[:, :, 0], pictures[:, :, -1], pictures[:, :, :, 0], pictures[:, :, :, -1]], dim=-1)
    assert float(border.amax(dim=1).median()) < 0.35
    assert float(pictures.amax(dim=(1, 2, 3)).median()) > 0.75


def test_the_nodes_give_what_a_sampler_wants() -> None:
    (pixels,) = run_node(empty_pixels, width=20, height=12, batch_size=2).outputs
    assert tuple(pixels["samples"].shape) == (2, 3, 12, 20)
    ((entry,),) = run_node(no_prompt).outputs
    assert entry[1] == {}
    models = FakeModels(files={WEIGHTS.name: {"denoiser": object()}})
    (handle,) = run_node(load_tiny_ddpm, FakeContext(models=models)).outputs
    assert handle.part == "denoiser"


def test_the_pack_registers_the_family() -> None:
    with load_pack(PACK) as pack:
        ((family,),) = pack.call("register_model_families")
        assert family.name == "tiny-ddpm"
