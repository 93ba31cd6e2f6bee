from __future__ import annotations

from pathlib import Path

import pytest

from tests.sdk.inspection.comfyui_packs import A, B, C, ids, inspect

BOTH = {"A", "B"}
MAPPINGS = {
    "a literal": 'NODE_CLASS_MAPPINGS = {"A": A, "B": B}',
    "an annotated literal": 'NODE_CLASS_MAPPINGS: dict[str, type] = {"A": A, "B": B}',
    "a merge": 'one = {"A": A}\ntwo = {"B": B}\nNODE_CLASS_MAPPINGS = {**one, **two}',
    "a union": 'NODE_CLASS_MAPPINGS = {"A": A} | {"B": B}',
    "a union in place": 'NODE_CLASS_MAPPINGS = {"A": A}\nNODE_CLASS_MAPPINGS |= {"B": B}',
    "an update": 'NODE_CLASS_MAPPINGS = {"A": A}\nNODE_CLASS_MAPPINGS.update({"B": B})',
    "an update by keywords": "NODE_CLASS_MAPPINGS = {}\nNODE_CLASS_MAPPINGS.update(A=A, B=B)",
    "dict()": "NODE_CLASS_MAPPINGS = dict(A=A, B=B)",
    "dict() of pairs": 'NODE_CLASS_MAPPINGS = dict([("A", A), ("B", B)])',
    "items": 'NODE_CLASS_MAPPINGS = {}\nNODE_CLASS_MAPPINGS["A"] = A\nNODE_CLASS_MAPPINGS["B"] = B',
    "setdefault": "NODE_CLASS_MAPPINGS = {}\nfor c in (A, B):\n    NODE_CLASS_MAPPINGS.setdefault(c.__name__, c)",
    "a loop": "NODE_CLASS_MAPPINGS = {}\nfor c in [A, B]:\n    NODE_CLASS_MAPPINGS[c.__name__] = c",
    "a comprehension": "NODE_CLASS_MAPPINGS = {c.__name__: c for c in (A, B)}",
    "a filtered comprehension": 'NODE_CLASS_MAPPINGS = {c.__name__: c for c in (A, B, C) if c.__name__ != "C"}',
    "zip": 'NODE_CLASS_MAPPINGS = dict(zip(["A", "B"], [A, B]))',
    "enumerate": 'names = ["A", "B"]\nNODE_CLASS_MAPPINGS = {names[i]: c for i, c in enumerate((A, B))}',
    "f-strings": 'P = ""\nNODE_CLASS_MAPPINGS = {f"{P}{name}": c for name, c in {"A": A, "B": B}.items()}',
    "formatted texts": (
        'def named(name):\n    return "{} ({})".format(name, "x2")\nclass N:\n    NAME = "%s" % "A"\n'
        'M = {named("B"): B, f"{1:02d}": C}\nNODE_CLASS_MAPPINGS = {N.NAME: A, "B": M["B (x2)"]}'
    ),
    "all classes of the module by its name": (
        "import inspect, sys\nNODE_CLASS_MAPPINGS = {n: c for n, c in inspect.getmembers(sys.modules[__name__],"
        " lambda m: inspect.isclass(m) and m.__module__ == __name__) if n != 'C'}"
    ),
    "constants": 'NAME = "A"\nclass N:\n    SECOND = "B"\nNODE_CLASS_MAPPINGS = {NAME: A, N.SECOND: B}',
    "text operations": 'NODE_CLASS_MAPPINGS = {"a".upper(): A, "-".join(["B"]): B}',
    "a function": 'def make():\n    d = {}\n    d["A"] = A\n    d["B"] = B\n    return d\nNODE_CLASS_MAPPINGS = make()',
    "a function with arguments": (
        "def make(*cs):\n    return {c.__name__: c for c in cs}\nNODE_CLASS_MAPPINGS = make(A, B)"
    ),
    "a decorator": (
        "NODE_CLASS_MAPPINGS = {}\n"
        "def register(name):\n    def inner(c):\n        NODE_CLASS_MAPPINGS[name] = c\n"
        "        return c\n    return inner\n"
        'A = register("A")(A)\n@register("B")\nclass B2(B):\n    pass'
    ),
    "getattr": 'import sys\nNODE_CLASS_MAPPINGS = {n: globals()[n] for n in ["A", "B"]}',
    "all classes of the module": (
        "import inspect\nNODE_CLASS_MAPPINGS = {n: c for n, c in list(globals().items())"
        ' if isinstance(c, type) and hasattr(c, "INPUT_TYPES") and n != "C"}'
    ),
    "an enumeration": (
        'from enum import Enum\nclass Names(Enum):\n    FIRST = "A"\n    SECOND = "B"\n'
        "NODE_CLASS_MAPPINGS = {Names.FIRST.value: A, Names.SECOND.value: B}"
    ),
    "a try": (
        "try:\n    import torch\n"
        '    NODE_CLASS_MAPPINGS = {"A": A, "B": B}\nexcept ImportError:\n    NODE_CLASS_MAPPINGS = {}'
    ),
    "a condition of the machine": (
        'import os\nNODE_CLASS_MAPPINGS = {"A": A}\nif os.environ.get("X"):\n    NODE_CLASS_MAPPINGS["B"] = B'
    ),
    "two branches": (
        'import torch\nif torch.cuda.is_available():\n    M = {"A": A}\n'
        'else:\n    M = {"B": B}\nNODE_CLASS_MAPPINGS = M'
    ),
    "a class attribute": (
        "class X(A):\n    NAME = 'A'\nclass Y(B):\n    NAME = 'B'\nNODE_CLASS_MAPPINGS = {c.NAME: c for c in (X, Y)}"
    ),
    "a class method": (
        "class X(A):\n    @classmethod\n    def get_name(cls):\n        return 'A'\n"
        'NODE_CLASS_MAPPINGS = {X.get_name(): X, "B": B}'
    ),
    "subclasses that register themselves": (
        "NODE_CLASS_MAPPINGS = {}\nclass Base:\n"
        "    def __init_subclass__(cls):\n        NODE_CLASS_MAPPINGS[cls.__name__] = cls\n"
        "class A(Base):\n    pass\nclass B(Base):\n    pass"
    ),
    "a table of settings": (
        'T = {"A": {"class": A, "name": "The A"}, "B": {"class": B}}\n'
        'NODE_CLASS_MAPPINGS = {k: v["class"] for k, v in T.items()}'
    ),
}


