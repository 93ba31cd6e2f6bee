"""Archives examined on a server."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from registry_server.errors import Unavailable
from registry_server.scanning.static import StaticExaminer
from sdk.archives import Limits
from tests.support.registry_packs import pack

LOADED = """
import sys
from pathlib import Path
from registry_server.scanning.static import StaticExaminer
from sdk.archives import Limits

archive, workspace = map(Path, sys.argv[1:])
examiner = StaticExaminer(workspace, Limits(), {})
examiner.warm_up()
before = set(sys.modules)
assert [node.id for node in examiner.examine(archive).nodes] == ["A"]
print(sorted(set(sys.modules) - before))
"""


def test_after_warming_up_nothing_is_left_to_load(tmp_path: Path) -> None:
    archive, workspace = tmp_path / "pack.zip", tmp_path / "workspace"
    archive.write_bytes(pack(nodes=["A"]))
    workspace.mkdir()
    command = [sys.executable, "-c", LOADED, str(archive), str(workspace)]
    ended = subprocess.run(command, capture_output=True, text=True, check=True)
    assert ended.stdout.strip() == "[]"
    assert list(workspace.iterdir()) == []


def test_a_workspace_that_is_gone_is_said_so(tmp_path: Path) -> None:
    examiner = StaticExaminer(tmp_path / "gone", Limits(), {})
    archive = tmp_path / "pack.zip"
    archive.write_bytes(pack())
    with pytest.raises(Unavailable, match="No such file"):
        examiner.examine(archive)
    with pytest.raises(Unavailable, match="No such file"):
        examiner.warm_up()
