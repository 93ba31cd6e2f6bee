"""Headers of real, full-size files (``manifests/*.json``): each is identified exactly, from its header alone.

Besides the family and the facts that the data expects, every part is built without weights, and has to find each of
its weights in the file.
"""

from __future__ import annotations

import gzip
import json
import time
from collections.abc import Callable, Mapping
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import pytest
import torch

from host.builtin_nodes.families.ldm_unet.config import UnetConfig
from host.models.errors import UnknownModel
from host.models.identify import identify
from host.models.loading import assemble
from sdk.models import Header, Identity, ModelFamily, Part, TensorInfo

SECONDS = 0.05
"""How long identifying may take."""

CHANGES = ("lora", "textual inversion")
TOLD_BY_WEIGHTS = "eps or v"
FAMILIES = {"text encoder": {"clip_text", "t5"}, "vae": {"kl_vae", "taesd"}, "style adapter": {"style_models"}}
"""Families of ours, where the data names a kind of model."""


def cases(folder: Path) -> list[str]:
    names = (path.name.removesuffix(".gz").removesuffix(".json") for path in folder.glob("*.json*"))
    return sorted(set(names) - {"index"})


def run(folder: Path, name: str, tmp_path: Path) -> None:
    manifest = _read(folder, name)
    tensors = {key: TensorInfo(dtype, tuple(shape)) for key, (dtype, shape) in manifest["keys"].items()}
    header = Header(Path(f"{name}.safetensors"), tensors)
    families, expected = registered_families(), manifest["expected"]
    if expected["family"] in CHANGES:
        _check_unknown(header, families)
        return
    identity = _quickly_identified(header, families)
    assert identity.family in FAMILIES.get(expected["family"], {expected["family"]})
    family = next(family for family in families if family.name == identity.family)
    parts = {part.name: part for part in family.parts(header, identity)}
    for fact, check in CHECKS.items():
        if fact in expected:
            check(expected, identity, parts)
    for part in parts.values():
        assemble(part, header, frozenset(tensors))


def _read(folder: Path, name: str) -> Mapping[str, Any]:
    plain = folder / f"{name}.json"
    content = plain.read_bytes() if plain.exists() else gzip.decompress((folder / f"{name}.json.gz").read_bytes())
    manifest: dict[str, Any] = json.loads(content)
    return manifest


def registered_families() -> list[ModelFamily]:
    """Every family among the built-in plugins."""
    plugins = (entry.load() for entry in entry_points(group="comfy_nodes.packs"))
    offering = (plugin for plugin in plugins if hasattr(plugin, "register_model_families"))
    return [family for plugin in offering for family in plugin.register_model_families()]


def _quickly_identified(header: Header, families: list[ModelFamily]) -> Identity:
    """The identity; processor time of the best of five, as other programs may get in the way."""
    seconds = []
    for _ in range(5):
        start = time.thread_time()
        identity = identify(header, families)
        seconds.append(time.thread_time() - start)
    assert min(seconds) < SECONDS
    assert json.loads(json.dumps(identity.config)) == identity.config
    return identity


def _check_unknown(header: Header, families: list[ModelFamily]) -> None:
    """What changes or steers a model is no model: the error has what each family said."""
    with pytest.raises(UnknownModel) as caught:
        identify(header, families)
    assert all(family.name in str(caught.value) for family in families)


Expected = Mapping[str, Any]
Parts = Mapping[str, Part]


def _check_prediction(expected: Expected, identity: Identity, parts: Parts) -> None:
    prediction, found = expected["prediction"], identity.config["prediction"]
    if prediction == "v on continuous edm noise":
        assert (found, identity.config["continuous"]) == ("v", True)
    else:
        assert found in (prediction, TOLD_BY_WEIGHTS if identity.family == "sd2" else prediction)


def _check_text_encoders(expected: Expected, identity: Identity, parts: Parts) -> None:
    wanted = [encoder.split(" ")[0] for encoder in expected["text_encoders"]]
    assert identity.config["text_encoders"] == wanted
    assert ("text_encoder" in parts) == bool(wanted)


