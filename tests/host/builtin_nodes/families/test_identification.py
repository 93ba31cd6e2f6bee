"""Real files of every kind, before all families."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from sdk import Header, Identity, Refusal
from tests.goldens.runners.family_models import families
from tests.host.builtin_nodes.families.real_headers import real_files, real_header

FAMILIES = {family.name: family for family in families()}
UNETS = {"sd1", "sd2", "sdxl", "sdxl_refiner"}
TRANSFORMERS = {"sd3", "flux"}
CONTROLS = {"controlnet", "t2i_adapter"}
ENCODERS = {"clip_l", "clip_l_with_vision_hf", "clip_g", "clip_g_openclip", "clip_h_openclip", "longclip_l"}
TWO_DIMENSIONAL_VAES = {"vae_sd_kl_f8", "vae_sd_diffusers", "vae_sdxl", "vae_sd3", "vae_flux_ae"}


def _family_of(kind: str) -> str | None:
    if kind in TWO_DIMENSIONAL_VAES:
        return "kl_vae"
    if kind in ENCODERS | {"longclip_l_original"}:
        return "clip_text"
    if kind.startswith(("taesd", "t5xxl")):
        return "taesd" if kind.startswith("taesd") else "t5"
    if kind == "t2i_adapter_style":
        return "style_models"
    family = str(real_files()[kind]["family"])
    return family if family in UNETS | TRANSFORMERS | CONTROLS else None


@pytest.mark.parametrize("kind", sorted(real_files()))
def test_a_real_file_is_claimed_by_its_family_alone(kind: str) -> None:
    answers = {name: family.identify(real_header(kind)) for name, family in FAMILIES.items()}
    claims = [name for name, answer in answers.items() if isinstance(answer, Identity)]
    assert claims == [name for name in FAMILIES if name == _family_of(kind)]
    assert all(answer.reason for answer in answers.values() if isinstance(answer, Refusal))


def test_an_identity_survives_json() -> None:
    header = real_header("sd15_inpainting")
    identity = FAMILIES["sd1"].identify(header)
    assert isinstance(identity, Identity)
    assert json.loads(json.dumps(identity.config)) == identity.config


def test_an_empty_file_is_refused_with_a_reason() -> None:
    header = Header(real_header("sd15_full").path, {})
    answers = [family.identify(header) for family in FAMILIES.values()]
    assert all(isinstance(answer, Refusal) and answer.reason for answer in answers)


def test_declaring_families_and_their_nodes_loads_no_heavy_library() -> None:
    modules = [f"host.builtin_nodes.families.{name}.plugin" for name in ("clip_text", *sorted(UNETS))]
    identify = "; ".join(f"{module}.register_model_families()" for module in modules)
    heavy = "{'torch', 'diffusers', 'transformers', 'tokenizers'}"
    code = f"import sys, {', '.join(modules)}; {identify}; print(*{heavy} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
