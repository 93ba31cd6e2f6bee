"""Run as ``python -m sdk.authoring.import_report FOLDER``: imports a pack and prints its nodes as one JSON object.

It runs in a process of its own, since importing a pack may do anything, also end the process.
"""

from __future__ import annotations

import dataclasses
import json
import sys
from pathlib import Path
from typing import Any

from sdk.nodes import NodeType
from sdk.object_info import describe
from sdk.testing import load_pack


def report(folder: Path) -> dict[str, Any]:
    """The nodes' schemas by id, as importing the pack gives them.

    Raises:
        ManifestError: the pack names no entry point, or registers something wrong; and whatever importing it raises.
    """
    with load_pack(folder) as pack:
        return {name: _schema(node) for name, node in pack.nodes.items()}


def _schema(node: NodeType) -> dict[str, Any]:
    inputs = tuple(dataclasses.replace(i, choices=()) if isinstance(i.choices, str) else i for i in node.inputs)
    return describe(dataclasses.replace(node, inputs=inputs))


if __name__ == "__main__":
    answer = report(Path(sys.argv[1]))
    sys.stdout.write(f"\n{json.dumps(answer)}\n")