def _check_text_encoder(expected: Expected, identity: Identity, parts: Parts) -> None:
    assert identity.config["text_encoders"] == [expected["text_encoder"]]
    names = {"layers": "layers", "hidden": "width", "heads": "heads", "positions": "positions"}
    for name, ours in names.items():
        if name in expected and identity.family == "clip_text":
            assert identity.config["text"][ours] == expected[name]
    if "layout" in expected:
        assert identity.config["text"]["original"]


def _check_latents(expected: Expected, identity: Identity, parts: Parts) -> None:
    assert identity.config["latent_channels"] == expected["latent_channels"]
    if "denoiser" in parts:
        latent = parts["denoiser"].adapter.latent_format
        wanted = expected["latent_channels"], expected["latent_scale"], expected.get("latent_shift", 0.0)
        assert (latent.channels, latent.scale, latent.shift) == wanted


def _check_means(expected: Expected, identity: Identity, parts: Parts) -> None:
    latent = parts["denoiser"].adapter.latent_format
    assert (list(latent.means), list(latent.deviations)) == (expected["latents_mean"], expected["latents_std"])


def _check_levels(expected: Expected, identity: Identity, parts: Parts) -> None:
    levels = parts["denoiser"].adapter.parametrisation
    assert levels.prediction.sigma_data == expected["sigma_data"]
    bounds = torch.tensor([levels.sigma_min, levels.sigma_max])
    torch.testing.assert_close(bounds, torch.tensor([expected["sigma_min"], expected["sigma_max"]]))


def _check_vae(expected: Expected, identity: Identity, parts: Parts) -> None:
    if "denoiser" not in parts:
        assert "vae" in parts
    elif "vae" in parts and expected["vae"]:
        assert identity.config["vae"]["latent_channels"] == expected["latent_channels"]
        assert identity.config["vae"]["quantised"] == ("no quant" not in expected["vae"])
    assert expected["vae"] or "vae" not in parts


def _check_dimensions(expected: Expected, identity: Identity, parts: Parts) -> None:
    unet = identity.config.get("unet")
    found = identity.config["dims"] if unet is None else _unet_dimensions(UnetConfig(**unet))
    assert {name: found[name] for name in expected["dims"]} == expected["dims"]


def _unet_dimensions(unet: UnetConfig) -> dict[str, Any]:
    """A UNet's dimensions as the original configuration files have them."""
    alike = len(set(unet.heads)) == 1
    return {
        "context_dim": unet.context_channels,
        "model_channels": unet.model_channels,
        "channel_mult": [width // unet.model_channels for width in unet.channels],
        "num_res_blocks": [len(depths) for depths in unet.down_depths],
        "transformer_depth": [depth for depths in unet.down_depths for depth in depths],
        "transformer_depth_output": [depth for depths in unet.up_depths for depth in depths],
        "transformer_depth_middle": unet.middle_depth,
        "heads": "8 per layer (head size = channels/8)" if alike else "channels/64 (head size 64)",
        "linear_projections": unet.linear_projections,
        "adm_in_channels": unet.vector_channels,
        "in_channels": unet.in_channels,
        "out_channels": unet.out_channels,
    }


def _check_variant(expected: Expected, identity: Identity, parts: Parts) -> None:
    assert (identity.config["variant"] == "inpainting") == expected["inpaint"]
    assert (identity.config["variant"] == "edit by instruction") == expected.get("instruct_pix2pix", False)


def _check_zero_snr(expected: Expected, identity: Identity, parts: Parts) -> None:
    assert identity.config["zero_snr"] == expected["zero_terminal_snr"]


def _check_control(expected: Expected, identity: Identity, parts: Parts) -> None:
    names = ("for_family", "hint_channels", "input_channels", "unshuffle", "light")
    wanted = {name: expected[name] for name in names if name in expected}
    assert {name: identity.config[name] for name in wanted} == wanted
    layout = expected.get("layout", "")
    assert identity.config.get("original", False) == layout.startswith("cldm")


CHECKS: Mapping[str, Callable[[Expected, Identity, Parts], None]] = {
    "prediction": _check_prediction,
    "text_encoders": _check_text_encoders,
    "text_encoder": _check_text_encoder,
    "latent_channels": _check_latents,
    "latents_mean": _check_means,
    "sigma_data": _check_levels,
    "vae": _check_vae,
    "dims": _check_dimensions,
    "inpaint": _check_variant,
    "zero_terminal_snr": _check_zero_snr,
    "for_family": _check_control,
}
