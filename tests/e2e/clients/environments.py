"""Programs that others wrote for ComfyUI, each in a virtual environment below ``build`` with pinned packages."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

FOLDER = Path(__file__).parents[3] / "build" / "clients"
REQUIREMENTS = Path(__file__).with_name("requirements")
SECONDS = 300


class NotInstalled(Exception):
    """A client could not be installed; says why and how to do it by hand."""

    def __init__(self, name: str, reason: str) -> None:
        self.name, self.reason = name, reason
        super().__init__(name, reason)

    def __str__(self) -> str:
        by_hand = f"python -m venv {FOLDER / self.name} and {' '.join(_install(self.name))}"
        return f"{self.name} is missing ({self.reason}); get it with: {by_hand}"


def programs(name: str) -> Path:
    """The folder of programs of a client's environment, made when it is asked for the first time.

    Raises:
        NotInstalled: pip could not get the packages.
    """
    target = FOLDER / name
    wanted = hashlib.sha256(_requirements(name).read_bytes()).hexdigest()
    mark = target / "installed"
    if mark.is_file() and mark.read_text(encoding="utf-8") == wanted:
        return target / "bin"
    shutil.rmtree(target, ignore_errors=True)
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(target)], check=True, timeout=SECONDS)
    ended = subprocess.run(_install(name), capture_output=True, text=True, timeout=SECONDS)
    if ended.returncode:
        raise NotInstalled(name, ended.stderr.strip().splitlines()[-1])
    mark.write_text(wanted, encoding="utf-8")
    return target / "bin"


def _requirements(name: str) -> Path:
    return REQUIREMENTS / f"{name}.txt"


def _install(name: str) -> list[str]:
    pip = [sys.executable, "-m", "pip", "--python", str(FOLDER / name), "install", "-q", "--no-deps"]
    return [*pip, "-r", str(_requirements(name))]
