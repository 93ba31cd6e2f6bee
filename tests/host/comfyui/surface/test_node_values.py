"""What nodes of packs share."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
import torch
from PIL import Image, ImageFile

from host.comfyui.home import Home
from host.comfyui.surface import node_values
from host.comfyui.surface.image_folders import FolderOfImages
from tests.support.comfy_packs import load


def test_values_join_each_entry_and_leave_the_first_alone() -> None:
    conditioning = [[torch.ones(1), {"a": 1, "refs": [1]}], [torch.zeros(1), {}]]
    changed = node_values.conditioning_set_values(conditioning, {"a": 2, "b": 3})
    assert [options for _, options in changed] == [{"a": 2, "refs": [1], "b": 3}, {"a": 2, "b": 3}]
    appended = node_values.conditioning_set_values(conditioning, {"refs": [2]}, append=True)
    assert [options["refs"] for _, options in appended] == [[1, 2], [2]]
    assert conditioning[0][1] == {"a": 1, "refs": [1]}


def test_a_picture_without_its_end_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    Image.effect_noise((64, 64), 90).save(path)
    path.write_bytes(path.read_bytes()[:-500])

    def loaded(file: Path) -> Image.Image:
        with Image.open(file) as picture:
            picture.load()
            return picture.copy()

    with pytest.raises(OSError, match="truncated"):
        loaded(path)
    assert node_values.pillow(loaded, path).size == (64, 64)
    assert not ImageFile.LOAD_TRUNCATED_IMAGES
    (tmp_path / "b.png").write_bytes(b"no picture")
    with pytest.raises(OSError, match="cannot identify"):
        node_values.pillow(loaded, tmp_path / "b.png")


def test_pictures_get_alpha_where_the_other_has_it() -> None:
    three, four = torch.zeros(1, 2, 2, 3), torch.zeros(1, 2, 2, 4)
    one, other = node_values.image_alpha_fix(four, three)
    assert (one.shape[-1], other[..., 3].min()) == (4, 1.0)
    assert node_values.image_alpha_fix(three, four)[1].shape[-1] == 3
    assert node_values.image_alpha_fix(three, three)[1] is three


def test_dtypes_have_short_names() -> None:
    names = [node_values.string_to_torch_dtype(name) for name in ("fp32", "fp16", "bf16", "int3")]
    assert names == [torch.float32, torch.float16, torch.bfloat16, None]
    assert node_values.hasher() is hashlib.sha256


def test_pictures_of_a_folder_are_read_in_order(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    for name in ("b.png", "sub/a.JPG"):
        Image.new("L", (3, 2)).save(tmp_path / name)
    (tmp_path / "c.txt").write_text("")
    folder = FolderOfImages(tmp_path, transform=lambda picture: picture.size)
    assert len(folder) == 2
    assert folder[0] == ((3, 2),)
    assert ".webp" in FolderOfImages.IMG_EXTENSIONS


def test_packs_find_them(home: Home, tmp_path: Path) -> None:
    pack = load(
        tmp_path / "pack",
        """
        import server
        from comfy.k_diffusion.utils import FolderOfImages
        from comfy_extras import nodes_custom_sampler
        from comfyui_version import __version__ as version
        from node_helpers import conditioning_set_values
        web = server.web
        NODE_CLASS_MAPPINGS = {}
        """,
    )
    assert pack.module.web.__name__ == "aiohttp.web"
    assert pack.module.version.count(".") == 2
    assert pack.module.nodes_custom_sampler.SamplerCustom.FUNCTION == "execute"
