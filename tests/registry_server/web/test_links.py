"""Addresses."""

from __future__ import annotations

from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry_server.web.links import node_path, pack_path, search_path, web_address


@pytest.mark.parametrize("text", ["https://example.com/a?b", " http://example.com "])
def test_addresses_of_the_web_may_be_linked(text: str) -> None:
    assert web_address(text) == text.strip()


@pytest.mark.parametrize(
    "text",
    ["", "javascript:alert(1)", "data:text/html,x", "//evil.example", "/pack", "http://[", "https://", "ftp://a.b"],
)
def test_nothing_else_may(text: str) -> None:
    assert web_address(text) == ""


@given(st.text(min_size=1, max_size=30).filter(lambda text: text.strip(".")))
def test_a_node_id_is_one_part_of_its_path(node_id: str) -> None:
    try:
        node_id.encode()
    except UnicodeEncodeError:
        return
    path = node_path(node_id)
    assert path.count("/") == 2
    assert unquote(path.removeprefix("/node/")) == node_id


def test_ids_of_dots_alone_are_asked_for_by_query() -> None:
    assert (node_path("."), node_path("..")) == ("/node?id=.", "/node?id=..")


def test_paths_leave_out_what_is_empty() -> None:
    assert search_path() == "/search"
    assert search_path(2, q="a b", tag="") == "/search?q=a+b&page=2"
    assert pack_path("a", "1.0+x") == "/pack/a/versions/1.0%2Bx"
