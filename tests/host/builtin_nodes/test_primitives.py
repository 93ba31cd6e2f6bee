from __future__ import annotations

import subprocess
import sys

import pytest

from host.builtin_nodes.primitives import register_nodes

NODES = {node.id: node for node in register_nodes()}


@pytest.mark.parametrize(
    ("node", "value", "type"),
    [
        ("PrimitiveInt", 2**60, "INT"),
        ("PrimitiveFloat", 0.5, "FLOAT"),
        ("PrimitiveString", "a", "STRING"),
        ("PrimitiveStringMultiline", "a\nb", "STRING"),
        ("PrimitiveBoolean", True, "BOOLEAN"),
    ],
)
def test_a_value_comes_out_as_it_went_in(node: str, value: object, type: str) -> None:
    made = NODES[node]
    assert made(value) == value
    assert (made.inputs[0].type, made.outputs[0].type) == (type, type)


def test_only_the_multiline_text_is_multiline() -> None:
    assert NODES["PrimitiveString"].inputs[0].option("multiline") is False
    assert NODES["PrimitiveStringMultiline"].inputs[0].option("multiline") is True


def test_defining_the_nodes_loads_neither_torch_nor_pillow() -> None:
    modules = (
        "primitives",
        *(f"images.{m}" for m in ["loaders", "savers", "animations", "making", "compositing", "filters", "resizing"]),
    )
    code = "import sys;" + ";".join(f"import host.builtin_nodes.{module}" for module in modules)
    code += ";print([m for m in ('torch', 'PIL', 'numpy') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
