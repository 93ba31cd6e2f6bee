"""Which node owns which name, and how often its schema is made."""

from __future__ import annotations

from dataclasses import replace

import pytest

from host.engine.catalogue import Catalogue
from host.engine.errors import DuplicateNode
from sdk.nodes import Input, NodeType
from tests.support.engine import ADD, NUMBER, make_node


def test_a_node_answers_to_its_id_its_aliases_and_its_true_id() -> None:
    catalogue = Catalogue()
    node = replace(NUMBER, aliases=("OldNumber",))
    catalogue.add(node)
    assert [catalogue.find(name) for name in ("Number", "OldNumber", "test/Number")] == [node] * 3
    assert catalogue.find("Other") is None
    assert catalogue.find(["Number"]) is None


def test_a_taken_name_is_refused_with_both_packs_and_versions_and_changes_nothing() -> None:
    catalogue = Catalogue()
    catalogue.add(NUMBER)
    other = replace(ADD, pack="rival", pack_version="2.0", aliases=("Number",))
    with pytest.raises(DuplicateNode, match=r"'Number' is offered by both test 1 and rival 2\.0"):
        catalogue.add(other)
    assert catalogue.find("Add") is None
    assert list(catalogue) == [NUMBER]


def test_removing_a_pack_frees_its_names() -> None:
    catalogue = Catalogue()
    catalogue.add(NUMBER)
    catalogue.add(replace(ADD, pack="other"))
    catalogue.remove_pack("test")
    assert catalogue.find("Number") is None
    assert [node.id for node in catalogue] == ["Add"]
    catalogue.add(NUMBER)


def test_a_schema_is_refreshed_once_per_prompt_and_keeps_its_owner() -> None:
    made: list[NodeType] = []

    def refresh() -> NodeType:
        made.append(make_node("Listed", lambda: 1, [Input(name="x", type="COMBO", choices=(len(made),))], pack=""))
        return made[-1]

    catalogue = Catalogue()
    catalogue.add(make_node("Listed", lambda: 1, refresh=refresh))
    for prompt in (0, 1):
        schemas = catalogue.current()
        found = {id(schemas.find("Listed")) for _ in range(3)}
        assert len(found) == 1
        assert len(made) == prompt + 1
        node = schemas.get("Listed")
        assert node is not None
        assert node.inputs[0].choices == (prompt,)
        assert node.true_id == "test/Listed"


def test_choices_come_from_their_source_and_the_source_is_remembered() -> None:
    catalogue = Catalogue(lambda source: [f"{source}-a", "b"])
    catalogue.add(make_node("Pick", lambda x: x, [Input(name="x", type="COMBO", choices="folder:loras")]))
    schema = catalogue.current().find("Pick")
    assert schema is not None
    assert schema.node.inputs[0].choices == ("folder:loras-a", "b")
    assert schema.sources == {"x": "folder:loras"}


def test_an_unknown_source_of_choices_is_an_error_that_names_it() -> None:
    catalogue = Catalogue()
    catalogue.add(make_node("Pick", lambda x: x, [Input(name="x", type="COMBO", choices="moods")]))
    with pytest.raises(LookupError, match="moods"):
        catalogue.current().find("Pick")


def test_iterating_over_schemas_gives_every_node_prepared() -> None:
    catalogue = Catalogue()
    catalogue.add(NUMBER)
    catalogue.add(ADD)
    assert [schema.node.id for schema in catalogue.current()] == ["Number", "Add"]
    assert len(catalogue) == 2
