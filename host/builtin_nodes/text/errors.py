"""What can be wrong with a prompt, an embedding file or a vocabulary.

NodeError (sdk)
└── TextError
    ├── PromptError           the prompt itself can't be read
    ├── EmbeddingFileError    a textual-inversion file is there but unusable
    └── T5VocabularyError     a T5 vocabulary is missing or unreadable
"""

from __future__ import annotations

from pathlib import Path

from sdk.errors import NodeError


class TextError(NodeError):
    """Root of the errors of prompts and text encoding."""


class PromptError(TextError):
    """A prompt can't be read.

    Attributes:
        excerpt: the part of the prompt that is at fault.
        problem: what is wrong with it, and what to write instead.
    """

    def __init__(self, excerpt: str, problem: str) -> None:
        super().__init__(excerpt, problem)
        self.excerpt, self.problem = excerpt, problem

    def __str__(self) -> str:
        return f"prompt, at {self.excerpt[:80]!r}: {self.problem}"


class EmbeddingFileError(TextError):
    """A textual-inversion file exists but can't be used.

    Attributes:
        path: the file.
        problem: what is wrong with it.
    """

    def __init__(self, path: Path, problem: str) -> None:
        super().__init__(path, problem)
        self.path, self.problem = path, problem

    def __str__(self) -> str:
        return (
            f"embedding file {self.path}: {self.problem}. "
            "Replace the file, or remove it from the prompt; expected are vectors in safetensors, .pt or .bin form."
        )


class T5VocabularyError(TextError):
    """A T5 vocabulary is missing or unreadable.

    Attributes:
        path: where it was looked for.
        problem: what is wrong with it.
    """

    def __init__(self, path: Path, problem: str) -> None:
        super().__init__(path, problem)
        self.path, self.problem = path, problem

    def __str__(self) -> str:
        return f"T5 vocabulary {self.path}: {self.problem}. Put the tokenizer.json of a T5 v1.1 there."
