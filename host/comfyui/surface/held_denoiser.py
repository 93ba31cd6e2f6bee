"""The MODEL objects that packs get, put functions into, and pass on."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from host.builtin_nodes.sampling.patches import NetworkPatches
from host.builtin_nodes.sampling.rules import with_guidance
from host.comfyui.handles import Held, UnknownAttribute
from host.comfyui.surface import model_changes as changes
from host.comfyui.surface.latent_formats import LatentFormat, OfModel

if TYPE_CHECKING:
    import torch
    from torch import Tensor


class Model(Held):
    """A denoising network with its patches. What is put into it changes this object alone, not the model's weights."""

    KIND = "MODEL"

    def clone(self) -> Model:
        """A copy, to put further functions into."""
        copy: Model = self.with_handle(self.handle)
        return copy

    def is_clone(self, other: object) -> bool:
        """Whether both are of the same weights, whatever their patches."""
        return isinstance(other, Model) and other.handle.key == self.handle.key

    @property
    def model(self) -> Model:
        """Stands for the network itself, of which packs read how it is sampled."""
        return self

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
        from host.builtin_nodes.families.sampled_model import parametrisation_of

        return parametrisation_of(self.handle)

    @property
    def latent_format(self) -> LatentFormat:
        """How its latents differ from the VAE's."""
        from host.builtin_nodes.families.sampled_model import latent_format_of

        return OfModel(latent_format_of(self.handle))

    def get_model_object(self, name: str) -> Any:
        """``model_sampling`` or ``latent_format``."""
        if name not in ("model_sampling", "latent_format"):
            raise UnknownAttribute(self.KIND, name)
        return getattr(self, name)

    def set_model_sampler_cfg_function(
        self, sampler_cfg_function: Callable[..., Tensor], disable_cfg1_optimization: bool = False
    ) -> None:
        """Combine the predictions of both prompts with this function."""
        rule = changes.formula(sampler_cfg_function, self)
        self._change(formula=rule, **_both_sides(disable_cfg1_optimization))

    def set_model_sampler_post_cfg_function(
        self, post_cfg_function: Callable[[dict[str, Any]], Tensor], disable_cfg1_optimization: bool = False
    ) -> None:
        """Change the combined prediction with this function."""
        rule = changes.after_guidance(post_cfg_function, self)
        self._change(after=rule, **_both_sides(disable_cfg1_optimization))

    def set_model_input_block_patch(self, patch: changes.BlockFunction) -> None:
        self._patch(after_input=(changes.block(patch),))

    def set_model_input_block_patch_after_skip(self, patch: changes.BlockFunction) -> None:
        self._patch(after_skip=(changes.block(patch),))

    def set_model_output_block_patch(self, patch: changes.JoinFunction) -> None:
        self._patch(before_output=(changes.join(patch),))

    def set_model_attn1_patch(self, patch: changes.BeforeAttention) -> None:
        self._patch(around_self=(changes.before_attention(patch),))

    def set_model_attn2_patch(self, patch: changes.BeforeAttention) -> None:
        self._patch(around_cross=(changes.before_attention(patch),))

    def set_model_attn1_output_patch(self, patch: changes.AfterAttention) -> None:
        self._patch(around_self=(changes.after_attention(patch),))

    def set_model_attn2_output_patch(self, patch: changes.AfterAttention) -> None:
        self._patch(around_cross=(changes.after_attention(patch),))

    def set_model_attn1_replace(
        self, patch: changes.Replacement, block_name: str, number: int, transformer_index: int | None = None
    ) -> None:
        """Have this function do the self-attention of a block, or of one of its layers."""
        self._change(patches=changes.self_attention(patch, block_name, number, transformer_index))

    def _patch(self, **kinds: Any) -> None:
        self._change(patches=NetworkPatches(**kinds))

    def _change(self, **rules: Any) -> None:
        self.handle = with_guidance(self.handle, **rules)


def _both_sides(needed: bool) -> dict[str, bool]:
    return {"needs_negative": True} if needed else {}
