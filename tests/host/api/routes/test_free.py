"""``POST /free`` and ``/models/loaded``, with a model that is really loaded."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from host.app import Host
from tests.support.live_server import LiveServer, make_host, serving


@pytest.fixture(scope="module")
def free_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    from tests.support.tiny_checkpoint import write_tiny_checkpoint

    host = make_host(tmp_path_factory.mktemp("free"))
    write_tiny_checkpoint(host.settings.base_dir / "models" / "checkpoints" / "tiny.safetensors")
    with serving(host) as running:
        yield running


def load_vae(host: Host) -> None:
    models = host.services.models
    path: Path = host.services.folders.find("checkpoints", "tiny.safetensors")
    with models.borrow(models.open(path)["vae"]):
        pass


@pytest.mark.parametrize(
    ("said", "unloads"),
    [
        ({"unload_models": True, "free_memory": True}, True),
        ({"unload_models": True}, True),
        ({"free_memory": True}, True),
        ({"unload_models": False, "free_memory": False}, False),
        ({}, False),
        (None, False),
    ],
)
def test_models_leave_when_they_or_all_memory_is_to_be_freed(
    free_server: LiveServer, said: dict[str, bool] | None, unloads: bool
) -> None:
    load_vae(free_server.host)
    (before,) = free_server.get("/models/loaded").json
    assert (before["part"], before["borrowed"]) == ("vae", False)
    assert before["bytes"] > 0
    answer = free_server.post("/free", said)
    assert (answer.status, answer.body) == (200, b"")
    assert free_server.get("/models/loaded").json == ([] if unloads else [before])
