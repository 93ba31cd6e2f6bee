"""A pytest plugin: adds trials of every node to a pack's own tests. ``comfy-nodes test`` loads it.

A pack chooses the inputs of its nodes' trials in ``tests/conftest.py``, or says why one can't be tried::

    @pytest.hookimpl(optionalhook=True)  # so that plain `pytest` runs the tests, too
    def pytest_sample_inputs(node, context):
        if node.id == "LoadPalette":
            (context.root / "input").mkdir()
            (context.root / "input" / "p.json").write_text('["#ff0000"]')
            return {"name": "p.json"}

``context`` is the ``FakeContext`` that the node will get, with folders of its own; a text as the answer skips the node.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from sdk.nodes import NodeType
from sdk.testing.contexts import FakeContext
from sdk.testing.loading import LoadedPack, find_loader, load_pack
from sdk.testing.trials import TRIALS, NotTried, Subject


class SampleInputs:
    """The hook that packs implement."""

    @pytest.hookspec(firstresult=True)
    def pytest_sample_inputs(self, node: NodeType, context: FakeContext, config: pytest.Config) -> Any:
        """Inputs to try a node with, by name; a text to leave it out; None for values made from its declaration."""


def pytest_addhooks(pluginmanager: pytest.PytestPluginManager) -> None:
    pluginmanager.add_hookspecs(SampleInputs)


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("comfy-nodes")
    group.addoption("--trials", metavar="DIR", help="Try out every node of the pack in this folder.")
    group.addoption("--trials-report", metavar="FILE", help="Write the outcome of every test as JSON.")


def pytest_configure(config: pytest.Config) -> None:
    if path := config.getoption("--trials-report"):
        config.pluginmanager.register(_Report(Path(path)), "comfy-nodes-report")


@pytest.hookimpl(tryfirst=True)
def pytest_collect_directory(path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    """A pack for ComfyUI has an ``__init__.py`` at its top, which its tests do not import, and only a host can."""
    if path == parent.config.rootpath and (path / "__init__.py").is_file():
        return pytest.Dir.from_parent(parent, path=path)
    return None


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(session: pytest.Session, items: list[pytest.Item]) -> None:
    folder = session.config.getoption("--trials")
    if folder:
        items += _trials(session, Path(folder))


def _trials(session: pytest.Session, folder: Path) -> Iterator[pytest.Item]:
    from sdk.manifest import read_manifest

    if not read_manifest(folder).entry_points and find_loader(folder) is None:
        return  # there is no code of nodes, or nothing here can load it
    yield PackLoads.from_parent(session, name="trial: the pack loads", folder=folder)
    try:
        with load_pack(folder) as pack:
            names = list(pack.nodes)
    except Exception:  # noqa: BLE001 - loading a pack may raise anything; the item above says what
        return
    for node in names:
        for trial in TRIALS:
            words = trial.__name__.replace("_", " ")
            yield Trial.from_parent(session, name=f"trial: {node} {words}", folder=folder, node=node, trial=trial)


class PackLoads(pytest.Item):
    """Fails where the pack can't be loaded."""

    def __init__(self, *, folder: Path, **facts: Any) -> None:
        super().__init__(**facts)
        self.folder = folder

    def runtest(self) -> None:
        load_pack(self.folder).unload()

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        return _told(excinfo, self.folder)

    def reportinfo(self) -> tuple[Path, int | None, str]:
        return self.folder / "pyproject.toml", None, self.name


class Trial(pytest.Item):
    """One property of one node."""

    def __init__(self, *, folder: Path, node: str, trial: Callable[[Subject], None], **facts: Any) -> None:
        super().__init__(**facts)
        self.folder, self.node, self.trial = folder, node, trial

    def runtest(self) -> None:
        with load_pack(self.folder) as pack, _subject(self, pack) as subject:
            try:
                self.trial(subject)
            except NotTried as reason:
                pytest.skip(str(reason))

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        return _told(excinfo, self.folder)

    def reportinfo(self) -> tuple[Path, int | None, str]:
        return self.folder / "pyproject.toml", None, self.name


def _told(excinfo: pytest.ExceptionInfo[BaseException], folder: Path) -> str:
    """What went wrong, and where in the pack; the steps before that are the trial's own."""
    from sdk.errors import SdkError

    if isinstance(excinfo.value, SdkError):
        return str(excinfo.value)
    places = [
        f"{entry.path}:{entry.lineno + 1}: in {entry.name}\n    {str(entry.statement).strip()}"
        for entry in excinfo.traceback
        if Path(str(entry.path)).is_relative_to(folder)
    ]
    return "\n".join([*places, excinfo.exconly()])


@contextmanager
def _subject(item: Trial, pack: LoadedPack) -> Iterator[Subject]:
    """The node with what the pack's hook gives it; its folders last as long as the block."""
    node = pack.nodes[item.node]
    with tempfile.TemporaryDirectory(prefix="comfy-nodes-trial-") as place:
        made: list[FakeContext] = []

        def prepared() -> tuple[FakeContext, dict[str, Any]]:
            root = Path(place) / str(len(made))
            root.mkdir()
            made.append(FakeContext(root=root))
            given = item.config.hook.pytest_sample_inputs(node=node, context=made[-1], config=item.config)
            if isinstance(given, str):
                pytest.skip(given)
            return made[-1], dict(given or {})

        yield Subject(
            node=node,
            nodes=pack.nodes,
            given=prepared()[1],
            context=lambda: prepared()[0],
            foreign=pack.foreign,
        )


class _Report:
    """Collects outcomes; not the text of the terminal, which changes between versions of pytest."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._outcomes: dict[str, dict[str, str]] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when == "call" or report.outcome != "passed":
            message = "" if report.outcome == "passed" else _message(report)
            self._outcomes[report.nodeid] = {"test": report.nodeid, "outcome": report.outcome, "message": message}

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            self._outcomes[report.nodeid] = {
                "test": report.nodeid,
                "outcome": "failed",
                "message": str(report.longrepr),
            }

    def pytest_sessionfinish(self) -> None:
        self._path.write_text(json.dumps(list(self._outcomes.values())), encoding="utf-8")


def _message(report: pytest.TestReport) -> str:
    said = report.longrepr
    return str(said[2]).removeprefix("Skipped: ") if isinstance(said, tuple) else str(said)
