"""``comfy.comfy_types`` and ``comfy.cli_args`` have what packs declare nodes with and ask of the command line."""

from __future__ import annotations

from pathlib import Path

import pytest

from host.comfyui.home import Home
from host.comfyui.surface.cli_args import LatentPreviewMethod, args
from host.comfyui.surface.comfy_types import IO, CheckLazyMixin, ComfyNodeABC
from tests.support.comfy_packs import load, node_of


def test_any_fits_every_type_and_others_fit_their_own() -> None:
    assert not IO.ANY != "IMAGE"  # noqa: SIM202 - packs compare with !=
    assert not IO.IMAGE != "*"  # noqa: SIM202
    assert IO.IMAGE != "MASK"
    assert IO.IMAGE != 5
    assert not IO.NUMBER != "INT"  # noqa: SIM202
    assert not IO.INT != "INT,FLOAT"  # noqa: SIM202
    assert {IO.IMAGE: 1}["IMAGE"] == 1


def test_nodes_are_declared_with_these_types(home: Home, tmp_path: Path) -> None:
    pack = load(
        tmp_path / "pack",
        """
        from comfy.comfy_types import IO, ComfyNodeABC, InputTypeDict
        from comfy.comfy_types.node_typing import CheckLazyMixin
        class Pick(CheckLazyMixin, ComfyNodeABC):
            RETURN_TYPES = (IO.ANY,)
            FUNCTION = "pick"
            @classmethod
            def INPUT_TYPES(cls) -> InputTypeDict:
                return {"required": {"a": (IO.ANY, {"lazy": True}), "n": (IO.INT, {"default": 1})}}
            def pick(self, a, n):
                return (a,)
        NODE_CLASS_MAPPINGS = {"Pick": Pick}
        """,
    )
    node = node_of(pack, "Pick")
    assert [(item.type, type(item.type) is str) for item in node.inputs] == [("*", True), ("INT", True)]
    assert node.outputs[0].type == "*"
    assert node.lazy is not None
    assert node.lazy(node.create(), {"a": None, "n": 2}) == ["a"]  # type: ignore[misc]


def test_a_lazy_node_wants_what_is_missing() -> None:
    assert CheckLazyMixin().check_lazy_status(a=None, b=1) == ["a"]
    with pytest.raises(TypeError, match="INPUT_TYPES"):
        ComfyNodeABC()  # type: ignore[abstract]


def test_flags_are_off_unset_or_the_host_s_folders(home: Home, tmp_path: Path) -> None:
    assert args.disable_metadata is False
    assert args.cuda_device is None
    assert args.output_directory == str(tmp_path / "output")
    assert args.base_directory == str(tmp_path)
    assert args.preview_method == LatentPreviewMethod.Auto == "auto"
    with pytest.raises(AttributeError, match="'no_such_flag' of ComfyUI's command line"):
        _ = args.no_such_flag
