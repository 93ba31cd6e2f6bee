"""Progress bars report to the node that runs."""

from __future__ import annotations

import asyncio
import io
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from host.comfyui.running import NodeState
from host.comfyui.surface.progress import ProgressBar
from sdk.errors import Cancelled
from sdk.previews import SentPicture
from tests.support.node_context import LoneContext, context_in


def test_steps_add_up_and_stop_at_the_total(tmp_path: Path) -> None:
    context = context_in(tmp_path)
    with NodeState().start_call(context).entered():
        bar = ProgressBar(3)
        bar.update(1)
        bar.update(5)
        bar.update_absolute(2, total=4, preview=("JPEG", object(), 512))
    assert context.said == [(1, 3), (3, 3), (2, 4)]


@dataclass
class Shown(LoneContext):
    """A context that keeps the previews."""

    previews: list[Any] = field(default_factory=list)

    def progress(self, value: float, total: float, *, preview: Any = None) -> None:
        self.previews.append(preview)


def shown(tmp_path: Path, preview: Any) -> Any:
    context = Shown(context_in(tmp_path).folders)
    with NodeState().start_call(context).entered():
        ProgressBar(2).update_absolute(1, 2, preview)
    return context.previews[0]


def test_a_jpeg_with_a_longest_side_is_a_preview_of_that_size(tmp_path: Path) -> None:
    picture = shown(tmp_path, ("JPEG", Image.new("RGB", (64, 32)), 16))
    assert isinstance(picture, Image.Image)
    assert picture.size == (16, 8)


@pytest.mark.parametrize(
    ("preview", "media_type", "size"),
    [
        (("PNG", Image.new("RGBA", (600, 700), "red"), None), "image/png", (600, 700)),
        (("PNG", Image.new("RGB", (64, 32)), 16), "image/png", (16, 8)),
        (("JPEG", Image.new("RGBA", (64, 32)), None), "image/jpeg", (64, 32)),
        (("WEBP", Image.new("RGB", (64, 32)), None), "image/jpeg", (64, 32)),
    ],
)
def test_finished_pictures_are_sent_whole(tmp_path: Path, preview: Any, media_type: str, size: tuple[int, int]) -> None:
    sent = shown(tmp_path, preview)
    assert isinstance(sent, SentPicture)
    assert sent.media_type == media_type
    picture = Image.open(io.BytesIO(sent.content))
    assert (f"image/{str(picture.format).lower()}", picture.size) == (media_type, size)


@pytest.mark.parametrize("preview", [(), ("PNG",), ("PNG", "no picture", None), None])
def test_what_is_no_picture_shows_nothing(tmp_path: Path, preview: Any) -> None:
    assert shown(tmp_path, preview) is None


def test_a_bar_outside_of_nodes_shows_nothing() -> None:
    bar = ProgressBar(2)
    bar.update(1)
    assert bar.current == 1


def test_a_bar_used_on_another_thread_reports_to_its_node(tmp_path: Path) -> None:
    context = context_in(tmp_path)
    with NodeState().start_call(context).entered():
        bar = ProgressBar(1)
    thread = threading.Thread(target=bar.update, args=(1,))
    thread.start()
    thread.join()
    assert context.said == [(1, 1)]


def test_nodes_that_overlap_do_not_mix_their_bars(tmp_path: Path) -> None:
    first, second = context_in(tmp_path), context_in(tmp_path)

    async def work(context: object, total: int) -> None:
        with NodeState().start_call(context).entered():  # type: ignore[arg-type]
            await asyncio.sleep(0)
            ProgressBar(total).update(1)

    async def both() -> None:
        await asyncio.gather(work(first, 10), work(second, 20))

    asyncio.run(both())
    assert (first.said, second.said) == ([(1, 10)], [(1, 20)])


def test_updating_stops_a_cancelled_node(tmp_path: Path) -> None:
    context = context_in(tmp_path)
    context.cancel.cancelled = True
    with NodeState().start_call(context).entered(), pytest.raises(Cancelled):
        ProgressBar(1).update(1)
