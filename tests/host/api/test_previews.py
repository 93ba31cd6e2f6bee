"""Previews as clients get them: while a real model samples, and from a sender of its own."""

from __future__ import annotations

import io
import json
import struct
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from websockets.sync.client import connect

from host.api.frames import Frame
from host.api.preview_sender import PreviewSender, Wanted
from host.api.sockets import Sockets
from host.engine.events import NodeRef
from tests.support.command_line import CHECKPOINT, text_to_image
from tests.support.live_server import SECONDS, LiveServer, make_host, serving
from tests.support.tiny_checkpoint import write_tiny_checkpoint

NODE = NodeRef("3", "3", None, "3")
RED = Image.new("RGB", (8, 8), "red")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    base = tmp_path_factory.mktemp("base")
    write_tiny_checkpoint(base / "models" / "checkpoints" / CHECKPOINT)
    write_tiny_decoder(base / "models" / "vae_approx" / "taesd_decoder.safetensors")
    with serving(make_host(base)) as running:
        yield running


def write_tiny_decoder(path: Path) -> None:
    """The decoder of a tiny autoencoder for four channels, with random weights."""
    from diffusers.models.autoencoders.vae import DecoderTiny
    from safetensors.torch import save_file

    path.parent.mkdir(parents=True)
    weights = DecoderTiny(4, 3, (3, 3, 3, 1), (64,) * 4, 2, "relu", "nearest").state_dict()
    # The original counts the clamp that comes before the first layer.
    named = {
        f"{int(number) + 1}.{rest}": value
        for name, value in weights.items()
        for number, rest in [name.removeprefix("layers.").split(".", 1)]
    }
    save_file(named, path)


def size_of(frame: bytes) -> tuple[int, int]:
    with Image.open(io.BytesIO(frame[8:])) as picture:
        return picture.size


def frames_of_a_run(
    server: LiveServer, flags: dict[str, Any] | None, seed: int, method: str | None, *, steps: int = 10_000
) -> list[bytes]:
    """The binary messages of a run that is interrupted when three have come, however fast it is."""
    found: list[bytes] = []
    with connect(f"ws://127.0.0.1:{server.port}/ws?clientId=previews", open_timeout=SECONDS) as socket:
        socket.recv(timeout=SECONDS)
        if flags is not None:
            socket.send(json.dumps({"type": "feature_flags", "data": flags}))
            assert json.loads(socket.recv(timeout=SECONDS))["type"] == "feature_flags"
        said = {"prompt": text_to_image(steps=steps, seed=seed), "client_id": "previews"}
        server.post("/prompt", {**said, "extra_data": {"preview_method": method}})
        while True:
            message = socket.recv(timeout=SECONDS)
            if isinstance(message, bytes):
                found.append(message)
                if len(found) == 3:
                    server.post("/interrupt")
            elif '"executing"' in message and json.loads(message)["data"]["node"] is None:
                return found


def test_a_client_is_shown_the_steps_of_a_run(server: LiveServer) -> None:
    shown = frames_of_a_run(server, None, 1, "latent2rgb")
    assert shown
    assert {struct.unpack(">II", frame[:8]) for frame in shown} == {(1, 1)}
    assert {size_of(frame) for frame in shown} == {(8, 8)}


@pytest.mark.parametrize(("method", "seed"), [("taesd", 5), ("auto", 6)])
def test_a_tiny_decoder_shows_the_steps_in_full_size(server: LiveServer, method: str, seed: int) -> None:
    shown = frames_of_a_run(server, None, seed, method)
    assert {size_of(frame) for frame in shown} == {(64, 64)}


def test_a_client_that_can_have_it_is_told_the_node_of_each_preview(server: LiveServer) -> None:
    shown = frames_of_a_run(server, {"supports_preview_metadata": True}, 2, "auto")
    assert shown
    for frame in shown:
        kind, length = struct.unpack(">II", frame[:8])
        facts = json.loads(frame[8 : 8 + length])
        assert (kind, facts["node_id"], facts["image_type"]) == (4, "3", "image/jpeg")


