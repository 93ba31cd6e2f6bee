"""``nodes`` gives packs the classes of all nodes, to be called and subclassed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from host.comfyui import call_forms
from host.comfyui.home import Home
from host.comfyui.running import OutsideOfNodes, Running
from host.comfyui.surface import nodes
from sdk.errors import NodeError
from tests.support.comfy_packs import Caller, load, node_of
from tests.support.comfy_probe import ProbedHost, module_of
from tests.support.node_context import context_in


def test_a_class_says_what_the_node_declares(home: Home) -> None:
    cls = nodes.NODE_CLASS_MAPPINGS["EmptyLatentImage"]
    assert (cls.__name__, cls.FUNCTION, cls.RETURN_TYPES, cls.CATEGORY) == (
        "EmptyLatentImage", "generate", ("LATENT",), "latent",
    )  # fmt: skip
    assert list(cls.INPUT_TYPES()["required"]) == ["width", "height", "batch_size"]
    assert cls.INPUT_TYPES()["required"]["width"][1]["default"] == 512
    assert nodes.NODE_DISPLAY_NAME_MAPPINGS["EmptyLatentImage"] == "Empty Latent Image"


def test_lists_of_choices_are_those_of_today(home: Home, tmp_path: Path) -> None:
    cls = nodes.NODE_CLASS_MAPPINGS["CheckpointLoaderSimple"]
    assert cls.INPUT_TYPES()["required"]["ckpt_name"][0] == []
    (tmp_path / "models" / "checkpoints").mkdir(parents=True)
    (tmp_path / "models" / "checkpoints" / "a.pt").write_bytes(b"")
    assert cls.INPUT_TYPES()["required"]["ckpt_name"][0] == ["a.pt"]
    assert "euler" in nodes.NODE_CLASS_MAPPINGS["KSampler"].INPUT_TYPES()["required"]["sampler_name"][0]


def test_hidden_inputs_are_declared_as_packs_know_them(home: Home) -> None:
    hidden = nodes.NODE_CLASS_MAPPINGS["MaskPreview"].INPUT_TYPES()["hidden"]
    assert hidden == {"prompt": "PROMPT", "extra_pnginfo": "EXTRA_PNGINFO"}


def test_the_table_is_read_and_not_changed(home: Home) -> None:
    table = nodes.NODE_CLASS_MAPPINGS
    assert "KSampler" in table
    assert "core/KSampler" in table
    assert "NoSuchNode" not in table
    assert table.get("NoSuchNode") is None
    assert len(list(table)) == len(table) > 100
    assert table["KSampler"] is table["core/KSampler"] is nodes.__getattr__("KSampler")
    for change in (lambda: table.update({"KSampler": int}), lambda: table.__setitem__("KSampler", int)):
        with pytest.raises(TypeError, match=r"can't be changed \(node 'KSampler'\)"):
            change()
    with pytest.raises(TypeError, match="can't be changed"):
        del table["KSampler"]
    with pytest.raises(KeyError):
        table["NoSuchNode"]


def call(tmp_path: Path, function: Any) -> Any:
    with Running(context_in(tmp_path)).entered():
        return function()


def test_a_node_is_called_with_its_arguments_in_order_or_by_name(home: Home, tmp_path: Path) -> None:
    def calls() -> Any:
        latent = nodes.NODE_CLASS_MAPPINGS["EmptyLatentImage"]
        (one,) = latent().generate(64, 32, 2)
        (other,) = latent().generate(width=64, height=32)
        return one["samples"].shape, other["samples"].shape

    assert call(tmp_path, calls) == ((2, 4, 4, 8), (1, 4, 4, 8))


@pytest.mark.parametrize(
    ("given", "named", "said"),
    [
        ((1, 2, 3, 4), {}, "takes 3 arguments, 4 were given"),
        ((64,), {"width": 64}, r"got \['width'\] twice"),
        ((), {"wide": 64}, r"has no \['wide'\]; its arguments are width, height, batch_size"),
    ],
)
def test_a_wrong_call_is_refused_with_what_is_right(
    home: Home, tmp_path: Path, given: tuple[int, ...], named: dict[str, int], said: str
) -> None:
    with pytest.raises(TypeError, match=rf"EmptyLatentImage\.generate\(\) {said}"):
        call(tmp_path, lambda: nodes.NODE_CLASS_MAPPINGS["EmptyLatentImage"]().generate(*given, **named))


def test_an_argument_may_stand_elsewhere_than_its_input(home: Home, tmp_path: Path) -> None:
    def call_it() -> Any:
        limited = nodes.NODE_CLASS_MAPPINGS["ConditioningSetMask"]()
        return limited.append([[torch.zeros(1, 1, 4), {}]], torch.ones(1, 8, 8), "default", 0.5)

    (((_, options),),) = call(tmp_path, call_it)
    assert options["mask_strength"] == 0.5


def test_nodes_of_further_modules_have_the_method_of_earlier_releases_as_well(home: Home, tmp_path: Path) -> None:
    def calls() -> Any:
        mask = nodes.NODE_CLASS_MAPPINGS["SolidMask"]()
        return mask.solid(0.5, 8, 4)[0], mask.execute(0.5, 8, 4)[0]

    earlier, now = call(tmp_path, calls)
    assert earlier.shape == (1, 4, 8)
    assert earlier.equal(now)
    assert nodes.NODE_CLASS_MAPPINGS["SolidMask"].FUNCTION == "execute"


def test_every_node_with_a_method_of_earlier_releases_is_there(home: Home) -> None:
    gone = [name for name in call_forms.EARLIER if name not in nodes.NODE_CLASS_MAPPINGS]
    assert gone == []


def test_a_missing_argument_is_named(home: Home, tmp_path: Path) -> None:
    with pytest.raises(TypeError, match=r"ImageInvert\.invert\(\) needs image"):
        call(tmp_path, lambda: nodes.NODE_CLASS_MAPPINGS["ImageInvert"]().invert())


def test_a_node_is_not_called_where_none_runs(home: Home) -> None:
    with pytest.raises(OutsideOfNodes, match=r"EmptyLatentImage\.generate works only while a node runs"):
        nodes.NODE_CLASS_MAPPINGS["EmptyLatentImage"]().generate(64, 64)


def test_a_node_that_shows_something_gives_that_as_well(home: Home, tmp_path: Path) -> None:
    shown = call(tmp_path, lambda: nodes.NODE_CLASS_MAPPINGS["MaskPreview"]().execute(torch.zeros(1, 8, 8)))
    assert shown["result"] == ()
    assert shown["ui"]["images"][0]["type"] == "temp"


def test_a_pack_s_own_class_is_that_class(probed: ProbedHost) -> None:
    assert nodes.NODE_CLASS_MAPPINGS["PictureSave"] is module_of("picture_pack").PictureSave


def test_files_that_a_node_reads_are_told_apart_by_their_change(home: Home, tmp_path: Path) -> None:
    cls = nodes.NODE_CLASS_MAPPINGS["LoadImage"]
    (tmp_path / "input").mkdir()
    (tmp_path / "input" / "a.png").write_bytes(b"1")
    first = cls.IS_CHANGED(image="a.png")
    (tmp_path / "input" / "a.png").write_bytes(b"22")
    assert cls.IS_CHANGED(image="a.png") != first
    assert cls.IS_CHANGED(image="gone.png") == (None,)


def test_a_built_in_node_may_be_subclassed(home: Home, tmp_path: Path) -> None:
    pack = load(
        tmp_path / "pack",
        """
        from nodes import ImageInvert, EmptyImage
        class Black(EmptyImage):
            CATEGORY = "mine"
            FUNCTION = "black"
            @classmethod
            def INPUT_TYPES(cls):
                return {"required": {"size": super().INPUT_TYPES()["required"]["width"]}}
            def black(self, size):
                return ImageInvert().invert(super().generate(size, size, 1, 0xFFFFFF)[0])
        NODE_CLASS_MAPPINGS = {"Black": Black}
        """,
    )
    node = node_of(pack, "Black")
    assert node.category == "mine"
    assert [output.type for output in node.outputs] == ["IMAGE"]
    (image,) = Caller(node, tmp_path)(size=4).outputs
    assert image.shape == (1, 4, 4, 3)
    assert not image.any()


def test_a_subclass_need_not_begin_as_the_built_in_node_does(home: Home, tmp_path: Path) -> None:
    built_in: Any = nodes.NODE_CLASS_MAPPINGS["EmptyLatentImage"]

    class Mine(built_in):  # type: ignore[misc]
        def __init__(self) -> None:
            self.made = 0

    (latent,) = call(tmp_path, lambda: Mine().generate(64, 64))
    assert latent["samples"].shape == (1, 4, 8, 8)


def test_the_modules_of_further_nodes_have_their_classes(home: Home, tmp_path: Path) -> None:
    pack = load(
        tmp_path / "pack",
        """
        from comfy_extras.nodes_mask import GrowMask
        import comfy_extras.nodes_custom_sampler as custom
        scheduler = custom.BasicScheduler
        NODE_CLASS_MAPPINGS = {}
        """,
    )
    assert pack.module.GrowMask is nodes.NODE_CLASS_MAPPINGS["GrowMask"]
    assert pack.module.scheduler.RETURN_TYPES == ("SIGMAS",)


def test_pictures_are_saved_with_the_prompt_in_the_pack_s_own_way(home: Home, tmp_path: Path) -> None:
    class Elsewhere(nodes.SaveImage):
        def __init__(self) -> None:
            super().__init__()
            self.output_dir, self.type, self.prefix_append = str(tmp_path / "temp"), "temp", "_x"

    images = torch.tensor([0.0, 1.0]).reshape(2, 1, 1, 1).expand(2, 2, 3, 3)
    shown = call(tmp_path, lambda: Elsewhere().save_images(images, "sub/a", {"1": {}}, {"workflow": {"n": 1}}))
    names = [entry["filename"] for entry in shown["ui"]["images"]]
    assert names == ["a_x_00001_.png", "a_x_00002_.png"]
    with Image.open(tmp_path / "temp" / "sub" / names[1]) as picture:
        assert picture.text["prompt"] == '{"1": {}}'  # type: ignore[attr-defined]
        assert picture.getpixel((0, 0)) == (255, 255, 255)
    with pytest.raises(NodeError, match="leads out"):
        call(tmp_path, lambda: nodes.SaveImage().save_images(images, "../a"))


def test_previews_go_to_the_temporary_folder(home: Home, tmp_path: Path) -> None:
    assert "filename_prefix" not in nodes.PreviewImage.INPUT_TYPES()["required"]
    (shown,) = call(tmp_path, lambda: nodes.PreviewImage().save_images(torch.zeros(1, 2, 2, 3)))["ui"]["images"]
    assert shown["type"] == "temp"
    assert (tmp_path / "temp" / shown["filename"]).is_file()


def test_packs_alone_see_the_module(home: Home, tmp_path: Path) -> None:
    import importlib
    import sys

    load(tmp_path / "pack", "import nodes, execution\nNODE_CLASS_MAPPINGS = {}")
    assert not {"nodes", "execution"} & sys.modules.keys()
    with pytest.raises(ModuleNotFoundError):
        importlib.import_module("nodes")


def test_a_library_that_a_pack_brings_sees_the_module_while_it_is_imported(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import sys

    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "probe_library.py").write_text("import nodes\nmost = nodes.MAX_RESOLUTION\n")
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    pack = load(tmp_path / "pack", "import probe_library\nmost = probe_library.most\nNODE_CLASS_MAPPINGS = {}")
    sys.modules.pop("probe_library")
    assert pack.module.most == nodes.MAX_RESOLUTION
    assert "nodes" not in sys.modules
