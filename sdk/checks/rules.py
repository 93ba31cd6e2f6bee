"""The rules that every pack is checked against, by the author and by the registry alike."""

from __future__ import annotations

import types
from collections.abc import Mapping
from dataclasses import dataclass

from sdk.checks.findings import Finding


@dataclass(frozen=True)
class Rule:
    """One rule: ``why`` it is there and what to do, ``fix``, as ``docs/checks.md`` prints them."""

    id: str
    severity: str
    title: str
    why: str
    fix: str

    def found(self, message: str, file: str = "", line: int = 0) -> Finding:
        """A finding of this rule."""
        return Finding(id=self.id, severity=self.severity, message=message, file=file, line=line, fix=self.fix)


_ALL = (
    Rule(
        "CN101",
        "high",
        "Fetched text is executed",
        "Whoever controls the server controls every machine the pack is installed on, and no scan ever sees the code.",
        "Put the code into the pack, or fetch data in a format such as JSON.",
    ),
    Rule(
        "CN102",
        "medium",
        "Text is executed",
        "eval() and exec() of a value that a workflow can set let a shared workflow run any code.",
        "Parse the text: ast.literal_eval for values, a small expression parser for arithmetic.",
    ),
    Rule(
        "CN103",
        "high",
        "Packages are installed while the pack runs",
        "It changes the host's environment behind the user's back and may replace torch or numpy for every other pack.",
        "List requirements under [project] dependencies; the client resolves them together with all others.",
    ),
    Rule(
        "CN104",
        "high",
        "Encoded code is executed",
        "Code that is decoded or decompressed before it is executed can't be reviewed.",
        "Put the code into the pack as source.",
    ),
    Rule(
        "CN105",
        "medium",
        "A very large literal",
        "Encoded data in source code hides what it is, and is often a program.",
        "Put the data into a file of its own, in a format that says what it is.",
    ),
    Rule(
        "CN106",
        "high",
        "Data is sent to a messenger's webhook",
        "Webhooks and bot addresses in a pack are how stolen data leaves a machine.",
        "Let users enter an address of their own, and send nothing by default.",
    ),
    Rule(
        "CN107",
        "high",
        "Secrets of the user are read",
        "A node has no business with keys, cookies, wallets or saved passwords.",
        "Ask for the one credential you need as an input or an environment variable of its own.",
    ),
    Rule(
        "CN108",
        "medium",
        "A credential stands in the source",
        "Everybody who downloads the pack can use it.",
        "Revoke it, and read it from an environment variable or from the user.",
    ),
    Rule(
        "CN109",
        "medium",
        "Files outside the host's folders are written or deleted",
        "Workflows come from strangers; a node must not be able to change any other file.",
        "Write below the output, temporary or input folder that the node's context gives.",
    ),
    Rule(
        "CN110",
        "medium",
        "A shell command is run",
        "A value from a workflow inside a shell command can run any other command.",
        "Call subprocess.run([...]) with a list of arguments and without a shell.",
    ),
    Rule(
        "CN111",
        "high",
        "Downloaded data is unpickled",
        "Unpickling runs code; whoever controls the server controls the machine.",
        "Use safetensors, JSON, or torch.load(..., weights_only=True).",
    ),
    Rule(
        "CN112",
        "medium",
        "A file is unpickled",
        "Unpickling a file that somebody else made runs their code.",
        "Use safetensors, JSON, or torch.load(..., weights_only=True).",
    ),
    Rule(
        "CN113",
        "medium",
        "The network is used while the pack is imported",
        "The host can't start without network, or waits for a slow server each time.",
        "Move the request into a node or into a function that is called on demand.",
    ),
    Rule(
        "CN114",
        "high",
        "A shell is connected to the network",
        "Standard input and output that are a socket let somebody else type commands on the user's machine.",
        "Leave it out; nothing that a node does needs it.",
    ),
    Rule(
        "CN115",
        "medium",
        "The source reads otherwise than it runs",
        "Marks that change the direction of writing make code look like a comment, or a comment like code.",
        "Write such marks as escapes, such as \\u202e.",
    ),
    Rule(
        "CN120",
        "medium",
        "A program or native library is in the archive",
        "Binaries can't be reviewed and work on one platform only.",
        "Publish it as a Python package with wheels, and depend on that.",
    ),
    Rule(
        "CN121",
        "low",
        "A script for a shell is in the archive",
        "Users may run it; the host never does.",
        "Leave it out with .comfyignore.",
    ),
    Rule(
        "CN122",
        "medium",
        "The pack wants to run install.py",
        "It is not run: an installation must be the same on every machine and undoable.",
        "List requirements under [project] dependencies, and download models when a node needs them.",
    ),
    Rule(
        "CN123",
        "medium",
        "Compiled Python without a reason",
        "A .pyc file hides its source.",
        "Leave compiled files out; Python makes them.",
    ),
    Rule(
        "CN130",
        "high",
        "A requirement contradicts the host",
        "The host's own packages are never replaced, so the pack can't be installed.",
        "Widen the range so that it meets the host's, or drop the requirement: the host brings the package.",
    ),
    Rule(
        "CN131",
        "medium",
        "A core package is pinned to one version",
        "The pin makes the pack uninstallable as soon as the host updates that package.",
        "Give a lower bound, or none: the host brings the package.",
    ),
    Rule(
        "CN132",
        "medium",
        "A requirement from git without a commit",
        "What is installed may change at any time, without a new version of the pack.",
        "Name a release of the package, or the full commit: package @ git+https://…@<40 hexadecimal digits>.",
    ),
    Rule(
        "CN133",
        "low",
        "Requirements name an index of their own",
        "It is ignored: packages come from the user's indexes alone.",
        "Drop the option.",
    ),
    Rule(
        "CN140",
        "low",
        "No licence",
        "Without a licence nobody may legally use or copy the pack.",
        "Set license in [project], and add a LICENSE file.",
    ),
    Rule(
        "CN141",
        "high",
        "The manifest can't be used",
        "Without name and version in pyproject.toml a pack can't be published or installed.",
        "Correct what the message names.",
    ),
    Rule(
        "CN150",
        "info",
        "Nodes can't be read without running the code",
        "What the registry can't read it can neither show nor protect against duplicates.",
        "Write ids and classes into NODE_CLASS_MAPPINGS literally, or use @node.",
    ),
    Rule(
        "CN151",
        "low",
        "A source file can't be parsed",
        "It was not checked, and importing it fails.",
        "Correct the syntax, or leave the file out with .comfyignore.",
    ),
    Rule(
        "CN152",
        "medium",
        "nodes.json contradicts the code",
        "Hosts would show nodes that are not there, or miss some.",
        "Build the archive with `comfy-nodes pack`, which writes the file anew.",
    ),
    Rule(
        "CN160",
        "high",
        "A node id of the last version is gone",
        "Workflows that use the node stop working.",
        "Keep the old id as an alias of the new node, or raise the major version.",
    ),
)

RULES: Mapping[str, Rule] = types.MappingProxyType({rule.id: rule for rule in _ALL})
