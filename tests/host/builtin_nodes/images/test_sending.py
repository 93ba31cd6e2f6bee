from __future__ import annotations

import io
import struct
from pathlib import Path

from PIL import Image
from websockets.sync.client import connect

from tests.support.command_line import node
from tests.support.live_server import SECONDS, make_host, serving


def test_every_picture_of_a_batch_reaches_its_client_whole_and_every_time(tmp_path: Path) -> None:
    prompt = {
        "1": node("EmptyImage", width=600, height=8, batch_size=5, color=0x2040FF),
        "2": node("SaveImageWebsocket", images=["1", 0]),
    }
    with serving(make_host(tmp_path)) as server:
        for _ in range(2):
            with connect(f"ws://127.0.0.1:{server.port}/ws?clientId=me", open_timeout=SECONDS) as socket:
                assert server.post("/prompt", {"prompt": prompt, "client_id": "me"}).status == 200
                sent: list[bytes] = []
                while '"node":null' not in str(message := socket.recv(timeout=SECONDS)):
                    sent += [message] if isinstance(message, bytes) else []
            assert len(sent) == 5
            for frame in sent:
                assert struct.unpack(">II", frame[:8]) == (1, 2)
                with Image.open(io.BytesIO(frame[8:])) as picture:
                    assert (picture.format, picture.size, picture.getpixel((0, 0))) == ("PNG", (600, 8), (32, 64, 255))
        assert not list((tmp_path / "output").rglob("*.png"))
