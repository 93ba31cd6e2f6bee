"""The MODEL objects that packs get, put functions into, and pass on; ``comfy.model_patcher.ModelPatcher``."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from host.comfyui.handles import Held, UnknownAttribute
from host.comfyui.surface import model_options as options
from host.comfyui.surface.latent_formats import LatentFormat
from host.comfyui.surface.networks import BaseModel, network_of
from sdk.errors import NodeError
from sdk.models import ModelHandle

if TYPE_CHECKING:
    import torch
    from torch import Tensor

_OBJECTS = ("model_sampling", "latent_format", "model_config")
_SIDES_AND_SCALE = ("cond", "uncond", "cond_scale")


class Model(Held):
    """A denoising network with its patches. What is put into it changes this object alone, not the model's weights.

    Attributes:
        model_options: everything that packs have put into it; they change it also by hand.
    """

    KIND = "MODEL"

    def __init__(self, handle: ModelHandle) -> None:
        super().__init__(handle)
        self.model_options = options.options_of(handle)

    @property
    def handle(self) -> ModelHandle:
        """What flows along links in its place, with what ``model_options`` say now."""
        if not options.same(self.model_options, options.snapshot_of(self._handle)):
            from host.comfyui.surface.model_rules import with_options

            self._handle = with_options(self._handle, self.model_options)
        return self._handle

    def clone(self) -> Model:
        """A copy, to put further functions into."""
        return Model(self.handle)

    def is_clone(self, other: object) -> bool:
        """Whether both are of the same weights, whatever their patches."""
        return isinstance(other, Model) and other.handle.key == self.handle.key

    @property
    def model(self) -> BaseModel:
        """What packs read of the network itself."""
        return network_of(self.handle)

    @property
    def load_device(self) -> torch.device:
        device: torch.device = self.context.models.device(self.handle)
        return device

    @property
    def offload_device(self) -> torch.device:
        import torch

        return torch.device("cpu")

    @property
    def model_sampling(self) -> Any:
        """How it sees noise: ``sigmas``, ``sigma_min``, ``sigma_max``, ``timestep``, ``percent_to_sigma``."""
        return self.model.model_sampling

    @property
    def latent_format(self) -> LatentFormat:
        """How its latents differ from the VAE's."""
        return self.model.latent_format

    def model_dtype(self) -> torch.dtype:
        """What it computes in; its weights are loaded to find out."""
        return self.model.get_dtype()

    def get_model_object(self, name: str) -> Any:
        """``model_sampling``, ``latent_format`` or ``model_config``."""
        if name not in _OBJECTS:
            raise UnknownAttribute(self.KIND, name)
        return getattr(self.model, name)

    def add_object_patch(self, name: str, obj: Any) -> None:
        """Have another object take the place of ``model_sampling``: one that a model here gave.

        Raises:
            UnknownAttribute: it is to take the place of anything else.
            NodeError: it is an object of a pack's own.
        """
        from host.builtin_nodes.families.sampled_model import PARAMETRISATION
        from host.builtin_nodes.sampling.parametrisation import Parametrisation

        if name != "model_sampling":
            raise UnknownAttribute(self.KIND, name)
        if not isinstance(obj, Parametrisation):
            raise NodeError(
                f"add_object_patch here takes what get_model_object('model_sampling') gives, not {type(obj).__name__}. "
                "Use the nodes ModelSamplingDiscrete, ModelSamplingFlux and their like."
            )
        self._handle = self.handle.with_options(**{PARAMETRISATION: obj})

    def set_model_sampler_cfg_function(
        self, sampler_cfg_function: Callable[..., Tensor], disable_cfg1_optimization: bool = False
    ) -> None:
        """Combine the predictions of both prompts with this function.

        It takes facts by name; or, as older ones do, three arguments: both sides and the scale of guidance.
        """
        function = sampler_cfg_function
        if len(inspect.signature(function).parameters) == len(_SIDES_AND_SCALE):
            self.model_options[options.CFG] = lambda facts: function(*(facts[name] for name in _SIDES_AND_SCALE))
        else:
            self.model_options[options.CFG] = function
        if disable_cfg1_optimization:
            self.model_options[options.BOTH_SIDES] = True

    def set_model_sampler_pre_cfg_function(
        self, pre_cfg_function: Callable[[dict[str, Any]], list[Tensor]], disable_cfg1_optimization: bool = False
    ) -> None:
        """Change the predictions of both prompts with this function before they are combined."""
        options.set_model_options_pre_cfg_function(self.model_options, pre_cfg_function, disable_cfg1_optimization)

    def set_model_sampler_post_cfg_function(
        self, post_cfg_function: Callable[[dict[str, Any]], Tensor], disable_cfg1_optimization: bool = False
    ) -> None:
        """Change the combined prediction with this function."""
        options.set_model_options_post_cfg_function(self.model_options, post_cfg_function, disable_cfg1_optimization)

    def set_model_unet_function_wrapper(self, unet_wrapper_function: Callable[..., Tensor]) -> None:
        """Have this function evaluate the network, which it gets as ``apply_model(x, sigma, **c)``."""
        self.model_options[options.WRAPPER] = unet_wrapper_function

    def set_model_denoise_mask_function(self, denoise_mask_function: Callable[..., Tensor]) -> None:
        """Change the mask of a masked run with this function, at each of its levels."""
        self.model_options[options.MASK] = denoise_mask_function

    def set_model_patch(self, patch: Callable[..., Any], name: str) -> None:
        """Call this function at the places of that name in the network."""
        inside = self.model_options.setdefault(options.TRANSFORMER, {})
        inside.setdefault(options.PATCHES, {}).setdefault(name, []).append(patch)

    def set_model_patch_replace(
        self,
        patch: Callable[..., Any],
        name: str,
        block_name: str,
        number: int,
        transformer_index: int | None = None,
    ) -> None:
        """Have this function do the attention of that name in a block, or in one of its layers."""
        self.model_options = options.set_model_options_patch_replace(
            self.model_options, patch, name, block_name, number, transformer_index
        )

    def set_model_input_block_patch(self, patch: Callable[..., Tensor]) -> None:
        self.set_model_patch(patch, "input_block_patch")

    def set_model_input_block_patch_after_skip(self, patch: Callable[..., Tensor]) -> None:
        self.set_model_patch(patch, "input_block_patch_after_skip")

    def set_model_output_block_patch(self, patch: Callable[..., tuple[Tensor, Tensor]]) -> None:
        self.set_model_patch(patch, "output_block_patch")

    def set_model_attn1_patch(self, patch: Callable[..., tuple[Tensor, Tensor, Tensor]]) -> None:
        self.set_model_patch(patch, "attn1_patch")

    def set_model_attn2_patch(self, patch: Callable[..., tuple[Tensor, Tensor, Tensor]]) -> None:
        self.set_model_patch(patch, "attn2_patch")

    def set_model_attn1_output_patch(self, patch: Callable[..., Tensor]) -> None:
        self.set_model_patch(patch, "attn1_output_patch")

    def set_model_attn2_output_patch(self, patch: Callable[..., Tensor]) -> None:
        self.set_model_patch(patch, "attn2_output_patch")

    def set_model_attn1_replace(
        self, patch: Callable[..., Tensor], block_name: str, number: int, transformer_index: int | None = None
    ) -> None:
        """Have this function do the self-attention of a block, or of one of its layers."""
        self.set_model_patch_replace(patch, "attn1", block_name, number, transformer_index)

    def set_model_attn2_replace(
        self, patch: Callable[..., Tensor], block_name: str, number: int, transformer_index: int | None = None
    ) -> None:
        """Have this function do the attention to the prompt of a block, or of one of its layers."""
        self.set_model_patch_replace(patch, "attn2", block_name, number, transformer_index)
