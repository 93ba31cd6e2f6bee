"""Models in diffusers' layout: which files of a folder are opened, and for what."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from host.builtin_nodes.loaders.diffusers_folders import choose_values, diffusers_loader
from host.models.files.together import FilesTogether
from host.models.identify import identify
from sdk import Identity, ModelHandle, NodeError
from tests.goldens.runners.family_models import families
from tests.host.builtin_nodes.families.real_headers import real_header
from tests.support.node_context import LoneContext, context_in
from tests.support.weight_files import HeaderOnly

FLUX = [
    "flux/transformer/diffusion_pytorch_model-00001-of-00002.safetensors",
    "flux/transformer/diffusion_pytorch_model-00002-of-00002.safetensors",
    "flux/transformer/diffusion_pytorch_model.safetensors.index.json",
    "flux/text_encoder/model.safetensors",
    "flux/text_encoder_2/model.fp16.safetensors",
    "flux/text_encoder_2/model.safetensors",
    "flux/vae/diffusion_pytorch_model.safetensors",
]


class Files:
    """Files by name, all of a family, and what was opened."""

    def __init__(self, names: Sequence[str], family: str) -> None:
        self.listed, self.family = names, family
        self.opened: list[str] = []
        self.facts: Mapping[str, Any] = {}
        self.places: list[str] = []

    def names(self, kind: str) -> Sequence[str]:
        assert kind == "diffusers"
        return self.listed

    def find(self, kind: str, name: str) -> Path:
        return Path(name)

    def open(self, path: Path) -> Mapping[str, ModelHandle]:
        self.opened.append(str(path))
        return {part: self._handle(part) for part in ("denoiser", "vae")}

    def open_together(self, files: Mapping[str, Path], facts: Mapping[str, Any]) -> Mapping[str, ModelHandle]:
        self.opened += map(str, files.values())
        self.facts, self.places = facts, list(files)
        return {"text_encoder": self._handle("text_encoder")}

    def _handle(self, part: str) -> ModelHandle:
        identity = Identity(family=self.family, kind=part, config={}, because="a test says so")
        return ModelHandle(key=part, part=part, identity=identity, adapter=None)


def context_with(files: Files, base: Path) -> LoneContext:
    context = context_in(base)
    context.models = context.folders = files  # type: ignore[assignment]
    return context


def test_each_part_comes_from_its_sub_folder_and_the_encoders_are_opened_for_the_family(tmp_path: Path) -> None:
    files = Files(FLUX, "flux")
    parts: tuple[Any, ...] = diffusers_loader("flux", context_with(files, tmp_path))

    assert [part.part for part in parts] == ["denoiser", "text_encoder", "vae"]
    assert files.opened == [FLUX[2], FLUX[3], FLUX[5], FLUX[6]]
    assert files.facts == {"text_encoders.for": "flux"}
    assert files.places == ["first", "second"]


@pytest.mark.parametrize(("family", "use"), [("sd2", "stable_diffusion"), ("sdxl", "sdxl"), ("sd3", "sd3")])
def test_the_denoiser_s_family_says_what_the_encoders_are_for(family: str, use: str, tmp_path: Path) -> None:
    files = Files([name.replace("transformer", "unet") for name in FLUX], family)
    diffusers_loader("flux", context_with(files, tmp_path))
    assert files.facts == {"text_encoders.for": use}


@pytest.mark.parametrize("kind", ["clip_l", "clip_h_openclip"])
def test_a_lone_encoder_is_known_to_one_family_alone(kind: str) -> None:
    file = FilesTogether({"first": HeaderOnly(real_header(kind))}, {"text_encoders.for": "stable_diffusion"})
    assert identify(file.header, families()).family == "text_encoders"


@pytest.mark.parametrize(
    ("beside", "opened"),
    [
        ("openvino_model.bin", "diffusion_pytorch_model.safetensors"),
        ("diffusion_pytorch_model.bin", "diffusion_pytorch_model.safetensors"),
        ("diffusion_pytorch_model.fp16.safetensors", "diffusion_pytorch_model.safetensors"),
        ("small-1-of-2.safetensors", "diffusion_pytorch_model.safetensors"),
    ],
)
def test_whole_files_that_are_no_pickles_are_preferred(beside: str, opened: str, tmp_path: Path) -> None:
    files = Files([*FLUX, f"flux/vae/{beside}"], "flux")
    diffusers_loader("flux", context_with(files, tmp_path))
    assert files.opened[-1] == f"flux/vae/{opened}"


@pytest.mark.parametrize("index", ["model.safetensors.index.fp16.json", "model.fp16.safetensors.index.json"])
def test_a_model_may_be_there_in_pieces_of_half_precision_alone(index: str, tmp_path: Path) -> None:
    pieces = ["model.fp16-00001-of-00002.safetensors", "model-00002-of-00002.fp16.safetensors"]
    others = [name for name in FLUX if "/text_encoder_2/" not in name]
    files = Files([*others, *(f"flux/text_encoder_2/{name}" for name in (*pieces, index))], "flux")
    diffusers_loader("flux", context_with(files, tmp_path))
    assert files.opened[2] == f"flux/text_encoder_2/{index}"


def test_pieces_without_the_list_of_them_are_refused(tmp_path: Path) -> None:
    files = Files([name for name in FLUX if not name.endswith(".json")], "flux")
    with pytest.raises(NodeError, match=r"in several files without the index that lists these \(\.index\.json\)"):
        diffusers_loader("flux", context_with(files, tmp_path))


@pytest.mark.parametrize("missing", ["transformer", "text_encoder", "vae"])
def test_a_folder_without_a_part_is_refused_by_its_name(missing: str, tmp_path: Path) -> None:
    files = Files([name for name in FLUX if f"/{missing}" not in name], "flux")
    with pytest.raises(NodeError, match=f"'flux' has no weights in {missing}/"):
        diffusers_loader("flux", context_with(files, tmp_path))


def test_folders_with_a_denoiser_are_offered() -> None:
    files = Files([*FLUX, "half/vae/model.safetensors", "deep/er/unet/model.safetensors", "lone.safetensors"], "flux")
    assert choose_values("diffusers folders", files) == ["deep/er", "flux"]  # type: ignore[arg-type]
    assert choose_values("other", files) is None  # type: ignore[arg-type]
