from __future__ import annotations

from pathlib import Path

from tests.sdk.inspection.comfyui_packs import ids, inspect

NODES = """
from enum import Enum
from comfy_api.latest import ComfyExtension, io

class Mode(str, Enum):
    FAST = "fast"
    FINE = "fine"

class Blur(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="Blur_v3",
            display_name="Blur",
            category="image",
            inputs=[
                io.Image.Input("image"),
                io.Int.Input("radius", default=3, min=0, tooltip="in pixels"),
                io.Combo.Input("mode", options=[m.value for m in Mode], optional=True),
                io.Custom("CURVE").Input("curve", optional=True),
            ],
            outputs=[io.Image.Output(display_name="blurred"), io.Custom("CURVE").Output(is_output_list=True)],
            hidden=[io.Hidden.unique_id],
            is_output_node=True,
        )

class Sharper(Blur):
    @classmethod
    def define_schema(cls):
        schema = super().define_schema()
        schema.node_id = "Sharper_v3"
        return schema
"""
EXTENSION = """
class Extension(ComfyExtension):
    async def get_node_list(self):
        return [Blur, Sharper]

async def comfy_entrypoint():
    return Extension()
"""


def test_nodes_of_an_extension_are_read_with_their_schemas(tmp_path: Path) -> None:
    found = inspect(tmp_path, init=NODES + EXTENSION)
    assert found.kind == "comfyui-v3"
    assert found.unread == ()
    blur, sharper = found.nodes
    assert (blur.id, blur.title, sharper.id) == ("Blur_v3", "Blur", "Sharper_v3")
    assert blur.schema["input"] == {
        "required": {"image": ["IMAGE", {}], "radius": ["INT", {"default": 3, "min": 0, "tooltip": "in pixels"}]},
        "optional": {
            "mode": ["COMBO", {"multiselect": False, "options": ["fast", "fine"]}],
            "curve": ["CURVE", {}],
        },
        "hidden": {"unique_id": ["UNIQUE_ID"], "prompt": ["PROMPT"], "extra_pnginfo": ["EXTRA_PNGINFO"]},
    }
    assert blur.schema["output"] == ["IMAGE", "CURVE"]
    assert blur.schema["output_name"] == ["blurred", "CURVE"]
    assert blur.schema["output_is_list"] == [False, True]
    assert blur.schema["output_node"] is True


def test_the_list_may_be_built_elsewhere_and_returned_directly(tmp_path: Path) -> None:
    code = "from .nodes import *\n" + EXTENSION.replace("return [Blur, Sharper]", "return [*ALL]").replace(
        "return Extension()", "e = Extension()\n    return e"
    )
    found = inspect(
        tmp_path, init="from comfy_api.latest import ComfyExtension\n" + code, nodes=NODES + "\nALL = [Blur]"
    )
    assert ids(found) == {"Blur_v3"}


def test_both_styles_in_one_pack_are_a_mixed_pack(tmp_path: Path) -> None:
    code = NODES + EXTENSION + "\nclass Old:\n    RETURN_TYPES = ()\n\nNODE_CLASS_MAPPINGS = {'Old': Old}\n"
    found = inspect(tmp_path, init=code)
    assert found.kind == "mixed"
    assert ids(found) == {"Old", "Blur_v3", "Sharper_v3"}


def test_a_node_id_from_outside_is_not_guessed(tmp_path: Path) -> None:
    code = NODES.replace('node_id="Blur_v3"', "node_id=outside.name()") + EXTENSION
    found = inspect(tmp_path, init="import outside\n" + code)
    assert ids(found) == {"Sharper_v3"}
    assert [item.line for item in found.unread] == [10]


def test_a_list_from_outside_is_said(tmp_path: Path) -> None:
    found = inspect(tmp_path, init="import outside\n" + NODES + EXTENSION.replace("[Blur, Sharper]", "outside.nodes()"))
    assert found.nodes == ()
    assert found.unread
