"""A file server, a small video, and what the nodes are tried with."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from file_server import FileServer

from sdk import NodeType
from sdk.testing import FakeContext

SERVER = pytest.StashKey[FileServer]()
CONTENT = b"some bytes" * 1000


def write_video(path: Path, count: int = 10, size: int = 32) -> Path:
    """Frame n is a grey of n * 20."""
    import av
    import numpy

    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=10)
        stream.width = stream.height = size
        stream.pix_fmt = "bgr0"
        for number in range(count):
            pixels = numpy.full((size, size, 3), number * 20, dtype=numpy.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        container.mux(stream.encode())
    return path


def write_picture(path: Path, value: int = 255) -> Path:
    from PIL import Image

    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (6, 4), (value, 0, 0)).save(path)
    return path


def pytest_configure(config: pytest.Config) -> None:
    server = config.stash[SERVER] = FileServer()
    server.files["/a.bin"] = (200, {}, CONTENT)
    os.environ["DATA_PIPELINE_HOSTS"] = "127.0.0.1"


def pytest_unconfigure(config: pytest.Config) -> None:
    config.stash[SERVER].close()


@pytest.hookimpl(optionalhook=True)
def pytest_sample_inputs(node: NodeType, context: FakeContext, config: pytest.Config) -> dict[str, Any] | None:
    given: dict[str, Any] | None = None
    folder = context.root / "input"
    folder.mkdir()
    if node.id == "PipelineDownload":
        given = {"url": f"http://{config.stash[SERVER].host}/a.bin"}
    if node.id == "PipelineVideoFrames":
        write_video(folder / "v.mkv")
        given = {"video": "v.mkv"}
    if node.id == "PipelineLoadFolder":
        write_picture(folder / "b.png")
        given = {}
    return given


@pytest.fixture
def server(pytestconfig: pytest.Config) -> Iterator[FileServer]:
    found = pytestconfig.stash[SERVER]
    before = dict(found.files)
    found.seen = []
    yield found
    found.files = before


@pytest.fixture
def context(tmp_path: Path) -> FakeContext:
    (tmp_path / "input").mkdir()
    return FakeContext(root=tmp_path)
