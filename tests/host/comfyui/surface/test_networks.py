"""Packs read of a network what it is, without any weights."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from host.builtin_nodes.families.interface import LatentFormat
from host.builtin_nodes.sampling import parametrisation as kinds
from host.builtin_nodes.sampling import predictions
from host.comfyui.handles import UnknownAttribute
from host.comfyui.surface import model_configs, networks
from sdk.models import Identity, ModelHandle
from tests.support.comfy_probe import ProbedHost


class Adapter:
    """Says how a network sees noise."""

    latent_format = LatentFormat(channels=16, scale=2.0, shift=1.0)

    def __init__(self, parametrisation: kinds.Parametrisation) -> None:
        self.parametrisation = parametrisation


def handle_of(family: str, parametrisation: kinds.Parametrisation) -> ModelHandle:
    identity = Identity(family=family, kind="checkpoint", config={}, because="")
    return ModelHandle(key="k", part="denoiser", identity=identity, adapter=Adapter(parametrisation))


@pytest.mark.parametrize(
    ("family", "network", "config"),
    [
        ("sd1", networks.BaseModel, model_configs.SD15),
        ("sd2", networks.BaseModel, model_configs.SD20),
        ("sdxl", networks.SDXL, model_configs.SDXL),
        ("sdxl_refiner", networks.SDXLRefiner, model_configs.SDXLRefiner),
        ("sd3", networks.SD3, model_configs.SD3),
        ("flux", networks.Flux, model_configs.Flux),
        ("of a pack", networks.BaseModel, model_configs.ModelConfig),
    ],
)
def test_classes_tell_the_kind(family: str, network: type, config: type) -> None:
    found = networks.network_of(handle_of(family, kinds.discrete()))
    assert type(found) is network
    assert isinstance(found, networks.BaseModel)
    assert type(found.model_config) is config
    assert found.model_config.unet_config == {"image_model": family}


@pytest.mark.parametrize(
    ("parametrisation", "kind"),
    [
        (kinds.discrete(), "EPS"),
        (kinds.discrete(predictions.Velocity()), "V_PREDICTION"),
        (kinds.flow(), "FLOW"),
        (kinds.flux(), "FLUX"),
        (kinds.continuous_edm(0.002, 120.0), "EDM"),
        (kinds.continuous_edm(0.002, 120.0, predictions.Velocity()), "V_PREDICTION_EDM"),
        (kinds.continuous_v(), "V_PREDICTION_CONTINUOUS"),
        (kinds.cascade(), "STABLE_CASCADE"),
    ],
)
def test_what_it_predicts_is_told(parametrisation: kinds.Parametrisation, kind: str) -> None:
    assert networks.network_of(handle_of("sd1", parametrisation)).model_type is networks.ModelType[kind]


def test_latents_go_to_the_network_and_back() -> None:
    network = networks.network_of(handle_of("flux", kinds.flux()))
    latent = torch.randn(1, 16, 2, 2)
    assert network.process_latent_in(latent).allclose((latent - 1) * 2)
    assert network.process_latent_out(network.process_latent_in(latent)).allclose(latent, atol=1e-6)


def test_dimensions_have_the_original_code_s_names(probed: ProbedHost) -> None:
    def look(model: Any, _clip: Any, _vae: Any) -> Any:
        network = model.model
        assert network.inner_model is network
        assert (network.get_dtype(), model.model_dtype()) == (torch.float32, torch.float32)
        assert network.device == model.load_device
        assert network.memory_required((1, 4, 8, 8)) < network.memory_required((1, 4, 16, 16))
        assert network.adm_channels == 0
        assert model.get_model_object("model_config").unet_config == network.model_config.unet_config
        return network.model_config.unet_config

    config = probed.inside(look)
    assert {name: config[name] for name in ("in_channels", "model_channels", "channel_mult", "context_dim")} == {
        "in_channels": 4,
        "model_channels": 32,
        "channel_mult": [1, 1, 1, 1],
        "context_dim": 32,
    }
    assert config["transformer_depth"] == [1, 1, 1, 0]


def test_the_module_itself_is_not_offered(probed: ProbedHost) -> None:
    network = probed.inside(lambda model, _clip, _vae: model.model)
    with pytest.raises(UnknownAttribute, match="'diffusion_model' of ComfyUI's network objects is not offered"):
        _ = network.diffusion_model
