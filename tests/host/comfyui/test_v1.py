"""Node classes of the first style become node types."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from host.comfyui.errors import NoNodeUsable, PackDefinitionError
from host.comfyui.loading import ComfyPack
from host.engine.caching.cache import LastPromptCache
from host.engine.cancellation import Cancellation
from host.engine.catalogue import Catalogue
from host.engine.executor import Executor
from host.engine.validation.prompt import validate
from sdk.markers import Hidden
from sdk.nodes import Blocker, Determinism, NodeResult, NodeType
from sdk.sockets import fits
from tests.support.comfy_packs import Caller, load, node_of
from tests.support.engine import PlainJob, Recorder, make_node

TEMPLATE = """
class A:
    RETURN_TYPES = ("INT",)
    FUNCTION = "go"
    @classmethod
    def INPUT_TYPES(cls):
        return {{"required": {{"x": ("INT", {{"default": 1}})}}}}
    def go(self, x=0):
        return (x,)
{more}
NODE_CLASS_MAPPINGS = {{"A": A}}
"""


def one(tmp_path: Path, more: str = "") -> NodeType:
    """A small node with this added to its class or replacing parts of it."""
    lines = "\n".join(f"    {line}" for line in more.splitlines())
    return load(tmp_path / "pack", TEMPLATE.format(more=lines)).nodes[0]


class TestSchema:
    def test_types_names_and_defaults_are_read(self, test_pack: ComfyPack) -> None:
        node = node_of(test_pack, "G2Experimental")
        assert [(item.type, item.name, item.tooltip) for item in node.outputs] == [
            ("INT", "number", "a number"),
            ("STRING", "words", "some words"),
        ]
        assert node.title == "Odd one"
        assert node.description == "a described node"
        assert node.experimental
        assert node.deprecated is not None

    def test_lists_and_flags_are_read(self, test_pack: ComfyPack) -> None:
        assert [item.is_list for item in node_of(test_pack, "G2MakeList").outputs] == [True, False]
        assert node_of(test_pack, "G2ListSum").takes_lists
        assert node_of(test_pack, "G2Out").output_node
        assert node_of(test_pack, "G2NotIdem").determinism is Determinism.PER_NODE
        assert node_of(test_pack, "G2Int").determinism is Determinism.PURE

    def test_choices_are_written_in_either_form(self, test_pack: ComfyPack) -> None:
        old, new = node_of(test_pack, "G2Combo").inputs[0], node_of(test_pack, "G2NewCombo").inputs[0]
        assert (old.type, old.choices, old.typed_combo) == ("COMBO", ("red", "green", "blue"), False)
        assert (new.type, new.choices, new.typed_combo) == ("COMBO", ("one", "two"), True)

    def test_lazy_and_raw_inputs_are_known(self, test_pack: ComfyPack) -> None:
        node = node_of(test_pack, "G2Switch")
        assert [item.name for item in node.inputs if item.lazy] == ["on_true", "on_false"]
        assert node_of(test_pack, "G2RawLink").inputs[0].raw_link

    def test_the_wildcard_loses_its_tricks(self, test_pack: ComfyPack) -> None:
        kind = node_of(test_pack, "G2Out").inputs[0].type
        assert kind == "*"
        assert type(kind) is str

    def test_a_bare_star_is_no_wildcard(self, test_pack: ComfyPack) -> None:
        kind = node_of(test_pack, "G2OutStar").inputs[0].type
        assert not fits("INT", kind)
        assert fits(kind, kind)
        assert fits("*", kind)
        assert json.dumps([kind]) == '["*"]'

    def test_hidden_inputs_are_known_by_kind(self, test_pack: ComfyPack) -> None:
        node = node_of(test_pack, "G2Hidden")
        assert node.hidden == {
            "uid": Hidden.UNIQUE_ID,
            "prompt": Hidden.PROMPT,
            "png": Hidden.EXTRA_PNGINFO,
            "dyn": Hidden.DYNPROMPT,
        }
        assert node.determinism is Determinism.PER_NODE

    def test_the_schema_is_read_again_for_each_prompt(self, tmp_path: Path) -> None:
        pack = load(
            tmp_path / "pack",
            """
            files = ["a"]
            class A:
                RETURN_TYPES = ()
                FUNCTION = "go"
                @classmethod
                def INPUT_TYPES(cls):
                    return {"required": {"file": (list(files),)}}
                def go(self, file):
                    return ()
            NODE_CLASS_MAPPINGS = {"A": A}
            """,
        )
        node = pack.nodes[0]
        pack.module.files.append("b")
        assert node.refresh is not None
        assert node.inputs[0].choices == ("a",)
        assert node.refresh().inputs[0].choices == ("a", "b")

    def test_an_output_that_is_a_list_of_choices_is_a_combo(self, tmp_path: Path) -> None:
        node = one(tmp_path, 'RETURN_TYPES = (["a", "b"], "INT")')
        assert [item.type for item in node.outputs] == ["COMBO", "INT"]
        assert node.info["output"] == [["a", "b"], "INT"]

    @pytest.mark.parametrize(
        ("more", "problem"),
        [
            ('RETURN_TYPES = ("IMAGE")', "RETURN_TYPES is 'IMAGE'.*comma"),
            ("RETURN_TYPES = None", "RETURN_TYPES is None"),
            ("FUNCTION = None", "FUNCTION is None"),
            ("INPUT_TYPES = None", "no INPUT_TYPES"),
            ("def INPUT_TYPES(self): return {}", "INPUT_TYPES raised TypeError.*class method"),
            ("INPUT_TYPES = classmethod(lambda cls: [])", "INPUT_TYPES gave list"),
            ("INPUT_TYPES = classmethod(lambda cls: {'required': 1})", "section 'required' of INPUT_TYPES is int"),
            ("INPUT_TYPES = classmethod(lambda cls: {'required': {'y': 'INT'}})", "input 'y' is declared as 'INT'"),
            ("INPUT_TYPES = classmethod(lambda cls: {'required': {'y': ()}})", "input 'y' is declared as"),
            ("INPUT_TYPES = classmethod(lambda cls: {'optional': {'y': ('INT', 3)}})", "options of input 'y' are int"),
            ("INPUT_TYPES = classmethod(lambda cls: {'optional': {3: ('INT',)}})", "an input is called 3"),
        ],
    )
    def test_a_wrong_definition_names_pack_node_and_remedy(self, tmp_path: Path, more: str, problem: str) -> None:
        with pytest.raises(NoNodeUsable, match=rf"pack 'pack', node 'A': .*{problem}") as caught:
            one(tmp_path, more)
        (error,) = caught.value.problems
        assert isinstance(error, PackDefinitionError)
        assert (error.pack, error.node) == ("pack", "A")
        assert error.remedy


class TestCalls:
    def test_a_node_keeps_its_object_between_calls(self, test_pack: ComfyPack, tmp_path: Path) -> None:
        call = Caller(node_of(test_pack, "G2Counter"), tmp_path)
        assert call(value=1).outputs == (1001,)
        assert call(value=1).outputs == (1002,)
        assert Caller(node_of(test_pack, "G2Counter"), tmp_path)(value=1).outputs == (1001,)

    def test_an_async_node_is_awaited(self, test_pack: ComfyPack, tmp_path: Path) -> None:
        assert Caller(node_of(test_pack, "G2Async"), tmp_path)(seconds=0, v=7).outputs == (7,)

    def test_a_dict_carries_ui_and_result(self, test_pack: ComfyPack, tmp_path: Path) -> None:
        result = Caller(node_of(test_pack, "G2OutPass"), tmp_path)(s="ab")
        assert result.outputs == ("ab!",)
        assert result.ui == {"text": ["ab"], "length": [2]}

    def test_a_bare_blocker_blocks_every_output(self, test_pack: ComfyPack, tmp_path: Path) -> None:
        assert Caller(node_of(test_pack, "G2BlockAll"), tmp_path)(v=1).outputs == (Blocker(), Blocker())

    def test_blockers_stand_among_values(self, test_pack: ComfyPack, tmp_path: Path) -> None:
        assert Caller(node_of(test_pack, "G2BlockTwo"), tmp_path)(v=1).outputs == (1, Blocker())

    def test_a_short_tuple_is_filled_with_none(self, test_pack: ComfyPack, tmp_path: Path) -> None:
        assert Caller(node_of(test_pack, "G2RetShort"), tmp_path)(v=1).outputs == (1, None)

    def test_none_is_no_result_for_a_node_with_outputs(self, test_pack: ComfyPack, tmp_path: Path) -> None:
        with pytest.raises(TypeError) as caught:
            Caller(node_of(test_pack, "G2RetNone"), tmp_path)(v=1)
        assert str(caught.value) == "object of type 'NoneType' has no len()"
        assert "node 'G2RetNone' returned NoneType" in caught.value.__notes__[0]

    def test_what_a_node_raises_comes_through(self, test_pack: ComfyPack, tmp_path: Path) -> None:
        with pytest.raises(ValueError, match="late"):
            Caller(node_of(test_pack, "G2Fail"), tmp_path)(value=1, message="late", fail=True)

    def test_hidden_values_arrive_under_their_names(self, test_pack: ComfyPack, tmp_path: Path) -> None:
        live = SimpleNamespace(has_node=lambda node_id: node_id == "h")
        result = Caller(node_of(test_pack, "G2Hidden"), tmp_path)(v=1, uid="h", prompt={"h": 1}, png=None, dyn=live)
        assert json.loads(result.outputs[0])["dyn_has_self"] is True

    def test_progress_reaches_the_running_node(self, test_pack: ComfyPack, tmp_path: Path) -> None:
        call = Caller(node_of(test_pack, "G2Slow"), tmp_path)
        call(seconds=0, v=1)
        assert call.context.said == [(1, 1)]


class TestHooks:
    def test_lazy_inputs_are_asked_for_by_name(self, test_pack: ComfyPack) -> None:
        node = node_of(test_pack, "G2Switch")
        assert node.lazy is not None
        assert node.create is not None
        state = node.create()
        assert node.lazy(state, {"cond": True, "on_true": None, "on_false": None}) == ["on_true"]
        assert node.lazy(state, {"cond": True, "on_true": 1, "on_false": None}) == []

    @pytest.mark.parametrize(
        ("value", "answer"), [(1, True), (8, False), (7, "seven is not allowed")], ids=["ok", "refused", "reason"]
    )
    def test_a_check_answers_for_the_inputs_it_names(
        self, test_pack: ComfyPack, value: int, answer: bool | str
    ) -> None:
        validation = node_of(test_pack, "G2ValStr").validation
        assert validation is not None
        assert validation.names == {"value"}
        assert not validation.wants_types
        assert validation.check(value=value) == answer

    def test_a_check_of_any_name_looks_at_all_inputs(self, test_pack: ComfyPack) -> None:
        validation = node_of(test_pack, "G2ValKw").validation
        assert validation is not None
        assert validation.names is None
        assert validation.check(x=3, z=1) == "x=3: x,z"

    def test_a_check_may_ask_for_the_types_of_links(self, test_pack: ComfyPack) -> None:
        validation = node_of(test_pack, "G2OutStarVal").validation
        assert validation is not None
        assert validation.wants_types
        assert validation.names == frozenset()
        assert validation.check(input_types={"v": "FLOAT"}) == "no floats please"

    @pytest.mark.parametrize(("answer", "read"), [("None", False), ("5", "5"), ("['a']", "['a']")])
    def test_other_answers_of_a_check_are_refusals(self, tmp_path: Path, answer: str, read: Any) -> None:
        node = one(tmp_path, f"@classmethod\nasync def VALIDATE_INPUTS(cls, x): return {answer}")
        assert node.validation is not None
        assert node.validation.check(x=1) == read

    def test_a_fingerprint_is_what_is_changed_says(self, test_pack: ComfyPack) -> None:
        fingerprint = node_of(test_pack, "G2Changed").fingerprint
        assert fingerprint is not None
        assert fingerprint({"value": 4, "mode": "value"}) == 4
        assert fingerprint({"value": None, "mode": "value"}) is None
        with pytest.raises(RuntimeError, match="is_changed failed"):
            fingerprint({"value": 4, "mode": "raise"})
        assert node_of(test_pack, "G2Int").fingerprint is None

    @pytest.mark.parametrize("answer", ["None", "'x'", "3", "[5]", "{}"])
    def test_odd_wishes_for_lazy_inputs_ask_for_nothing(self, tmp_path: Path, answer: str) -> None:
        node = one(tmp_path, f"def check_lazy_status(self, **kw): return {answer}")
        assert node.lazy is not None
        assert node.create is not None
        assert node.lazy(node.create(), {"x": 1}) == []


class TestExpansion:
    def test_ids_carry_node_call_and_builder(self, test_pack: ComfyPack, tmp_path: Path) -> None:
        result = Caller(node_of(test_pack, "G2Loop"), tmp_path, node_id="1")(count=2, acc=3)
        assert result.outputs == (["1.0.0.2", 0],)
        assert result.expand == {
            "1.0.0.1": {"class_type": "G2Add", "inputs": {"a": 3, "b": 2}},
            "1.0.0.2": {"class_type": "G2Loop", "inputs": {"count": 1, "acc": ["1.0.0.1", 0]}},
        }

    def test_the_items_of_a_list_get_ids_of_their_own(self, test_pack: ComfyPack, tmp_path: Path) -> None:
        call = Caller(node_of(test_pack, "G2Loop"), tmp_path, node_id="7")
        assert [next(iter(call(count=1, acc=0).expand or {})) for _ in range(3)] == ["7.0.0.1", "7.1.0.1", "7.2.0.1"]

    def test_the_next_prompt_counts_from_the_start(self, test_pack: ComfyPack, tmp_path: Path) -> None:
        call = Caller(node_of(test_pack, "G2Loop"), tmp_path, node_id="7")
        first = call(count=1, acc=0).expand
        call.context.prompt_id = "next"
        assert call(count=1, acc=0).expand == first

    def test_a_node_of_an_expansion_may_show_elsewhere(self, test_pack: ComfyPack, tmp_path: Path) -> None:
        expand = Caller(node_of(test_pack, "G2ExpandOut"), tmp_path)(x=4, uid="1").expand
        assert expand is not None
        assert expand["1.0.0.shown"]["override_display_id"] == "1"


def test_a_dict_that_claims_to_hold_every_name_lets_a_prompt_add_inputs(tmp_path: Path) -> None:
    node = one(
        tmp_path,
        """
