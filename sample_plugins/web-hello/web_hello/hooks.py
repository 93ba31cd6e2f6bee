"""What the pack brings: a route, folders for the editor, and a node."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Literal

from sdk import NodeError, NodeResult, NodeType, Route, WebContent, WebDirectory, WebRequest, hookimpl, node
from web_hello.greetings import UnknownLanguage, greeting

HERE = Path(__file__).resolve().parent


async def answer(request: WebRequest) -> object:
    """A greeting: ``?name=Ada&language=en``. An unknown language is answered with 400."""
    name, language = request.query_params.get("name", ""), request.query_params.get("language", "en")
    try:
        return {"greeting": greeting(name, language)}
    except UnknownLanguage as error:
        raise NodeError(f"{error}.") from error


@node(id="WebHello", title="Hello", category="web hello", names=["text"], returns=str, output_node=True)
def web_hello(name: str = "world", language: Literal["en", "de", "fr", "ja"] = "en") -> NodeResult:
    """Greet somebody, and show it at the node.

    Args:
        name: Who is greeted.
        language: In which language.
    """
    said = greeting(name, language)
    return NodeResult(outputs=(said,), ui={"text": [said]})


@hookimpl
def register_nodes() -> Iterable[NodeType]:
    return [web_hello]


@hookimpl
def register_routes() -> Sequence[Route]:
    return [Route(path="/web-hello/greeting", handler=answer)]


@hookimpl
def register_web_directories() -> Sequence[WebDirectory]:
    return [
        WebDirectory(folder=HERE / "web"),
        WebDirectory(folder=HERE / "locales", content=WebContent.LOCALES),
    ]