@pytest.mark.parametrize("code", MAPPINGS.values(), ids=MAPPINGS.keys())
def test_ids_are_read_from(code: str, tmp_path: Path) -> None:
    found = inspect(tmp_path, init=f"{A}{B}{C}\n{code}\n")
    assert ids(found) == BOTH
    assert found.unread == ()
    assert found.kind == "comfyui-v1"
    assert all(node.code for node in found.nodes)


IMPORTS = {
    "relative": "from .nodes import NODE_CLASS_MAPPINGS",
    "everything": "from .nodes import *",
    "a module": "from . import nodes\nNODE_CLASS_MAPPINGS = nodes.NODE_CLASS_MAPPINGS",
    "by the folder's name": "from a_pack.nodes import NODE_CLASS_MAPPINGS",
    "by the place in ComfyUI": "from custom_nodes.a_pack.nodes import NODE_CLASS_MAPPINGS",
    "classes": 'from .nodes import A, B\nNODE_CLASS_MAPPINGS = {"A": A, "B": B}',
    "under another name": "from .nodes import NODE_CLASS_MAPPINGS as M\nNODE_CLASS_MAPPINGS = {**M}",
    "importlib": (
        "import importlib\nNODE_CLASS_MAPPINGS = {}\nfor n in ['nodes']:\n"
        "    m = importlib.import_module(f'.{n}', __name__)\n    NODE_CLASS_MAPPINGS.update(m.NODE_CLASS_MAPPINGS)"
    ),
    "importlib with a package": (
        "import importlib\nm = importlib.import_module('.nodes', package=__name__)\n"
        "NODE_CLASS_MAPPINGS = getattr(m, 'NODE_CLASS_MAPPINGS', {})"
    ),
    "each file of the folder": (
        "import os, importlib\nNODE_CLASS_MAPPINGS = {}\nhere = os.path.dirname(os.path.realpath(__file__))\n"
        "for f in os.listdir(here):\n    if not f.endswith('.py') or f == '__init__.py':\n        continue\n"
        "    m = importlib.import_module('.' + os.path.splitext(f)[0], __name__)\n"
        "    if hasattr(m, 'NODE_CLASS_MAPPINGS'):\n        NODE_CLASS_MAPPINGS.update(m.NODE_CLASS_MAPPINGS)"
    ),
    "glob": (
        "import glob, importlib.util, os\nNODE_CLASS_MAPPINGS = {}\n"
        "for p in glob.glob(os.path.join(os.path.dirname(__file__), 'n*.py')):\n"
        "    spec = importlib.util.spec_from_file_location('x', p)\n    m = importlib.util.module_from_spec(spec)\n"
        "    spec.loader.exec_module(m)\n    NODE_CLASS_MAPPINGS.update(m.NODE_CLASS_MAPPINGS)"
    ),
    "pathlib": (
        "import importlib\nfrom pathlib import Path\nNODE_CLASS_MAPPINGS = {}\n"
        "for p in Path(__file__).parent.glob('*.py'):\n    if p.stem != '__init__':\n"
        "        m = importlib.import_module(f'.{p.stem}', package=__package__)\n"
        "        NODE_CLASS_MAPPINGS |= m.NODE_CLASS_MAPPINGS"
    ),
    "pkgutil": (
        "import importlib, pkgutil\nNODE_CLASS_MAPPINGS = {}\nfor _, n, _ in pkgutil.iter_modules(__path__):\n"
        "    NODE_CLASS_MAPPINGS.update(importlib.import_module(f'.{n}', __name__).NODE_CLASS_MAPPINGS)"
    ),
    "each file of a folder by its name": (
        "import glob, importlib.util, os, sys\nNODE_CLASS_MAPPINGS = {}\n"
        "def folder(sub=None):\n    path = os.path.dirname(__file__)\n    if sub is not None:\n"
        "        path = os.path.join(path, sub)\n    return os.path.abspath(path)\n"
        "for f in glob.glob('no*.py', root_dir=folder(), recursive=False):\n    name = os.path.splitext(f)[0]\n"
        "    spec = importlib.util.spec_from_file_location(name, os.path.join(folder(), f))\n"
        "    m = importlib.util.module_from_spec(spec)\n    sys.modules[name] = m\n    spec.loader.exec_module(m)\n"
        "    if hasattr(m, 'NODE_CLASS_MAPPINGS') and getattr(m, 'NODE_CLASS_MAPPINGS') is not None:\n"
        "        NODE_CLASS_MAPPINGS.update(m.NODE_CLASS_MAPPINGS)"
    ),
    "format": (
        "import importlib\nNODE_CLASS_MAPPINGS = {}\nfor n in ['nodes']:\n"
        "    m = importlib.import_module('.{}'.format(n), __name__)\n"
        "    NODE_CLASS_MAPPINGS = {**NODE_CLASS_MAPPINGS, **m.NODE_CLASS_MAPPINGS}"
    ),
    "another folder's name in ComfyUI": "from custom_nodes.Another_Name.nodes import NODE_CLASS_MAPPINGS",
    "a folder put onto the path": (
        "import os, sys\nsys.path.insert(0, os.path.join(os.path.dirname(__file__), 'sub'))\n"
        "from my_nodes import NODE_CLASS_MAPPINGS"
    ),
    "the path changed first": (
        "import os, sys\nsys.path.append(os.path.dirname(__file__))\nfrom my_nodes import NODE_CLASS_MAPPINGS"
    ),
    "one name or the other": (
        "try:\n    from .missing import NODE_CLASS_MAPPINGS\n"
        "except ImportError:\n    from .nodes import NODE_CLASS_MAPPINGS"
    ),
}


