"""What the nodes are tried with."""

from __future__ import annotations

from typing import Any

import pytest

from sdk import NodeType
from sdk.testing import FakeContext


@pytest.hookimpl(optionalhook=True)
def pytest_sample_inputs(node: NodeType, context: FakeContext) -> dict[str, Any] | None:
    if node.id == "LoadTinyShapesDdpm":
        context.models.files["tiny-shapes-ddpm.safetensors"] = {"denoiser": "the network"}
        return {}
    return None
