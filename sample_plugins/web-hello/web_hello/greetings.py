"""Greetings by language."""

from __future__ import annotations

GREETINGS = {"en": "Hello, {name}!", "de": "Hallo, {name}!", "fr": "Bonjour, {name} !", "ja": "こんにちは、{name}さん!"}
LONGEST_NAME = 100


class UnknownLanguage(ValueError):
    """Nobody has written a greeting in this language."""

    def __init__(self, language: str) -> None:
        super().__init__(language)
        self.language = language

    def __str__(self) -> str:
        return f"there is no greeting in {self.language!r}; there are: {', '.join(GREETINGS)}"


def greeting(name: str, language: str) -> str:
    """The greeting; a name of nothing but blanks is the world's.

    Raises:
        UnknownLanguage: there is none in this language.
    """
    if language not in GREETINGS:
        raise UnknownLanguage(language)
    return GREETINGS[language].format(name=name.strip()[:LONGEST_NAME] or "world")