def test_nothing_is_shown_unless_it_is_wanted(server: LiveServer) -> None:
    assert frames_of_a_run(server, None, 3, None, steps=60) == []
    assert frames_of_a_run(server, None, 4, "none", steps=60) == []


class Kept(Sockets):
    """Sockets that keep what they are to send."""

    def __init__(self) -> None:
        super().__init__()
        self.frames: list[Frame] = []
        self.sent = threading.Semaphore(0)

    def send(self, item: object) -> None:
        assert isinstance(item, Frame)
        self.frames.append(item)
        self.sent.release()


def wanted(make: Any) -> Wanted:
    return Wanted("me", "job", NODE, make)


def test_of_steps_that_come_too_fast_the_newest_is_shown() -> None:
    sockets, started, go_on = Kept(), threading.Event(), threading.Event()

    def slow() -> Image.Image:
        started.set()
        assert go_on.wait(SECONDS)
        return RED

    made: list[int] = []
    sender = PreviewSender(sockets, 0.0)
    sender.show(wanted(slow))
    assert started.wait(SECONDS)
    for number in range(5):
        sender.show(wanted(lambda number=number: made.append(number) or RED))
    go_on.set()
    assert sockets.sent.acquire(timeout=SECONDS)
    assert sockets.sent.acquire(timeout=SECONDS)
    sender.close()
    assert made == [4]


def test_a_picture_of_a_node_that_has_ended_is_not_sent() -> None:
    sockets, started, go_on, later = Kept(), threading.Event(), threading.Event(), threading.Event()

    def slow() -> Image.Image:
        started.set()
        assert go_on.wait(SECONDS)
        return RED

    sender = PreviewSender(sockets, 0.0)
    sender.show(wanted(slow))
    assert started.wait(SECONDS)
    sender.withdraw()
    go_on.set()
    sender.show(wanted(lambda: later.set() or RED))
    assert sockets.sent.acquire(timeout=SECONDS)
    assert later.is_set()
    sender.close()
    assert len(sockets.frames) == 1


def test_pictures_keep_their_distance() -> None:
    import time

    sockets = Kept()
    sender = PreviewSender(sockets, 0.05)
    began = time.monotonic()
    for _ in range(3):
        sender.show(wanted(lambda: RED))
        assert sockets.sent.acquire(timeout=SECONDS)
    sender.close()
    assert time.monotonic() - began >= 0.1


def test_what_makes_no_picture_sends_nothing() -> None:
    sockets = Kept()
    sender = PreviewSender(sockets, 0.0)
    tried = threading.Event()
    sender.show(wanted(lambda: tried.set()))
    assert tried.wait(SECONDS)
    sender.show(wanted(lambda: RED))
    assert sockets.sent.acquire(timeout=SECONDS)
    sender.close()
    assert len(sockets.frames) == 1


def test_a_latent_becomes_a_picture_of_its_own_size() -> None:
    import torch

    from host.builtin_nodes.families.rgb_factors import SD1, SDXL
    from host.builtin_nodes.latents.previews import weighted_sum

    picture = weighted_sum(SD1, torch.zeros(2, 4, 6, 5))
    assert (picture.size, picture.getpixel((0, 0))) == ((5, 6), (128, 128, 128))
    frames = torch.zeros(1, 4, 3, 6, 5)
    frames[:, 0] = 100.0
    assert weighted_sum(SDXL, frames).getpixel((4, 5)) == (255, 255, 255)


def test_every_kind_of_latent_space_has_a_row_for_each_channel(tmp_path: Path) -> None:
    from host.builtin_nodes.families import rgb_factors

    rows = {name: len(value.rows) for name, value in vars(rgb_factors).items() if hasattr(value, "rows")}
    assert rows == {"SD1": 4, "SDXL": 4, "PLAYGROUND_25": 4, "SD3": 16, "FLUX": 16}
