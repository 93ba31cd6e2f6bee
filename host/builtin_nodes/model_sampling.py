"""Nodes that change how a model sees noise, or how its guidance is computed from its predictions."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Literal

from sdk import Model, NodeType, Options, Range, hookimpl, node

CATEGORY = "advanced/model"
TOOLTIPS = ("The same model, sampled in another way.",)
Shift = Annotated[float, Range(0.0, 100.0, 0.01)]
Level = Annotated[float, Range(0.0, 1000.0, 0.001, round=False)]
Side = Annotated[int, Range(16, 16384, 8)]


@node(id="ModelSamplingDiscrete", title="ModelSamplingDiscrete", category=CATEGORY, output_tooltips=TOOLTIPS)
def model_sampling_discrete(
    *, model: Model, sampling: Literal["eps", "v_prediction", "lcm", "x0", "img_to_img"], zsnr: bool = False
) -> Model:
    """Use the noise levels of Stable Diffusion, and say what the network predicts.

    Args:
        model: The model.
        sampling: What it predicts: the noise (eps), the velocity, the clean latent (x0 and img_to_img, which gets its
            input unscaled), or, for a consistency model (lcm), the noise at 50 of the levels.
        zsnr: Stretch the levels so that the highest is pure noise.
    """
    from host.builtin_nodes.sampling.consistency import consistency, image_to_image
    from host.builtin_nodes.sampling.parametrisation import discrete
    from host.builtin_nodes.sampling.predictions import Clean, Epsilon, Velocity

    if sampling == "lcm":
        return model.with_options(parametrisation=consistency(zero_snr=zsnr))
    if sampling == "img_to_img":
        return model.with_options(parametrisation=image_to_image(zero_snr=zsnr))
    predictions = {"eps": Epsilon(), "v_prediction": Velocity(), "x0": Clean()}
    return model.with_options(parametrisation=discrete(predictions[sampling], zero_snr=zsnr))


@node(id="ModelSamplingContinuousEDM", title="ModelSamplingContinuousEDM", category=CATEGORY, output_tooltips=TOOLTIPS)
def model_sampling_continuous_edm(
    *,
    model: Model,
    sampling: Literal["v_prediction", "edm", "edm_playground_v2.5", "eps", "cosmos_rflow"],
    sigma_max: Level = 120.0,
    sigma_min: Level = 0.002,
) -> Model:
    """Use any noise level between two bounds, and say what the network predicts.

    Args:
        model: The model.
        sampling: What it predicts: the velocity, EDM's mixture (with Playground's own latent scale), the noise, or
            Cosmos' flow.
        sigma_max: The highest level.
        sigma_min: The lowest level.
    """
    from host.builtin_nodes.families.channel_format import PLAYGROUND_25
    from host.builtin_nodes.sampling.parametrisation import continuous_edm, cosmos
    from host.builtin_nodes.sampling.predictions import Epsilon, Velocity

    if sampling == "cosmos_rflow":
        return model.with_options(parametrisation=cosmos(sigma_min, sigma_max))
    prediction = {"v_prediction": Velocity(), "eps": Epsilon()}.get(sampling)
    changed = model.with_options(parametrisation=continuous_edm(sigma_min, sigma_max, prediction))
    return changed.with_options(latent_format=PLAYGROUND_25) if sampling == "edm_playground_v2.5" else changed


@node(id="ModelSamplingContinuousV", title="ModelSamplingContinuousV", category=CATEGORY, output_tooltips=TOOLTIPS)
def model_sampling_continuous_v(
    *, model: Model, sampling: Literal["v_prediction"], sigma_max: Level = 500.0, sigma_min: Level = 0.03
) -> Model:
    """Use any noise level between two bounds, told to the network as an angle.

    Args:
        model: The model.
        sampling: What it predicts: the velocity.
        sigma_max: The highest level.
        sigma_min: The lowest level.
    """
    from host.builtin_nodes.sampling.parametrisation import continuous_v

    return model.with_options(parametrisation=continuous_v(sigma_min, sigma_max))


@node(id="ModelSamplingSD3", title="ModelSamplingSD3", category=CATEGORY, output_tooltips=TOOLTIPS)
def model_sampling_sd3(model: Model, shift: Shift = 3.0) -> Model:
    """Use the levels of a flow with timesteps from 0 to 1000, as Stable Diffusion 3 does.

    Args:
        model: The model.
        shift: How far the levels are moved towards noise; larger images want more.
    """
    from host.builtin_nodes.sampling.parametrisation import flow

    return model.with_options(parametrisation=flow(shift))


@node(id="ModelSamplingAuraFlow", title="ModelSamplingAuraFlow", category=CATEGORY, output_tooltips=TOOLTIPS)
def model_sampling_aura_flow(model: Model, shift: Shift = 1.73) -> Model:
    """Use the levels of a flow with timesteps from 0 to 1, as AuraFlow does.

    Args:
        model: The model.
        shift: How far the levels are moved towards noise; larger images want more.
    """
    from host.builtin_nodes.sampling.parametrisation import flow

    return model.with_options(parametrisation=flow(shift, 1.0))


@node(id="ModelSamplingStableCascade", title="ModelSamplingStableCascade", category=CATEGORY, output_tooltips=TOOLTIPS)
def model_sampling_stable_cascade(model: Model, shift: Shift = 2.0) -> Model:
    """Use the cosine levels of Stable Cascade.

    Args:
        model: The model.
        shift: How far the levels are moved towards noise.
    """
    from host.builtin_nodes.sampling.parametrisation import cascade

    return model.with_options(parametrisation=cascade(shift))


@node(id="ModelSamplingFlux", title="ModelSamplingFlux", category=CATEGORY, output_tooltips=TOOLTIPS)
def model_sampling_flux(
    model: Model, max_shift: Shift = 1.15, base_shift: Shift = 0.5, width: Side = 1024, height: Side = 1024
) -> Model:
    """Use the levels of Flux, moved towards noise the more the larger the image is.

    Args:
        model: The model.
        max_shift: How far the levels are moved for an image of 1024 x 1024.
        base_shift: How far the levels are moved for an image of 256 x 256.
        width: Width of the image, in pixels.
        height: Height of the image, in pixels.
    """
    from host.builtin_nodes.sampling.parametrisation import flux, flux_mu

    return model.with_options(parametrisation=flux(flux_mu(width, height, base_shift, max_shift)))


@node(id="RescaleCFG", title="RescaleCFG", category=CATEGORY, output_tooltips=("The model with its new guidance.",))
def rescale_cfg(model: Model, multiplier: Annotated[float, Range(0.0, 1.0, 0.01)] = 0.7) -> Model:
    """Keep strong guidance from overexposing images, by giving it the spread of the prompt's own prediction.

    Args:
        model: The model.
        multiplier: How much of the rescaled guidance is blended in (Lin et al. 2023).
    """
    from host.builtin_nodes.guidance.reweighting import RescaleCfg
    from host.builtin_nodes.sampling.rules import with_guidance

    return with_guidance(model, formula=RescaleCfg(multiplier))


@node(
    id="Epsilon Scaling", category="model_patches/unet", output_tooltips=("The model with scaled noise predictions.",)
)
def epsilon_scaling(
    model: Model,
    scaling_factor: Annotated[float, Range(0.5, 1.5, 0.001), Options({"display": "number"})] = 1.005,
) -> Model:
    """Divide the predicted noise by a factor, which makes up for a bias of sampling (Ning et al. 2023).

    Args:
        model: The model.
        scaling_factor: The factor; slightly above 1 gives more detail.
    """
    from host.builtin_nodes.guidance.reweighting import EpsilonScaling
    from host.builtin_nodes.sampling.rules import with_guidance

    return with_guidance(model, after=EpsilonScaling(scaling_factor))


@hookimpl
def register_nodes() -> Iterable[NodeType]:
    """Nodes that change how a model is sampled."""
    return [
        model_sampling_discrete,
        model_sampling_continuous_edm,
        model_sampling_continuous_v,
        model_sampling_sd3,
        model_sampling_aura_flow,
        model_sampling_stable_cascade,
        model_sampling_flux,
        rescale_cfg,
        epsilon_scaling,
    ]
