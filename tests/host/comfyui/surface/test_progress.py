"""Progress bars report to the node that runs."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path

import pytest

from host.comfyui.running import NodeState
from host.comfyui.surface.progress import ProgressBar
from sdk.errors import Cancelled
from tests.support.node_context import context_in


def test_steps_add_up_and_stop_at_the_total(tmp_path: Path) -> None:
    context = context_in(tmp_path)
    with NodeState().start_call(context).entered():
        bar = ProgressBar(3)
        bar.update(1)
        bar.update(5)
        bar.update_absolute(2, total=4, preview=("JPEG", object(), 512))
    assert context.said == [(1, 3), (3, 3), (2, 4)]


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
