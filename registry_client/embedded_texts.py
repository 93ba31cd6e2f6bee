"""The texts that a user's file brings: those embedded in a PNG, or the file itself, whatever other file it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from registry_client.errors import UnreadableFile
from sdk.png_texts import SIGNATURE, TextTooLarge, read_texts

MAX_BYTES = 64 * 2**20


@dataclass(frozen=True)
class EmbeddedTexts:
    """What a file says.

    Attributes:
        texts: in the order of the keywords asked for.
        damage: how a picture is damaged, to be appended to a sentence about what is missing; "" where it is not.
    """

    texts: Sequence[str]
    damage: str = ""


def is_png(start: bytes) -> bool:
    """Whether a file that begins so is a PNG."""
    return start.startswith(SIGNATURE)


def read_embedded(path: Path, *keywords: str) -> EmbeddedTexts:
    """The texts under these keywords in a PNG; of any other file the whole of it.

    Raises:
        UnreadableFile: it can't be read, or there is more than ``MAX_BYTES`` of text.
    """
    try:
        with path.open("rb") as file:
            if is_png(file.read(len(SIGNATURE))):
                found = read_texts(file, MAX_BYTES)
                texts = [found.texts[keyword] for keyword in keywords if keyword in found.texts]
                return EmbeddedTexts(texts, f" The PNG is damaged: {found.damage}." if found.damage else "")
            file.seek(0)
            content = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise UnreadableFile(f"{path} can't be read: {error.strerror or error}.") from error
    except TextTooLarge as error:
        raise UnreadableFile(f"{path} can't be read: {error}.") from error
    if len(content) > MAX_BYTES:
        raise UnreadableFile(f"{path} is no workflow and no record: it is larger than {MAX_BYTES:,} bytes.")
    return EmbeddedTexts([content.decode(errors="replace")])
