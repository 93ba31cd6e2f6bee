from __future__ import annotations

import shutil
import time
from pathlib import Path

import pytest

from sdk.authoring.import_report import report
from sdk.authoring.importing import differences
from sdk.inspection import inspect_pack
from sdk.testing.packs import write_pack
from tests.sdk.inspection.comfyui_packs import A, ids, inspect, write

SAMPLES = Path(__file__).parents[3] / "sample_plugins"
GOOD = A + "\nNODE_CLASS_MAPPINGS = {'A': A}\n"


@pytest.mark.parametrize("name", ["palette", "placement", "run-report"])
def test_static_reading_of_a_sample_pack_equals_what_importing_it_gives(name: str) -> None:
    found = inspect_pack(SAMPLES / name)
    assert found.kind == "sdk"
    assert found.unread == ()
    assert differences(found, report(SAMPLES / name)) == ()


def test_choices_of_the_host_are_named_by_their_source(tmp_path: Path) -> None:
    code = """
        from typing import Annotated, Literal, NamedTuple
        from sdk import Choice, Image, hookimpl, node

        class Both(NamedTuple):
            picture: Image
            size: int

        @node(aliases=["Former"], deprecated="Use another.")
        class Pick:
            def run(self, lora: Annotated[str, Choice(source="folder:loras")], mode: Literal["a", "b"] = "a") -> "Both":
                '''Pick one.'''

        @hookimpl
        def register_nodes():
            yield Pick
    """
    folder = write_pack(tmp_path, "picker", code)
    (node,) = inspect_pack(folder).nodes
    assert node.dynamic == {"lora": "folder:loras"}
    assert node.aliases == ("Former",)
    assert node.deprecated == "Use another."
    assert node.reference == "picker:Pick"
    assert node.schema["output_name"] == ["picture", "size"]
    assert differences(inspect_pack(folder), report(folder)) == ()


def test_a_record_that_the_pack_changes_has_no_schema_that_is_trusted(tmp_path: Path) -> None:
    code = """
        from dataclasses import replace
        from sdk import hookimpl, node

        def changed(record):
            return replace(record, category="other")

        @changed
        @node
        def one(a: int = 1) -> int:
            return a

        @hookimpl
        def register_nodes():
            return [one]
    """
    found = inspect_pack(write_pack(tmp_path, "changing", code))
    assert [(node.id, dict(node.schema)) for node in found.nodes] == [("One", {})]
    assert "changed" in found.unread[0].reason


def test_an_annotation_from_outside_is_said_and_the_id_is_kept(tmp_path: Path) -> None:
    code = """
        from elsewhere import Odd
        from sdk import hookimpl, node

        @node
        def odd(a: Odd) -> int:
            return 1

        @hookimpl
        def register_nodes():
            return [odd]
    """
    found = inspect_pack(write_pack(tmp_path, "odd", code))
    assert ids(found) == {"Odd"}
    assert "elsewhere.Odd" in found.unread[0].reason


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        (b"print 'old'\n", "Python 3"),
        (b"# -*- coding: klingon -*-\n", "encoding"),
        (b"x = '\xff'\n", "encoding"),
        (b"x = '\0'\n", "parse|Python 3"),
        (b"x = " + b"(" * 5000 + b")" * 5000, "Python 3|parsed"),
    ],
)
def test_a_file_that_can_not_be_parsed_is_said(source: bytes, reason: str, tmp_path: Path) -> None:
    folder = write(tmp_path / "a_pack", {"__init__.py": "from .nodes import NODE_CLASS_MAPPINGS\n"})
    (folder / "nodes.py").write_bytes(source)
    found = inspect_pack(folder)
    assert found.nodes == ()
    assert any(item.file == "nodes.py" for item in found.unread)
    assert any(__import__("re").search(reason, item.reason) for item in found.unread)


@pytest.mark.parametrize(
    "source",
    [
        b"\xef\xbb\xbf" + GOOD.encode(),
        b"# -*- coding: latin-1 -*-\nNAME = '\xe9'\n" + GOOD.encode(),
        GOOD.replace("\n", "\r\n").encode(),
    ],
)
def test_encodings_and_line_ends_do_not_matter(source: bytes, tmp_path: Path) -> None:
    folder = write(tmp_path / "a_pack", {})
    folder.mkdir()
    (folder / "__init__.py").write_bytes(source)
    assert ids(inspect_pack(folder)) == {"A"}


