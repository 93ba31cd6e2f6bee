"""A PostgreSQL server of the test's own, on a socket in a temporary folder."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

MISSING = "PostgreSQL is not installed: run `apt-get install postgresql`"


def find_binaries() -> Path | None:
    """The folder of ``initdb`` and ``postgres``; Debian keeps it off the path."""
    on_path = shutil.which("initdb")
    if on_path:
        return Path(on_path).parent
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    return found[-1].parent if found else None


@contextmanager
def running(binaries: Path, folder: Path) -> Iterator[str]:
    """Addresses begin so; the database's name is to be added. Nothing but this folder is touched."""
    folder.mkdir(parents=True)
    as_server = _as_server(folder)
    data = folder / "data"
    subprocess.run(
        [*as_server, binaries / "initdb", "-D", data, "-U", "tests", "-A", "trust", "-E", "UTF8", "--no-sync"],
        check=True,
        capture_output=True,
    )
    options = f"-k {folder} -h '' -c fsync=off -c max_connections=200 -c shared_buffers=32MB"
    control = [*as_server, binaries / "pg_ctl", "-D", data, "-w", "-l", folder / "log"]
    subprocess.run([*control, "-o", options, "start"], check=True, capture_output=True)
    try:
        yield f"postgresql+psycopg://tests@/{{name}}?host={folder}"
    finally:
        subprocess.run([*control, "-m", "immediate", "stop"], check=True, capture_output=True)


def new_database(address: str, template: str = "template0") -> str:
    """A database, empty or a copy of another; its address."""
    import psycopg

    name = f"t{uuid.uuid4().hex}"
    with psycopg.connect(address.format(name="postgres").replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}" STRATEGY file_copy')
    return address.format(name=name)


def drop_database(address: str, name: str) -> None:
    """Remove a database at once: a few hundred of them would fill gigabytes, which take long to write and to delete."""
    import psycopg

    with psycopg.connect(address.format(name="postgres").replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


def name_in(address: str) -> str:
    """The database's name in its address."""
    return address.rpartition("@/")[2].partition("?")[0]


def _as_server(folder: Path) -> list[str]:
    """PostgreSQL refuses to run as root; Debian's package brings a user for it."""
    if os.geteuid() != 0:
        return []
    user = pwd.getpwnam("postgres")
    os.chown(folder, user.pw_uid, user.pw_gid)
    for parent in folder.parents:
        if parent.stat().st_uid == 0 and parent != Path("/") and parent != Path("/tmp"):
            parent.chmod(parent.stat().st_mode | 0o011)
    return ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"]
