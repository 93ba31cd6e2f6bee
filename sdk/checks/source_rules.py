"""The rules about source code. Each yields findings of one file."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator

from sdk.checks.findings import Finding
from sdk.checks.rules import RULES
from sdk.checks.source_facts import FILES, SourceFile, at_import, is_fetching

_EXECUTING = re.compile(r"(builtins\.)?(exec|eval)")
_MAKES_CODE = re.compile(r"types\.(FunctionType|CodeType|LambdaType)")
_SHELLS = re.compile(r"os\.(system|popen)|subprocess\.(getoutput|getstatusoutput)|commands\.getoutput")
_PROCESSES = re.compile(
    r"subprocess\.(run|call|check_call|check_output|Popen)|asyncio\.create_subprocess_(exec|shell)|os\.(spawn|exec)\w+"
)
_INSTALLERS = re.compile(r"\bpip3?\b.*\binstall\b|\buv\b.*\b(install|add)\b|\bconda\b.*\binstall\b|\beasy_install\b")
_FETCHED_SCRIPT = re.compile(
    r"\b(curl|wget)\b.*\|\s*(sudo\s+)?(ba|z|da)?sh\b|\b(iwr|irm|Invoke-WebRequest|DownloadString)\b.*\b(iex|Invoke-Expression)\b",
    re.IGNORECASE,
)
_PIP_CALLS = re.compile(
    r"pip\.main|pip\._internal\.(main|cli\.main\.main)|pip\._internal\.main\.main|pip\.__main__\._main"
)
_WEBHOOKS = re.compile(
    r"https?://(?:\w+\.)?discord(?:app)?\.com/api/webhooks|https?://hooks\.slack\.com/services/\w"
    r"|https?://api\.telegram\.org/bot|https?://(?:\w+\.)?webhook\.site/|https?://\w+\.(?:requestbin|pipedream)\.net"
)
_SECRET_FILES = re.compile(
    r"\.ssh[/\\](?:id_|authorized_keys)|\.aws[/\\]credentials|\.git-credentials|\.netrc\b|Login Data\b|\bLocal State\b"
    r"|key4\.db|logins\.json|cookies\.sqlite|wallet\.dat|\.docker[/\\]config\.json|\.kube[/\\]config"
    r"|Local Storage[/\\]leveldb|/etc/shadow"
)
_CREDENTIALS = re.compile(
    r"\bAKIA[0-9A-Z]{16}\b|\bghp_[A-Za-z0-9]{36}\b|\bgithub_pat_\w{50,}|\bhf_[A-Za-z0-9]{34}\b|\bsk-ant-[\w-]{30,}"
    r"|\bsk-(?:proj-)?[A-Za-z0-9]{40,}\b|\bxox[bp]-[0-9]{10,}-\w+|\bAIza[0-9A-Za-z_-]{35}\b"
    r"|-----BEGIN (?:RSA |EC |OPENSSH )?PRIVATE KEY-----"
)
_UNPICKLING = re.compile(
    r"(c?[pP]ickle|dill|cloudpickle|joblib|_pickle)\.(load|loads|Unpickler)|pandas\.read_pickle|torch\.load"
    r"|numpy\.load|yaml\.(load|load_all|unsafe_load|unsafe_load_all)"
)
_UNSAFE_LOADERS = frozenset({"yaml.Loader", "yaml.UnsafeLoader", "yaml.CLoader"})
_DELETING = re.compile(r"shutil\.rmtree|os\.(remove|unlink|rmdir|removedirs)")
_PATH_WRITES = frozenset({"write_text", "write_bytes", "unlink", "rmdir", "symlink_to"})
_ABSOLUTE = re.compile(r"(/(?!dev/null|dev/shm|tmp/|comfyui/)[A-Za-z]|~|[A-Za-z]:[/\\])")
_LARGE_LITERAL = 100_000
_ENCODED = re.compile(r"[A-Za-z0-9+/=_\s-]+")


def executed_text(file: SourceFile) -> Iterator[Finding]:
    """CN101, CN102, CN104."""
    for call, path in file.calls:
        if _MAKES_CODE.fullmatch(path) and any(map(file.is_decoded, call.args)):
            yield RULES["CN104"].found(f"{path}() is given code that was decoded", file.name, call.lineno)
        if (_SHELLS.fullmatch(path) or _PROCESSES.fullmatch(path)) and _FETCHED_SCRIPT.search(_words(file, call)):
            yield RULES["CN101"].found(f"{path}() runs a script from the network", file.name, call.lineno)
        if not _EXECUTING.fullmatch(path) or not call.args:
            continue
        what = call.args[0]
        if file.is_decoded(what):
            yield RULES["CN104"].found(f"{path}() is given text that was decoded", file.name, call.lineno)
        elif file.is_fetched(what):
            yield RULES["CN101"].found(f"{path}() is given text from the network", file.name, call.lineno)
        elif not isinstance(what, ast.Constant) and not _has_no_builtins(call):
            yield RULES["CN102"].found(f"{path}() is given text that is not constant", file.name, call.lineno)


def _has_no_builtins(call: ast.Call) -> bool:
    """``eval(text, {"__builtins__": {}}, names)`` at least says what may be used."""
    return any("'__builtins__'" in ast.dump(argument) for argument in call.args[1:2])


def installs(file: SourceFile) -> Iterator[Finding]:
    """CN103."""
    for call, path in file.calls:
        if _PIP_CALLS.fullmatch(path):
            yield RULES["CN103"].found(f"{path}() installs packages", file.name, call.lineno)
        elif _PROCESSES.fullmatch(path) or _SHELLS.fullmatch(path):
            words = _words(file, call)
            if _INSTALLERS.search(words):
                yield RULES["CN103"].found(f"{path}() runs an installer of packages", file.name, call.lineno)


def _words(file: SourceFile, call: ast.Call) -> str:
    """The constant words of a command; also where it was put into a variable first."""
    found = [node.value for arg in call.args[:1] for node in ast.walk(arg) if isinstance(node, ast.Constant)]
    names = {arg.id for arg in call.args[:1] if isinstance(arg, ast.Name)}
    for bound, value in file.bindings if names else ():
        if names & set(bound):
            found += [node.value for node in ast.walk(value) if isinstance(node, ast.Constant)]
    return " ".join(word for word in found if isinstance(word, str))


def shells(file: SourceFile) -> Iterator[Finding]:
    """CN110."""
    for call, path in file.calls:
        constant = bool(call.args) and isinstance(call.args[0], ast.Constant)
        shell = any(word.arg == "shell" and getattr(word.value, "value", None) is True for word in call.keywords)
        if (_SHELLS.fullmatch(path) or (shell and _PROCESSES.fullmatch(path))) and not constant:
            yield RULES["CN110"].found(f"{path}() gives a text to a shell", file.name, call.lineno)


def large_literals(file: SourceFile) -> Iterator[Finding]:
    """CN105."""
    for text, line in file.texts:
        if len(text) > _LARGE_LITERAL and _ENCODED.fullmatch(text):
            yield RULES["CN105"].found(f"a text of {len(text):,} letters that looks encoded", file.name, line)
    for node in ast.walk(file.tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, bytes) and len(node.value) > _LARGE_LITERAL:
            yield RULES["CN105"].found(f"a literal of {len(node.value):,} bytes", file.name, node.lineno)


def secrets(file: SourceFile) -> Iterator[Finding]:
    """CN106, CN107, CN108."""
    told: set[int] = set()  # a text put together holds what its parts hold
    for text, line in dict.fromkeys(file.texts):
        if _WEBHOOKS.search(text) and line not in told:
            told.add(line)
            yield RULES["CN106"].found("the address of a messenger's webhook", file.name, line)
        if match := _SECRET_FILES.search(text):
            yield RULES["CN107"].found(f"it names {match.group()!r}", file.name, line)
        if match := _CREDENTIALS.search(text):
            yield RULES["CN108"].found(f"a credential that begins with {match.group()[:6]!r}", file.name, line)
    for call, path in file.calls:
        sends = is_fetching(path) or path.endswith((".post", ".put"))
        whole = (node for part in (*call.args, *(k.value for k in call.keywords)) for node in ast.walk(part))
        if sends and any(_is_whole_environment(file, node) for node in whole):
            yield RULES["CN107"].found("all environment variables are sent over the network", file.name, call.lineno)


def _is_whole_environment(file: SourceFile, node: ast.AST) -> bool:
    if not isinstance(node, ast.Call):
        return False
    path = file.dotted(node.func)
    given = [file.dotted(argument) for argument in node.args]
    return path == "os.environ.copy" or (path in ("dict", "str", "json.dumps") and "os.environ" in given)


def unpickling(file: SourceFile) -> Iterator[Finding]:
    """CN111, CN112."""
    for call, path in file.calls:
        if not _UNPICKLING.fullmatch(path):
            continue
        if _is_safe_load(file, call, path):
            continue
        if any(file.is_fetched(argument) for argument in call.args):
            yield RULES["CN111"].found(f"{path}() is given data from the network", file.name, call.lineno)
        else:
            yield RULES["CN112"].found(f"{path}() runs what a file says", file.name, call.lineno)


def _is_safe_load(file: SourceFile, call: ast.Call, path: str) -> bool:
    """Whether a loader that can run code is called so that it does not."""
    words = {word.arg: word.value for word in call.keywords}
    if path == "torch.load":
        return getattr(words.get("weights_only"), "value", None) is not False
    if path == "numpy.load":
        return getattr(words.get("allow_pickle"), "value", None) is not True
    if path in ("yaml.load", "yaml.load_all"):
        loader = words.get("Loader", call.args[1] if len(call.args) > 1 else None)
        return loader is not None and file.dotted(loader) not in _UNSAFE_LOADERS
    return False


def network_shells(file: SourceFile) -> Iterator[Finding]:
    """CN114."""
    paths = {path for _, path in file.calls}
    if not any(path.startswith("socket.") for path in paths):
        return
    for call, path in file.calls:
        if path in ("os.dup2", "pty.spawn"):
            yield RULES["CN114"].found(f"{path}() in a file that opens a socket", file.name, call.lineno)


def outside_writes(file: SourceFile) -> Iterator[Finding]:
    """CN109."""
    for call, path in file.calls:
        if not call.args:
            continue
        target = call.args[0]
        writes = _DELETING.fullmatch(path) or (FILES.fullmatch(path) and _is_write(call))
        if (
            writes
            and isinstance(target, ast.Constant)
            and isinstance(target.value, str)
            and _ABSOLUTE.match(target.value)
        ):
            yield RULES["CN109"].found(f"{path}() of {target.value!r}", file.name, call.lineno)
        elif writes and file.is_in_home(target):
            yield RULES["CN109"].found(f"{path}() in the user's home folder", file.name, call.lineno)
    for call, _ in file.calls:
        method = call.func if isinstance(call.func, ast.Attribute) else None
        if method is not None and method.attr in _PATH_WRITES and file.is_in_home(method.value):
            yield RULES["CN109"].found("a file is changed in the user's home folder", file.name, call.lineno)


def _is_write(call: ast.Call) -> bool:
    modes = [*call.args[1:2], *(word.value for word in call.keywords if word.arg == "mode")]
    return any(isinstance(mode, ast.Constant) and set(str(mode.value)) & set("wax+") for mode in modes)


def network_at_import(file: SourceFile) -> Iterator[Finding]:
    """CN113."""
    for call in at_import(file.tree):
        path = file.dotted(call.func)
        if is_fetching(path):
            yield RULES["CN113"].found(f"{path}() is called when {file.name} is imported", file.name, call.lineno)


SOURCE_RULES: tuple[Callable[[SourceFile], Iterator[Finding]], ...] = (
    executed_text,
    installs,
    shells,
    large_literals,
    secrets,
    unpickling,
    network_shells,
    outside_writes,
    network_at_import,
)
