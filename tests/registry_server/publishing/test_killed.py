"""A server that is killed (SIGKILL) at each step of publishing."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from registry_server.operations.verify import verify
from registry_server.settings import Settings
from tests.support.registry import registry
from tests.support.registry_packs import pack

PUBLISH = """
import os, signal, sys
from pathlib import Path

from sqlalchemy import event

from registry_server.accounts.service import authenticate
from registry_server.app import create_parts
from registry_server.clock import now
from registry_server.packs import repository as packs
from registry_server.settings import Settings
from registry_server.storage.files import FileStorage

data, database_url, token, archive = Path(sys.argv[1]), sys.argv[2], sys.argv[3], Path(sys.argv[4])


def die(*_arguments, **_fields):
    os.kill(os.getpid(), signal.SIGKILL)


def put_and_die(storage, key, source, put=FileStorage.put):
    put(storage, key, source)
    die()


def publish(step):
    parts = create_parts(Settings(data=data, database_url=database_url))
    with parts.database.read() as session:
        who = authenticate(session, token, now())
    if step == "archive":
        FileStorage.put = put_and_die
    elif step == "transaction":
        packs.put_labels = die
    elif step == "commit":
        event.listen(parts.database.engine, "commit", die)
    parts.publishing.publish(who, archive)


for step in ("archive", "transaction", "commit"):
    child = os.fork()
    if not child:
        publish(step)
        os._exit(0)
    status = os.waitpid(child, 0)[1]
    assert os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL, (step, status)
"""


def test_a_server_killed_while_it_publishes_has_published_nothing(settings: Settings, tmp_path: Path) -> None:
    archive = tmp_path / "pack.zip"
    archive.write_bytes(pack(nodes=["A"]))
    with registry(settings) as server:
        token = server.publisher()
    arguments = [str(settings.data), settings.database_url, token, str(archive)]
    subprocess.run([sys.executable, "-c", PUBLISH, *arguments], check=True, timeout=300)
    with registry(settings) as server:
        assert server.client.get("/nodes").json()["total"] == 0
        assert server.client.get("/index/config.json").json()["serial"] == 0
        assert server.client.get("/api/v1/nodes/A").status_code == 404
        assert server.upload(archive.read_bytes(), token).status_code == 201
        assert verify(server.parts.database, server.parts.storage).faults == ()
        assert server.client.get("/nodes/probe-pack").json()["latest_version"]["version"] == "1.0.0"