@pytest.mark.parametrize(
    "code",
    [
        "x = 'a'\nfor i in range(60):\n    x = x + x\n",
        "x = 9\nfor i in range(60):\n    x = x * x\n",
        "x = 10 ** 10 ** 10\n",
        "x = 'a' * 10 ** 12\n",
        "x = '%1000000000d' % 1\n",
        "x = 'a'.ljust(10 ** 10)\n",
        "def f(n):\n    return [f(n), f(n), f(n)]\nx = f(1)\n",
        "x = [0]\nfor i in range(15000):\n    for j in range(15000):\n        x.append(1)\n",
        "while True:\n    pass\n",
        "x = " + "+".join(["1"] * 3000) + "\n",
        "x = " + "[" * 80 + "]" * 80 + "\n",
        "class A(A):\n    pass\nclass B:\n    pass\nB.__bases__ = (B,)\n",
        "import re\nx = re.findall('(a+)+$', 'a' * 200 + 'b')\n",
        "import re\nx = re.findall('a*a*a*a*b', 'a' * 400)\n",
        "import re\nfor i in range(20000):\n    re.sub('a*a*', '', 'a' * 50)\n",
        "import re\nx = re.compile('(' * 5000)\nx.sub('', 'a')\n",
        "while True:\n    for i in range(9000):\n        x = i\n",
        "import itertools\nfor i in itertools.count():\n    pass\n",
        "import itertools\nx = list(itertools.product(range(900), repeat=9))\n",
        "def f():\n    yield from f()\nx = list(f())\n",
        "def f(n):\n    yield n\n    for i in f(n + 1):\n        yield i\nx = list(f(1))\n",
        "import os\nfor r, d, f in os.walk(os.path.dirname(__file__)):\n    d.append('.')\n    d.append('.')\n",
        "x = []\nfor i in range(15000):\n    x.append(x)\nimport copy\ny = copy.deepcopy(x)\n",
        "import json\nx = json.loads('[' * 100000)\n",
        "class M(type):\n    def __new__(m, n, b, d):\n        return M(n, b, d)\nclass C(metaclass=M):\n    pass\n",
        "class D(dict):\n    def __setitem__(self, k, v):\n        self[k] = v\nD()['a'] = 1\n",
        "class S:\n    def __str__(self):\n        return str(self)\nx = f'{S()}'\n",
    ],
)
def test_hostile_code_costs_bounded_work(code: str, tmp_path: Path) -> None:
    folder = write(tmp_path / "a_pack", {"__init__.py": code + "NODE_CLASS_MAPPINGS = {'A': 1}\n"})
    started = time.process_time()
    found = inspect_pack(folder, steps=50_000)
    assert time.process_time() - started < 15
    assert found.unread or ids(found) == {"A"}


def test_nothing_of_the_pack_is_run(tmp_path: Path) -> None:
    mark = tmp_path / "ran"
    code = f"open({str(mark)!r}, 'w').write('x')\nimport os\nos.system('touch {mark}')\n"
    inspect(tmp_path, init=code + GOOD)
    assert not mark.exists()


def test_an_archive_of_a_repository_has_its_pack_one_folder_deeper(tmp_path: Path) -> None:
    write(tmp_path / "outer" / "repo-main", {"__init__.py": GOOD})
    assert ids(inspect_pack(tmp_path / "outer")) == {"A"}


def test_a_folder_without_a_pack_has_no_nodes(tmp_path: Path) -> None:
    found = inspect_pack(write(tmp_path / "x", {"module.py": GOOD}))
    assert (found.kind, found.nodes) == ("none", ())


def test_the_folder_s_name_does_not_matter_to_code_hashes(tmp_path: Path) -> None:
    first = inspect(tmp_path, init=GOOD)
    shutil.copytree(tmp_path / "a_pack", tmp_path / "other-name")
    second = inspect_pack(tmp_path / "other-name")
    assert [node.code for node in first.nodes] == [node.code for node in second.nodes]


@pytest.mark.parametrize(
    "code",
    [
        "def f(c):\n    return f(c)\n@f\nclass A:\n    pass\n",
        "class B:\n    def __init_subclass__(cls):\n        cls.__init_subclass__()\nclass A(B):\n    pass\n",
        "class M(type):\n    def __init__(c, *a):\n        M.__init__(c, *a)\nclass A(metaclass=M):\n    pass\n",
        "x = []\nx.append(x)\nclass A:\n    INPUT_TYPES = {'required': {'x': (x, x)}}\n    RETURN_TYPES = (x,)\n",
        "x = {}\nx['x'] = x\nclass A:\n    RETURN_TYPES = ()\n    INPUT_TYPES = {'required': x}\n",
    ],
)
def test_code_without_an_end_that_can_be_seen_keeps_the_rest_from_nothing(code: str, tmp_path: Path) -> None:
    found = inspect(tmp_path, init=code + "NODE_CLASS_MAPPINGS = {'A': 1, 'B': A}\n")
    assert ids(found) == {"A", "B"}
