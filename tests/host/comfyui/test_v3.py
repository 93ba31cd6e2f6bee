"""Schema-style classes become node types."""

from __future__ import annotations

from pathlib import Path

import pytest

from host.comfyui.errors import NoNodeUsable
from host.comfyui.loading import ComfyPack
from sdk.markers import Hidden
from sdk.nodes import Blocker, Determinism, NodeType
from tests.support.comfy_packs import Caller, load, node_of

TEMPLATE = """
from enum import Enum
from comfy_api.latest import io
class Mode(Enum):
    A = "a"
    B = "b"
class N(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(node_id="N", {schema})
    @classmethod
    {function}
NODE_CLASS_MAPPINGS = {{"N": N}}
"""


def one(tmp_path: Path, schema: str, function: str = "def execute(cls, **kw): return io.NodeOutput()") -> NodeType:
    return load(tmp_path / "pack", TEMPLATE.format(schema=schema, function=function)).nodes[0]


def test_a_schema_is_read(test_pack: ComfyPack) -> None:
    node = node_of(test_pack, "G2V3Add")
    assert [(item.name, item.type, item.required) for item in node.inputs] == [
        ("a", "INT", True),
        ("b", "INT", False),
        ("op", "COMBO", True),
    ]
    assert node.inputs[0].options == {"default": 1, "min": 0, "max": 50}
    assert node.inputs[2].typed_combo
    assert list(node.hidden.values()) == [Hidden.UNIQUE_ID]
    assert node.determinism is Determinism.PER_NODE


def test_a_left_out_optional_input_has_the_functions_default(test_pack: ComfyPack, tmp_path: Path) -> None:
    assert Caller(node_of(test_pack, "G2V3Add"), tmp_path)(a=4, op="add").outputs == (104,)


def test_an_output_node_sees_its_hidden_values(test_pack: ComfyPack, tmp_path: Path) -> None:
    node = node_of(test_pack, "G2V3Out")
    assert list(node.hidden.values()) == [Hidden.UNIQUE_ID, Hidden.PROMPT, Hidden.EXTRA_PNGINFO]
    values = dict.fromkeys(node.hidden, "h")
    assert Caller(node, tmp_path)(v=1, **values).ui == {"text": ["1", "h"]}


def test_hidden_values_and_inputs_of_one_name_do_not_mix(tmp_path: Path) -> None:
    node = one(
        tmp_path,
        'inputs=[io.String.Input("prompt")], outputs=[io.String.Output()], hidden=[io.Hidden.prompt]',
        "def execute(cls, prompt): return io.NodeOutput(f'{prompt}/{cls.hidden.prompt}')",
    )
    (hidden,) = node.hidden
    assert Caller(node, tmp_path)(**{"prompt": "text", hidden: "graph"}).outputs == ("text/graph",)


def test_hidden_values_of_a_node_on_lists_are_no_lists(tmp_path: Path) -> None:
    node = one(
        tmp_path,
        "is_input_list=True, outputs=[io.String.Output()], hidden=[io.Hidden.unique_id]",
        "def execute(cls): return io.NodeOutput(cls.hidden.unique_id)",
    )
    (hidden,) = node.hidden
    assert Caller(node, tmp_path)(**{hidden: ["5"]}).outputs == ("5",)


def test_two_calls_do_not_share_hidden_values(test_pack: ComfyPack, tmp_path: Path) -> None:
    node = node_of(test_pack, "G2V3Out")
    name = next(iter(node.hidden))
    Caller(node, tmp_path)(v=1, **{name: "first"})
    assert Caller(node, tmp_path)(v=1).ui == {"text": ["1", "None"]}


