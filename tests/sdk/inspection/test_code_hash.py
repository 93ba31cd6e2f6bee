from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import pytest

from sdk.inspection import code_hash, signature
from sdk.similarity import similarity

ORIGINAL = """
    class Blur:
        '''Blurs.'''
        RETURN_TYPES = ("IMAGE",)

        def run(self, image, radius: int = 3):
            # a comment
            size = radius * 2 + 1
            kernel = torch.ones(size, size) / size ** 2
            padded = torch.nn.functional.pad(image, (radius,) * 4, mode="reflect")
            blurred = torch.nn.functional.conv2d(padded, kernel)
            return (blurred.clamp(0, 1),)
"""


STORED = (2848725, 21737855, 23487232, 3464437)
STORED_HASH = "4900f8bd278250dde747a3ab087264674d68e641c3bc0c83bac4da63d6ab45b8"


def tree(text: str) -> ast.stmt:
    return ast.parse(dedent(text)).body[0]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("size", "width"),
        ("'''Blurs.'''", "'''Does something.'''"),
        ("# a comment", "# another"),
        (": int", ""),
        ("class Blur", "class Renamed"),
        ("image, radius", "picture, radius"),
        ("(radius,) * 4, mode", "(radius,) * 4,\n                mode"),
    ],
)
def test_how_code_is_written_does_not_matter(old: str, new: str) -> None:
    changed = ORIGINAL.replace(old, new)
    changed = changed.replace("pad(image", "pad(picture") if "picture" in new else changed
    assert code_hash(tree(changed)) == code_hash(tree(ORIGINAL))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("conv2d", "conv3d"),
        ("torch.ones", "torch.zeros"),
        ("* 2", "* 3"),
        ('"IMAGE"', '"MASK"'),
        ("+ 1", "- 1"),
        ("run", "go"),
        ("mode=", "kind="),
        ("radius: int = 3", "radius: int = 4"),
    ],
)
def test_what_code_does_matters(old: str, new: str) -> None:
    assert code_hash(tree(ORIGINAL.replace(old, new))) != code_hash(tree(ORIGINAL))


def test_swapped_local_names_are_told_apart() -> None:
    one, other = "def f(a, b):\n    return a - b", "def f(a, b):\n    return b - a"
    assert code_hash(tree(one)) != code_hash(tree(other))


def test_signatures_of_almost_the_same_code_are_almost_the_same() -> None:
    base = signature(tree(ORIGINAL))
    assert len(base) == 128
    assert similarity(base, signature(tree(ORIGINAL.replace("size", "width")))) == 1.0
    assert 0.6 < similarity(base, signature(tree(ORIGINAL.replace("clamp(0, 1)", "clamp(0, 2)")))) < 1.0
    other = "class X:\n" + "".join(f"    A{n} = {{'k{n}': [open('f{n}').read()]}}\n" for n in range(20))
    assert similarity(base, signature(tree(other))) < 0.2


def test_code_that_is_too_small_has_no_signature() -> None:
    assert signature(tree("def f():\n    return 1")) == ()


def test_signatures_never_change_since_registries_store_them() -> None:
    assert signature(tree(ORIGINAL))[:4] == STORED
    assert code_hash(tree(ORIGINAL)) == STORED_HASH


def test_reading_and_checking_a_pack_loads_nothing_that_only_comparing_needs(tmp_path: Path) -> None:
    mappings = 'NODE_CLASS_MAPPINGS = {"Blur": Blur}\n'
    (tmp_path / "__init__.py").write_text(f"{dedent(ORIGINAL)}\n{mappings}")
    code = (
        "import sys\nfrom pathlib import Path\n"
        "from sdk.checks import check_pack\nfrom sdk.inspection import inspect_pack\n"
        "folder = Path(sys.argv[1]); read = inspect_pack(folder); check_pack(folder, inspection=read)\n"
        "assert [node.id for node in read.nodes] == ['Blur'] and read.nodes[0].code\n"
        "assert not {'datasketch', 'numpy', 'scipy'} & sys.modules.keys()\n"
        "assert len(read.nodes[0].signature) == 128"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=True)
