"""Inputs saved by older versions of a node."""

from __future__ import annotations

from typing import Any

from host.engine.catalogue import Catalogue
from host.engine.ui_format.conversion import to_api
from host.engine.validation.prompt import validate
from sdk.nodes import Input, NodeType
from tests.support.drawn_workflows import drawn, workflow
from tests.support.engine import make_node


def percent_to_share(inputs: dict[str, Any], from_version: str) -> dict[str, Any]:
    """Up to version 1 the node took ``percent``; it takes ``share`` now."""
    if from_version in ("", "1"):
        inputs["share"] = inputs.pop("percent") / 100
    return inputs


def node(**options: Any) -> NodeType:
    declared = (Input(name="share", type="FLOAT"),)
    given = {"aliases": ("OldFade",), "migrate": percent_to_share, "pack_version": "2", "output_node": True, **options}
    return make_node("Fade", lambda share: share, declared, **given)


def checked(entry: dict[str, Any], **options: Any) -> Any:
    catalogue = Catalogue()
    catalogue.add(node(**options))
    return validate({"1": entry}, catalogue.current())


def test_inputs_of_an_older_version_are_turned_into_todays() -> None:
    found = checked({"class_type": "Fade", "inputs": {"percent": 50}, "_meta": {"version": "1"}})
    assert found.error is None
    assert found.nodes["1"].constants == {"share": 0.5}


def test_a_former_id_without_a_version_means_saved_before_the_renaming() -> None:
    assert checked({"class_type": "OldFade", "inputs": {"percent": 50}}).nodes["1"].constants == {"share": 0.5}


def test_inputs_of_today_are_left_as_they_are() -> None:
    for entry in ({"class_type": "Fade"}, {"class_type": "OldFade", "_meta": {"version": "2"}}):
        assert checked({**entry, "inputs": {"share": 0.25}}).nodes["1"].constants == {"share": 0.25}


def test_a_migration_that_fails_is_a_fault_of_its_node() -> None:
    found = checked({"class_type": "OldFade", "inputs": {"percent": "half"}})
    assert found.error is not None
    assert found.node_errors["1"]["errors"][0]["type"] == "exception_during_validation"


def test_a_drawn_workflow_tells_which_version_saved_it() -> None:
    drawing = workflow([drawn(1, "Fade", values=[0.5], properties={"ver": "1"})], [])
    for known, expected in ((node(), {"title": "Fade", "version": "1"}), (node(migrate=None), {"title": "Fade"})):
        catalogue = Catalogue()
        catalogue.add(known)
        assert to_api(drawing, catalogue.current())["1"]["_meta"] == expected