@pytest.mark.parametrize("code", IMPORTS.values(), ids=IMPORTS.keys())
def test_imports_inside_the_pack_are_followed(code: str, tmp_path: Path) -> None:
    module = f'{A}{B}\nNODE_CLASS_MAPPINGS = {{"A": A, "B": B}}\n'
    name = "my_nodes" if "my_nodes" in code else "nodes"
    name = f"sub__{name}" if "'sub'" in code and "sys.path" in code else name
    found = inspect(tmp_path, init=code, **{name: module})
    assert ids(found) == BOTH
    assert found.unread == ()


def test_titles_categories_and_places_are_read(tmp_path: Path) -> None:
    found = inspect(
        tmp_path,
        init="from .sub.nodes import A\nNODE_CLASS_MAPPINGS = {'a|b/c: ☕': A}\n"
        "NODE_DISPLAY_NAME_MAPPINGS = {'a|b/c: ☕': 'Coffee'}",
        sub__nodes=A,
    )
    (node,) = found.nodes
    assert (node.id, node.title, node.category, node.style) == ("a|b/c: ☕", "Coffee", "test", "comfyui-v1")
    assert (node.file, node.line, node.reference) == ("sub/nodes.py", 2, "a_pack.sub.nodes:A")


UNKNOWABLE = {
    "another library": "from somewhere import NODE_CLASS_MAPPINGS",
    "a file": "import json\nNODE_CLASS_MAPPINGS = json.load(open('nodes.json'))",
    "the network": "import requests\nNODE_CLASS_MAPPINGS = {n: A for n in requests.get('x').json()}",
    "a key from outside": "import os\nNODE_CLASS_MAPPINGS = {'A': A, os.environ['NAME']: B}",
    "exec": "NODE_CLASS_MAPPINGS = {'A': A}\nexec('NODE_CLASS_MAPPINGS[1] = 2')",
    "a library that is given the mapping": (
        "import lib\nNODE_CLASS_MAPPINGS = {'A': A}\nlib.extend(NODE_CLASS_MAPPINGS)"
    ),
    "a module that is not there": "from .missing import NODE_CLASS_MAPPINGS",
    "an unknown filter": "import os\nNODE_CLASS_MAPPINGS = {n: A for n in ['A', 'B'] if n in os.environ}",
    "an endless recursion": "def f():\n    return f()\nNODE_CLASS_MAPPINGS = f()",
}


