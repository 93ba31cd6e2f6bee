"""Real files of every kind, before all families."""

from __future__ import annotations

import json

import pytest
import torch

from host.builtin_nodes.families.kl_vae.plugin import KlVaeFamily
from host.builtin_nodes.families.sd1.plugin import Sd1Family
from sdk import Header, Identity, Refusal
from tests.host.builtin_nodes.families.real_headers import real_files, real_header

FAMILIES = {"sd1": Sd1Family(), "kl_vae": KlVaeFamily()}
TWO_DIMENSIONAL_VAES = {"vae_sd_kl_f8", "vae_sd_diffusers", "vae_sdxl", "vae_sd3", "vae_flux_ae"}


def _family_of(kind: str) -> str | None:
    if kind in TWO_DIMENSIONAL_VAES:
        return "kl_vae"
    return "sd1" if real_files()[kind]["family"] == "sd1" else None


@pytest.mark.parametrize("kind", sorted(real_files()))
def test_a_real_file_is_claimed_by_its_family_alone(kind: str) -> None:
    answers = {name: family.identify(real_header(kind)) for name, family in FAMILIES.items()}
    claims = [name for name, answer in answers.items() if isinstance(answer, Identity)]
    assert claims == [name for name in FAMILIES if name == _family_of(kind)]
    assert all(answer.reason for answer in answers.values() if isinstance(answer, Refusal))


@pytest.mark.parametrize("kind", [kind for kind in sorted(real_files()) if _family_of(kind)])
def test_every_weight_of_a_real_files_modules_has_a_source_of_its_shape(kind: str) -> None:
    family, header = FAMILIES[_family_of(kind) or ""], real_header(kind)
    identity = family.identify(header)
    assert isinstance(identity, Identity)
    for part in family.parts(header, identity):
        with torch.device("meta"):
            module = part.build()
        wanted = {name: tuple(tensor.shape) for name, tensor in module.state_dict().items()}
        found = {name: source.reshape or header.tensors[source.key].shape for name, source in part.weights.items()}
        assert found == wanted


def test_an_identity_survives_json() -> None:
    header = real_header("sd15_inpainting")
    identity = FAMILIES["sd1"].identify(header)
    assert isinstance(identity, Identity)
    assert json.loads(json.dumps(identity.config)) == identity.config


def test_an_empty_file_is_refused_with_a_reason() -> None:
    header = Header(real_header("sd15_full").path, {})
    answers = [family.identify(header) for family in FAMILIES.values()]
    assert all(isinstance(answer, Refusal) and answer.reason for answer in answers)
