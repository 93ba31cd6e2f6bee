"""``model.model``: what packs read of the network behind a MODEL; also ``comfy.model_base``, whose classes tell kinds.

Nothing is loaded for it. The module itself is the host's, and another implementation than the one packs know.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import Enum
from typing import TYPE_CHECKING, Any

from host.comfyui.handles import UnknownAttribute
from host.comfyui.running import node_context
from host.comfyui.surface.latent_formats import LatentFormat, OfModel
from host.comfyui.surface.model_configs import ModelConfig, config_of
from sdk.models import ModelHandle

if TYPE_CHECKING:
    import torch
    from torch import Tensor

__all__ = ["SD3", "SDXL", "BaseModel", "Flux", "ModelType", "SDXLRefiner"]


class ModelType(Enum):
    """What networks predict, and on which noise levels."""

    EPS = 1
    V_PREDICTION = 2
    V_PREDICTION_EDM = 3
    STABLE_CASCADE = 4
    EDM = 5
    FLOW = 6
    V_PREDICTION_CONTINUOUS = 7
    FLUX = 8


class BaseModel:
    """A denoising network as packs read it.

    Args:
        parametrisation: how it sees noise in a run; by default as its handle says.
        device: where it runs in a run; by default asked of the host.
    """

    manual_cast_dtype = None
    """None: its weights are in the dtype that it computes in."""

    def __init__(self, handle: ModelHandle, parametrisation: Any = None, device: torch.device | None = None) -> None:
        self._handle, self._parametrisation, self._device = handle, parametrisation, device

    def __getattr__(self, name: str) -> Any:
        raise UnknownAttribute("network", name)

    @property
    def inner_model(self) -> BaseModel:
        """Itself; packs look through what guidance wraps around a network elsewhere."""
        return self

    @property
    def model_sampling(self) -> Any:
        """How it sees noise: ``sigmas``, ``sigma_min``, ``sigma_max``, ``timestep``, ``percent_to_sigma``."""
        from host.builtin_nodes.families.sampled_model import parametrisation_of

        return self._parametrisation or parametrisation_of(self._handle)

    @property
    def latent_format(self) -> LatentFormat:
        """How its latents differ from the VAE's."""
        from host.builtin_nodes.families.sampled_model import latent_format_of

        return OfModel(latent_format_of(self._handle))

    @property
    def model_config(self) -> ModelConfig:
        """Its dimensions, in ``unet_config``; the class is one of ``comfy.supported_models``."""
        return config_of(self._handle)

    @property
    def model_type(self) -> ModelType:
        """What it predicts."""
        return _model_type(self.model_sampling)

    @property
    def device(self) -> torch.device:
        """Where it runs."""
        found: torch.device = self._device or node_context("model.device").models.device(self._handle)
        return found

    @property
    def adm_channels(self) -> int:
        """Width of its vector conditioning; 0 without one."""
        return int(self.model_config.unet_config.get("adm_in_channels") or 0)

    def get_dtype(self) -> torch.dtype:
        """What it computes in; its weights are loaded to find out."""
        with node_context("model.get_dtype").models.borrow(self._handle) as module:
            dtype: torch.dtype = next(module.parameters()).dtype
        return dtype

    def memory_required(self, input_shape: Sequence[int]) -> int:
        """Bytes that a step needs beside the weights."""
        from host.builtin_nodes.working_memory import denoiser_bytes

        return denoiser_bytes(self._handle, input_shape)

    def process_latent_in(self, latent: Tensor) -> Tensor:
        """A latent as the VAE makes it, as the network wants it."""
        return self.latent_format.process_in(latent)

    def process_latent_out(self, latent: Tensor) -> Tensor:
        """The reverse of ``process_latent_in``."""
        return self.latent_format.process_out(latent)


class SDXL(BaseModel):
    """Stable Diffusion XL."""


class SDXLRefiner(BaseModel):
    """The refiner of Stable Diffusion XL."""


class SD3(BaseModel):
    """Stable Diffusion 3 and 3.5."""


class Flux(BaseModel):
    """Flux."""


_BY_FAMILY: Mapping[str, type[BaseModel]] = {"sdxl": SDXL, "sdxl_refiner": SDXLRefiner, "sd3": SD3, "flux": Flux}


def network_of(handle: ModelHandle, parametrisation: Any = None, device: torch.device | None = None) -> BaseModel:
    """The network of a model; see ``BaseModel``."""
    return _BY_FAMILY.get(handle.identity.family, BaseModel)(handle, parametrisation, device)


def _model_type(parametrisation: Any) -> ModelType:
    from host.builtin_nodes.sampling import noise_levels as levels
    from host.builtin_nodes.sampling import predictions

    by_levels = {
        levels.ExponentialFlowLevels: ModelType.FLUX,
        levels.CosineLevels: ModelType.STABLE_CASCADE,
        levels.AngularLevels: ModelType.V_PREDICTION_CONTINUOUS,
    }
    by_prediction = {
        predictions.Velocity: ModelType.V_PREDICTION,
        predictions.Edm: ModelType.EDM,
        predictions.RectifiedFlow: ModelType.FLOW,
    }
    kinds = type(parametrisation.levels), type(parametrisation.prediction)
    if kinds == (levels.ContinuousLevels, predictions.Velocity):
        return ModelType.V_PREDICTION_EDM
    return by_levels.get(kinds[0]) or by_prediction.get(kinds[1], ModelType.EPS)
