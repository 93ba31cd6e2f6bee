from __future__ import annotations

from dataclasses import replace

import pytest

from host.engine.catalogue import Catalogue
from host.engine.current_entry import current_entry
from sdk.nodes import NodeType
from tests.support.engine import make_node


def test_a_node_whose_pack_raises_is_left_out_and_named_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    def refresh() -> NodeType:
        raise RuntimeError("no folder")

    sound = make_node("Sound", lambda: 1)
    catalogue = Catalogue()
    assert current_entry(catalogue, replace(sound, refresh=refresh)) is None
    assert "Sound" in caplog.text
    assert "no folder" in caplog.text
    entry = current_entry(catalogue, sound)
    assert entry is not None
    assert entry["name"] == "Sound"
