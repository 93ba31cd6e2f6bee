"""Single nodes on small inputs (``D_nodes``)."""

from __future__ import annotations

import json
import math
import pkgutil
from collections.abc import Mapping
from contextlib import contextmanager
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor

import host.builtin_nodes
from sdk import Identity, ModelHandle, NodeResult, NodeType, SdkError
from tests.goldens.runners import Unimplemented
from tests.support.node_context import LoneContext, context_in

ATOL = 1e-5
_NOISE = "$noise_of_zeros_1x4x4x4"


def cases(folder: Path) -> list[str]:
    """``<class type>/<n>``."""
    return list(_records(folder))


def run(folder: Path, name: str, tmp_path: Path) -> None:
    record = _records(folder)[name]
    context = context_in(tmp_path)
    context.models = FakeModels()
    if "error" in record:
        _check_refused(folder, record, context)
        return
    result = _result(folder, record, context)
    if "ui" in record:
        assert json.loads(json.dumps(result.ui)) == record["ui"]
    found = list(result.outputs)
    assert len(found) == len(record["outputs"])
    for value, expected in zip(found, record["outputs"], strict=True):
        _check(folder, value, expected)


def _check_refused(folder: Path, record: Mapping[str, Any], context: LoneContext) -> None:
    """Which error the reference raised says nothing about ours."""
    try:
        _outputs(folder, record, context)
    except Unimplemented:
        raise
    except (SdkError, ValueError, TypeError, LookupError, RuntimeError):
        return
    raise AssertionError(f"the reference refuses this: {record['error']}")


def _outputs(folder: Path, record: Mapping[str, Any], context: LoneContext) -> list[Any]:
    return list(_result(folder, record, context).outputs)


def _result(folder: Path, record: Mapping[str, Any], context: LoneContext) -> NodeResult:
    node = product_nodes().get(record["class_type"])
    if node is None:
        raise Unimplemented(f"the node {record['class_type']}")
    inputs = {name: _given(folder, value, context) for name, value in record["inputs"].items()}
    return node.run(node.create() if node.create else None, inputs, context)


def _given(folder: Path, value: Any, context: LoneContext) -> Any:
    if isinstance(value, list):
        return [_given(folder, item, context) for item in value]
    if not isinstance(value, Mapping):
        return value
    if "$tensor" in value:
        return _tensors(folder, "inputs")[value["$tensor"]].clone()
    if "$list" in value:
        return _given(folder, value["$list"], context)
    if "$node" in value:
        record = {"class_type": value["$node"], "inputs": value["inputs"]}
        return _outputs(folder, record, context)[value["out"]]
    if value.get("$fake") == "VAE":
        identity = Identity(family="fake", kind="vae", config={}, because="it is a formula")
        return ModelHandle(key="vae", part="vae", identity=identity, adapter=FakeVae())
    if any(name.startswith("$") for name in value):
        raise Unimplemented(f"inputs of the kind {sorted(value)}")
    return {name: _given(folder, item, context) for name, item in value.items()}


def _check(folder: Path, found: Any, expected: Any) -> None:
    if isinstance(expected, list):
        assert len(found) == len(expected)
        for item, wanted in zip(found, expected, strict=True):
            _check(folder, item, wanted)
    elif not isinstance(expected, Mapping):
        assert found == expected
    elif any(name.startswith("$") for name in expected):
        _check_tensor(folder, found, expected)
    else:
        assert set(found) == set(expected)
        for name, wanted in expected.items():
            _check(folder, found[name], wanted)


def _check_tensor(folder: Path, found: Any, expected: Mapping[str, Any]) -> None:
    if "$keyframes" in expected:
        pairs = torch.tensor([[keyframe.start_percent, keyframe.strength] for keyframe in found])
        _close(pairs, torch.tensor(expected["$keyframes"]))
        return
    if _NOISE in expected:
        _check_tensor(folder, found.generate_noise({"samples": torch.zeros(1, 4, 4, 4)}), expected[_NOISE])
        return
    if not isinstance(found, Tensor):
        raise Unimplemented(f"a comparison of {type(found).__name__} with {sorted(expected)}")
    if "$empty" in expected:
        assert list(found.shape) == expected["$empty"]
    elif "$const" in expected:
        assert list(found.shape) == expected["shape"]
        assert bool((found == float(expected["$const"])).all())
    elif "$strided" in expected:
        assert list(found.shape) == expected["shape"]
        _close(found.flatten()[:: expected["stride"]], _tensors(folder, "outputs")[expected["$strided"]])
    elif "$tensor" in expected:
        _close(found, _tensors(folder, "outputs")[expected["$tensor"]])
    else:
        raise Unimplemented(f"outputs of the kind {sorted(expected)}")


def _close(found: Tensor, expected: Tensor) -> None:
    atol = max(ATOL, 1e-6 * float(expected.abs().max())) if expected.numel() and expected.is_floating_point() else 0.0
    assert math.isfinite(atol)
    torch.testing.assert_close(found, expected, atol=atol, rtol=0, equal_nan=True)


class FakeVae:
    """The data's autoencoder: cells are means of 8 x 8 pixels, and the mean of the colours is the fourth channel."""

    downscale, latent_channels = 8, 4

    def encode(self, module: Any, pixels: Tensor) -> Tensor:
        height, width = (side // 8 * 8 for side in pixels.shape[1:3])
        cells = torch.nn.functional.avg_pool2d((pixels[:, :height, :width, :3] * 2 - 1).movedim(-1, 1), 8)
        return torch.cat([cells, cells.mean(1, keepdim=True)], dim=1)

    def decode(self, module: Any, latents: Tensor) -> Tensor:
        colours = latents[:, :3].repeat_interleave(8, -1).repeat_interleave(8, -2)
        return ((colours + 1) / 2).movedim(1, -1)


class FakeModels:
    """A model manager for adapters that need no module."""

    @contextmanager
    def borrow(self, handle: ModelHandle, *, working_bytes: int = 0) -> Any:
        yield None


@cache
def product_nodes() -> Mapping[str, NodeType]:
    """Every node of the product, by its bare id."""
    package = host.builtin_nodes
    modules = [info.name for info in pkgutil.walk_packages(package.__path__, f"{package.__name__}.")]
    plugins = [module for module in map(import_module, modules) if hasattr(module, "register_nodes")]
    return {node.id: node for plugin in plugins for node in plugin.register_nodes()}


@cache
def _records(folder: Path) -> dict[str, dict[str, Any]]:
    content = json.loads((folder / "cases.json").read_text(encoding="utf-8"))
    return {record["id"]: record for record in content["cases"]}


@cache
def _tensors(folder: Path, name: str) -> dict[str, Tensor]:
    return load_file(folder / f"{name}.safetensors")
