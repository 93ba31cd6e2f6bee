"""The route, the folders and the node, without a server."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from types import SimpleNamespace

import pytest
from web_hello.greetings import GREETINGS, greeting
from web_hello.hooks import answer, web_hello

from sdk import NodeError, WebContent
from sdk.testing import load_pack, run_node

PACK = Path(__file__).parents[1]
WEB = PACK / "web_hello"


def ask(**query: str) -> object:
    return asyncio.run(answer(SimpleNamespace(query_params=query)))


def test_the_route_greets_in_the_language_asked_for() -> None:
    assert ask(name="Ada", language="de") == {"greeting": "Hallo, Ada!"}
    assert ask() == {"greeting": "Hello, world!"}


def test_a_language_nobody_speaks_is_named_with_those_there_are() -> None:
    with pytest.raises(NodeError, match="no greeting in 'xx'; there are: en, de, fr, ja"):
        ask(language="xx")


@pytest.mark.parametrize("name", ["{0}", "{name.__class__}", "<b>", "x" * 500])
def test_names_are_text_and_nothing_else(name: str) -> None:
    assert greeting(name, "en") == f"Hello, {name[:100]}!"


@pytest.mark.parametrize("language", GREETINGS)
def test_the_node_shows_what_it_gives(language: str) -> None:
    result = run_node(web_hello, name="Ada", language=language)
    assert "Ada" in result.outputs[0]
    assert result.ui == {"text": [result.outputs[0]]}


def test_the_hooks_offer_a_route_for_readers_and_folders_that_exist() -> None:
    with load_pack(PACK) as pack:
        (routes,), (folders,) = pack.call("register_routes"), pack.call("register_web_directories")
        (route,) = routes
        assert (route.path, route.methods, route.scope) == ("/web-hello/greeting", ("GET",), None)
        assert [folder.content for folder in folders] == [WebContent.SCRIPTS, WebContent.LOCALES]
        assert all(folder.folder.is_dir() for folder in folders)


def test_the_script_asks_the_route_that_there_is() -> None:
    script = (WEB / "web" / "hello.js").read_text(encoding="utf-8")
    assert 'const ROUTE = "/web-hello/greeting";' in script
    assert 'nodeData.name !== "WebHello"' in script


def test_every_language_has_the_same_texts() -> None:
    found = {
        folder.name: {file.name: set(json.loads(file.read_text(encoding="utf-8"))) for file in folder.glob("*.json")}
        for folder in (WEB / "locales").iterdir()
    }
    assert found["en"] == found["de"]