class Any(dict):
    def __contains__(self, key): return True
    def __getitem__(self, key): return ("*",)
@classmethod
def INPUT_TYPES(cls):
    return {"required": {}, "optional": cls.Any()}
def go(self, **values):
    return (sorted(values.items()),)
""",
    )
    show = make_node("Show", lambda v: NodeResult(ui={"text": [str(v)]}), {"v": "*"}, (), output_node=True)
    catalogue = Catalogue()
    for item in (node, show):
        catalogue.add(replace(item, pack="p"))
    prompt = {
        "1": {"class_type": "A", "inputs": {"lora_1": {"on": True}, "free": 3}},
        "2": {"class_type": "Show", "inputs": {"v": ["1", 0]}},
    }
    checked = validate(prompt, catalogue.current())
    assert checked.error is None, checked.error
    outcome = Executor(LastPromptCache()).run(PlainJob(), checked, Recorder(), Cancellation())
    assert outcome.ui["2"].output["text"] == ["[('free', 3), ('lora_1', {'on': True})]"]


@pytest.mark.parametrize(
    "choices", ["{'a': 1, 'b': 2}.keys()", "(c for c in 'ab')", "('a', 'b')", "dict.fromkeys('ab')"]
)
def test_choices_may_be_anything_that_can_be_listed(tmp_path: Path, choices: str) -> None:
    more = f"@classmethod\ndef INPUT_TYPES(cls):\n    return {{'required': {{'x': ({choices},)}}}}"
    assert one(tmp_path, more).inputs[0].choices == ("a", "b")
