"""Bare lists of widget values find their inputs."""

from __future__ import annotations

from typing import Any

import pytest

from host.engine.ui_format.conversion import to_api
from tests.support.drawn_workflows import NODE_TYPES, drawn, node_type, workflow


def values_of(kind: Any, values: Any, **more: Any) -> dict[str, Any]:
    """The inputs of a lone node with these saved values."""
    types = NODE_TYPES if isinstance(kind, str) else {kind.id: kind}
    name = kind if isinstance(kind, str) else kind.id
    return to_api(workflow([drawn(1, name, values=values, **more)], []), types)["1"]["inputs"]


def test_a_control_after_a_seed_is_not_a_value() -> None:
    values = values_of("KSampler", [2**64 - 1, "fixed", 4, 1.5, "euler", "karras", 0.5])
    assert values == {
        "seed": 18446744073709551615,
        "steps": 4,
        "cfg": 1.5,
        "sampler_name": "euler",
        "scheduler": "karras",
        "denoise": 0.5,
    }


def test_old_files_without_the_control_keep_their_alignment() -> None:
    assert values_of("KSampler", [7, 4, 1.5, "euler", "karras", 0.5])["steps"] == 4


def test_the_oldest_files_have_a_switch_as_control() -> None:
    assert values_of("KSampler", [7, True, 4, 1.5, "euler", "karras", 0.5])["steps"] == 4
    kind = node_type("N", {"seed": "INT", "on": "BOOLEAN"})
    assert values_of(kind, [7, True]) == {"seed": 7, "on": True}


def test_an_unexpected_control_is_skipped_before_a_number() -> None:
    kind = node_type("N", {"offset": "INT", "width": "INT", "name": "STRING"})
    assert values_of(kind, [5, "increment", 6, "n"]) == {"offset": 5, "width": 6, "name": "n"}


def test_a_text_after_a_number_may_be_a_control_word() -> None:
    kind = node_type("N", {"count": "INT", "mode": "STRING"})
    assert values_of(kind, [5, "fixed"]) == {"count": 5, "mode": "fixed"}


def test_a_seed_is_controlled_by_its_name_alone() -> None:
    kind = node_type("N", {"noise_seed": "INT", "text": "STRING"})
    assert values_of(kind, [5, "randomize", "randomize"]) == {"noise_seed": 5, "text": "randomize"}


def test_a_controlled_list_has_a_filter_too() -> None:
    kind = node_type("N", {"lora": [("a", "b"), {"control_after_generate": True}], "n": "INT"})
    assert values_of(kind, ["b", "fixed", "", 4]) == {"lora": "b", "n": 4}
    assert values_of(kind, ["b", "fixed", 4]) == {"lora": "b", "n": 4}


def test_inputs_that_take_links_only_have_no_value() -> None:
    kind = node_type("N", {"a": ["STRING", {"forceInput": True}], "b": "STRING"})
    assert values_of(kind, ["x"]) == {"b": "x"}


def test_required_inputs_come_before_optional_ones() -> None:
    kind = node_type("N", {"late": "INT", "early": "STRING"}, optional=("late",))
    assert values_of(kind, ["x", 3]) == {"early": "x", "late": 3}


def test_an_upload_button_stands_behind_the_required_widgets() -> None:
    assert values_of("LoadImage", ["b.png", "image"]) == {"image": "b.png"}
    kind = node_type("N", {"image": [("a.png",), {"image_upload": True}], "c": ("r",), "n": "INT"}, optional=("n",))
    assert values_of(kind, ["a.png", "r", "image", 4]) == {"image": "a.png", "c": "r", "n": 4}
    assert values_of(kind, ["a.png", "r", 4]) == {"image": "a.png", "c": "r", "n": 4}


def test_the_buttons_of_a_3d_view_are_no_values() -> None:
    kind = node_type("N", {"file": [(), {"file_upload": True}], "image": "LOAD_3D", "width": "INT"})
    saved = ["toy.glb", "upload3dmodel", "uploadExtraResources", "clear", "", 1024, 7]
    assert values_of(kind, saved) == {"file": "toy.glb", "image": "", "width": 1024}


def test_values_saved_by_name_are_taken_by_name() -> None:
    saved = {"filename_prefix": "x", "videopreview": {"hidden": False}}
    assert values_of("SaveImage", saved) == {"filename_prefix": "x"}


def test_widgets_newer_than_the_file_get_their_declared_default_and_no_other() -> None:
    assert values_of("EmptyLatentImage", [64]) == {"width": 64, "batch_size": 1}
    assert values_of("EmptyLatentImage", None) == {"batch_size": 1}


def test_a_list_newer_than_the_file_starts_with_its_first_choice_and_says_so(caplog: pytest.LogCaptureFixture) -> None:
    kind = node_type("N", {"n": "INT", "style": ("regular", "nested")})
    assert values_of(kind, [5]) == {"n": 5, "style": "regular"}
    assert "'style'" in caplog.text
    assert values_of(kind, []) == {}


def test_a_list_as_value_is_wrapped_so_that_it_is_no_link() -> None:
    assert values_of("SaveImage", [["3", 0]]) == {"filename_prefix": {"__value__": ["3", 0]}}


def test_a_type_of_a_packs_own_has_a_value_where_the_file_shows_a_widget() -> None:
    assert values_of("Points", [[[1, 2]], 0.5], widgets={"points": None}) == {
        "points": {"__value__": [[1, 2]]},
        "scale": 0.5,
    }
    assert values_of("Points", [0.5], links={"points": None}) == {"scale": 0.5}


def test_a_declared_widget_type_gives_a_widget() -> None:
    kind = node_type("N", {"v": ["INT,FLOAT", {"widgetType": "FLOAT"}]})
    assert values_of(kind, [0.25]) == {"v": 0.25}
