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


def test_inputs_of_changing_kinds_are_shown_as_the_host_shows_them(tmp_path: Path) -> None:
    code = """
from comfy_api.latest import ComfyExtension, io

class Grow(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        same = io.MatchType.Template("same", allowed_types=[io.Image, io.Custom("CURVE")])
        images = io.Autogrow.TemplatePrefix(io.Image.Input("image"), prefix="image", min=2, max=9)
        sized = io.DynamicCombo.Option("by size", [io.Int.Input("width", default=512)])
        resize = [sized, io.DynamicCombo.Option("no", [])]
        return io.Schema(
            node_id="Grow",
            inputs=[
                io.MatchType.Input("first", template=same),
                io.MultiType.Input(io.Float.Input("amount", default=0.5), types=[io.Int, io.Float], optional=True),
                io.Autogrow.Input("images", template=images),
                io.DynamicCombo.Input("resize", options=resize, tooltip="how"),
                io.Combo.Input("file", options=["a.png"], upload=io.UploadType.image, image_folder=io.FolderType.input),
                io.Int.Input("steps", display_mode=io.NumberDisplay.slider, socketless=True, extra_dict={"unit": "px"}),
            ],
            outputs=[io.MatchType.Output(template=same, display_name="out")],
        )
"""
    (node,) = inspect(tmp_path, init=code + EXTENSION.replace("Blur, Sharper", "Grow")).nodes
    assert node.schema["input"] == {
        "required": {
            "first": ["COMFY_MATCHTYPE_V3", {"template": {"template_id": "same", "allowed_types": "IMAGE,CURVE"}}],
            "images": [
                "COMFY_AUTOGROW_V3",
                {"template": {"input": {"required": {"image": ["IMAGE", {}]}}, "prefix": "image", "min": 2, "max": 9}},
            ],
            "resize": [
                "COMFY_DYNAMICCOMBO_V3",
                {
                    "options": [
                        {"key": "by size", "inputs": {"required": {"width": ["INT", {"default": 512}]}}},
                        {"key": "no", "inputs": {"required": {}}},
                    ],
                    "tooltip": "how",
                },
            ],
            "file": [
                "COMBO",
                {"multiselect": False, "image_upload": True, "image_folder": "input", "options": ["a.png"]},
            ],
            "steps": ["INT", {"display": "slider", "socketless": True, "unit": "px"}],
        },
        "optional": {"amount": ["FLOAT,INT", {"default": 0.5, "widgetType": "FLOAT"}]},
    }
    assert node.schema["output"] == ["COMFY_MATCHTYPE_V3"]
    assert node.schema["output_name"] == ["out"]


def test_a_schema_changed_after_its_base_made_it_has_the_changes(tmp_path: Path) -> None:
    code = """
import dataclasses
from comfy_api.latest import ComfyExtension, io

class One(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        made = io.Schema(node_id="One", inputs=[io.Image.Input("image")])
        made.inputs.append(io.Int.Input("n"))
        return made

class Two(One):
    @classmethod
    def define_schema(cls):
        made = super().define_schema()
        made.node_id = "Two"
        made.inputs += [io.Mask.Input("mask")]
        return made

class Three(One):
    @classmethod
    def define_schema(cls):
        return dataclasses.replace(One.define_schema(), node_id="Three", outputs=[io.Image.Output()])
"""
    one, three, two = inspect(tmp_path, init=code + EXTENSION.replace("Blur, Sharper", "One, Two, Three")).nodes
    assert list(one.schema["input"]["required"]) == ["image", "n"]
    assert list(two.schema["input"]["required"]) == ["image", "n", "mask"]
    assert (three.id, three.schema["output"]) == ("Three", ["IMAGE"])


def test_a_schema_with_arguments_from_outside_is_not_taken_for_one_without_inputs(tmp_path: Path) -> None:
    code = NODES.replace("is_output_node=True,", "**outside.more(),").replace("inputs=[", "inputs=[*outside.inputs(),")
    found = inspect(tmp_path, init="import outside\n" + code + EXTENSION)
    assert {node.id: dict(node.schema) for node in found.nodes}["Blur_v3"] == {}