@pytest.mark.parametrize("code", UNKNOWABLE.values(), ids=UNKNOWABLE.keys())
def test_what_only_running_the_code_tells_is_said_and_never_guessed(code: str, tmp_path: Path) -> None:
    found = inspect(tmp_path, init=f"{A}{B}\n{code}\n")
    assert ids(found) <= {"A"}
    assert "B" not in ids(found)
    assert found.unread
    assert all(item.reason for item in found.unread)
    assert {item.file for item in found.unread} == {"__init__.py"}


def test_inputs_and_outputs_become_an_entry_of_object_info(tmp_path: Path) -> None:
    code = """
import folder_paths, comfy.samplers
class Any(str):
    def __ne__(self, other):
        return False
any_type = Any("*")
SIZES = [64 * n for n in range(1, 4)]
class Base:
    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"value": (any_type, {}), "size": (SIZES, {"default": SIZES[0]})}}
class N(Base):
    DESCRIPTION = "What it does."
    CATEGORY = "a" + "/b"
    RETURN_TYPES = ("IMAGE", any_type)
    RETURN_NAMES = ("picture",)
    OUTPUT_IS_LIST = (True, False)
    OUTPUT_NODE = True
    DEPRECATED = True
    FUNCTION = "run"
    @classmethod
    def INPUT_TYPES(s):
        types = super().INPUT_TYPES()
        types["required"]["model"] = (folder_paths.get_filename_list("checkpoints"), {"tooltip": "which"})
        types["optional"] = {"sampler": (comfy.samplers.KSampler.SAMPLERS,)}
        types["hidden"] = {"id": "UNIQUE_ID"}
        return types
NODE_CLASS_MAPPINGS = {"N": N}
"""
    (node,) = inspect(tmp_path, init=code).nodes
    assert node.schema == {
        "input": {
            "required": {
                "value": ["*", {}],
                "size": [[64, 128, 192], {"default": 64}],
                "model": [[], {"tooltip": "which"}],
            },
            "optional": {"sampler": [[]]},
            "hidden": {"id": "UNIQUE_ID"},
        },
        "input_order": {"required": ["value", "size", "model"], "optional": ["sampler"], "hidden": ["id"]},
        "output": ["IMAGE", "*"],
        "output_is_list": [True, False],
        "output_name": ["picture", "*"],
        "name": "N",
        "display_name": "N",
        "description": "What it does.",
        "python_module": "custom_nodes.a_pack",
        "category": "a/b",
        "output_node": True,
        "deprecated": True,
    }
    assert node.dynamic == {"model": "folder:checkpoints", "sampler": "samplers"}


def test_a_node_whose_inputs_are_unknowable_has_an_id_but_no_schema(tmp_path: Path) -> None:
    code = A.replace('{"required": {"image": ("IMAGE",)}}', "somewhere.inputs()")
    (node,) = inspect(tmp_path, init=f"import somewhere\n{code}\nNODE_CLASS_MAPPINGS = {{'A': A}}").nodes
    assert (node.id, node.schema) == ("A", {})
    assert node.code