def test_a_block_without_values_blocks_nothing_and_is_mentioned(
    test_pack: ComfyPack, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    call = Caller(node_of(test_pack, "G2V3Block"), tmp_path)
    assert call(v=-1).outputs == (None,)
    assert "'G2V3Block'" in caplog.text
    assert call(v=3).outputs == (3,)


def test_a_block_with_values_blocks_every_output(tmp_path: Path) -> None:
    node = one(
        tmp_path,
        "outputs=[io.Int.Output(), io.Int.Output()]",
        "def execute(cls): return io.NodeOutput(1, 2, block_execution='stop')",
    )
    assert Caller(node, tmp_path)().outputs == (Blocker("stop"), Blocker("stop"))


def test_an_async_execute_is_awaited_and_may_expand(tmp_path: Path) -> None:
    node = one(
        tmp_path,
        "outputs=[io.Int.Output()], enable_expand=True",
        """async def execute(cls):
        from comfy_execution.graph_utils import GraphBuilder
        g = GraphBuilder()
        n = g.node("X", v=1)
        return io.NodeOutput(n.out(0), expand=g.finalize())""",
    )
    result = Caller(node, tmp_path, node_id="9")()
    assert result.outputs == (["9.0.0.1", 0],)
    assert result.expand == {"9.0.0.1": {"class_type": "X", "inputs": {"v": 1}}}


def test_checks_and_fingerprints_are_read(test_pack: ComfyPack) -> None:
    node = node_of(test_pack, "G2V3Add")
    assert node.validation is not None
    assert node.validation.names == {"a"}
    assert node.validation.check(a=13) == "thirteen"
    assert node.fingerprint is not None
    assert node.fingerprint({"a": 3, "op": "add", next(iter(node.hidden)): "1"}) == 3
    assert node_of(test_pack, "G2V3Out").validation is None


def test_a_check_of_any_name_never_sees_hidden_values(tmp_path: Path) -> None:
    node = one(
        tmp_path,
        'inputs=[io.Int.Input("a"), io.Int.Input("b")], is_output_node=True',
        "def execute(cls, a, b): ...\n    @classmethod\n    def validate_inputs(cls, **kw): return ','.join(kw)",
    )
    assert node.validation is not None
    assert node.validation.names == {"a", "b"}


def test_lazy_inputs_are_asked_for(tmp_path: Path) -> None:
    node = one(
        tmp_path,
        'inputs=[io.Int.Input("a", lazy=True)]',
        "def execute(cls, a): ...\n    @classmethod\n    def check_lazy_status(cls, a): return [] if a else ['a']",
    )
    assert node.lazy is not None
    assert node.inputs[0].lazy
    assert node.lazy(None, {"a": None}) == ["a"]


@pytest.mark.parametrize(
    ("declared", "kind", "options"),
    [
        ('Int.Input("x", min=0, max=9, step=3, display_mode=io.NumberDisplay.slider)', "INT",
         {"min": 0, "max": 9, "step": 3, "display": "slider"}),
        ('Int.Input("x", control_after_generate=True, tooltip="t")', "INT",
         {"control_after_generate": True, "tooltip": "t"}),
        ('Float.Input("x", default=0.5, round=0.01)', "FLOAT", {"default": 0.5, "round": 0.01}),
        ('String.Input("x", multiline=True, dynamic_prompts=True)', "STRING",
         {"multiline": True, "dynamicPrompts": True}),
        ('String.Input("x", force_input=True)', "STRING", {"multiline": False, "forceInput": True}),
        ('Boolean.Input("x", label_on="yes", label_off="no")', "BOOLEAN", {"label_on": "yes", "label_off": "no"}),
        ('Combo.Input("x", Mode, default=Mode.B)', "COMBO",
         {"default": "b", "multiselect": False, "options": ["a", "b"]}),
        ('Combo.Input("x", options=["p"], upload=io.UploadType.image, image_folder=io.FolderType.output)', "COMBO",
         {"multiselect": False, "options": ["p"], "image_upload": True, "image_folder": "output"}),
        ('Combo.Input("x", remote=io.RemoteOptions("/r", True))', "COMBO",
         {"multiselect": False, "options": [],
          "remote": {"route": "/r", "refresh_button": True, "control_after_refresh": "first"}}),
        ('MultiCombo.Input("x", options=["p"], chip=True)', "COMBO",
         {"multiselect": True, "options": ["p"], "multi_select": {"chip": True}}),
        ('Image.Input("x", raw_link=True)', "IMAGE", {"rawLink": True}),
        ('Custom("MINE").Input("x", extra_dict={"k": 1})', "MINE", {"k": 1}),
        ('AnyType.Input("x", display_name="X")', "*", {"display_name": "X"}),
        ('MultiType.Input("x", [io.Int, io.Float])', "INT,FLOAT", {}),
        ('MultiType.Input(io.Float.Input("x", default=1.0), [io.Mask])', "FLOAT,MASK",
         {"default": 1.0, "widgetType": "FLOAT"}),
    ],
)  # fmt: skip
def test_inputs_are_declared_as_front_ends_read_them(
    tmp_path: Path, declared: str, kind: str, options: dict[str, object]
) -> None:
    node = one(tmp_path, f"inputs=[io.{declared}]")
    (item,) = node.inputs
    assert item.name == "x"
    assert item.type == kind
    assert item.options == options


def test_outputs_are_named_by_type_unless_named(tmp_path: Path) -> None:
    node = one(tmp_path, 'outputs=[io.Mask.Output("m"), io.Image.Output(display_name="pic", is_output_list=True)]')
    assert [(item.type, item.name, item.is_list) for item in node.outputs] == [
        ("MASK", "MASK", False),
        ("IMAGE", "pic", True),
    ]


@pytest.mark.parametrize(
    ("schema", "problem"),
    [
        ('inputs=[io.Int.Input("a"), io.Int.Input("a")]', "two inputs are called 'a'"),
        ("nonsense=3", "define_schema raised TypeError"),
    ],
)
def test_a_wrong_schema_names_pack_and_node(tmp_path: Path, schema: str, problem: str) -> None:
    with pytest.raises(NoNodeUsable, match=f"pack 'pack', node 'N': {problem}"):
        one(tmp_path, schema)


def test_a_schema_that_is_none_is_refused(tmp_path: Path) -> None:
    source = "from comfy_api.latest import io\nclass N(io.ComfyNode):\n    define_schema = classmethod(lambda cls: 3)"
    with pytest.raises(NoNodeUsable, match="define_schema gave int"):
        load(tmp_path / "pack", f"{source}\nNODE_CLASS_MAPPINGS = {{'N': N}}")
