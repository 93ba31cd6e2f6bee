"""Knows where model files lie and which of them is which; reads no tensor."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from host.models.errors import ModelFileError, ModelNotFound
from host.models.files.hashes import HashCache
from host.models.files.header import GGUF_SUFFIX, is_shard_index, read_shard_index, regular_file_size

MODEL_FOLDERS: Mapping[str, tuple[str, ...]] = {
    "checkpoints": ("checkpoints",),
    "diffusion_models": ("diffusion_models", "unet"),
    "text_encoders": ("text_encoders", "clip"),
    "vae": ("vae",),
    "vae_approx": ("vae_approx",),
    "loras": ("loras",),
    "embeddings": ("embeddings",),
    "controlnet": ("controlnet", "t2i_adapter"),
    "clip_vision": ("clip_vision",),
    "style_models": ("style_models",),
    "upscale_models": ("upscale_models",),
    "latent_upscale_models": ("latent_upscale_models",),
    "gligen": ("gligen",),
    "hypernetworks": ("hypernetworks",),
    "photomaker": ("photomaker",),
    "audio_encoders": ("audio_encoders",),
    "model_patches": ("model_patches",),
}
"""The sub-folders of a root that hold each kind of model."""

KIND_ALIASES: Mapping[str, str] = {"unet": "diffusion_models", "clip": "text_encoders"}

MODEL_SUFFIXES = (".safetensors", ".sft", ".ckpt", ".pt", ".pth", ".bin", GGUF_SUFFIX)


OTHER_SUFFIXES: Mapping[str, tuple[str, ...]] = {"configs": (".yaml", ".yml")}
"""By kind, where its files are no models but go with some."""


def is_model_name(name: str, kind: str = "") -> bool:
    """Whether a file of this name can be a model, or what else the folders of a kind hold: its suffix says so."""
    suffixes = OTHER_SUFFIXES.get(kind)
    if suffixes is not None:
        return name.lower().endswith(suffixes)
    return name.lower().endswith(MODEL_SUFFIXES) or is_shard_index(name)


@dataclass(frozen=True)
class FileIdentity:
    """Which file stands at a path now, as far as the file system tells without reading it."""

    path: Path
    size: int
    mtime_ns: int
    device: int
    inode: int

    @classmethod
    def of(cls, path: Path) -> FileIdentity:
        """The identity of a regular file; raises ModelFileError for anything else."""
        regular_file_size(path)
        real = path.resolve()
        status = real.stat()
        return cls(real, status.st_size, status.st_mtime_ns, status.st_dev, status.st_ino)

    @property
    def key(self) -> str:
        """Changes whenever the file is replaced or written to."""
        return _digest(f"{self.path}\0{self._facts}")

    @property
    def shared_key(self) -> str:
        """The same for all names of a file (hard links), but only within a process.

        A later file may get the place of one that is gone. Where a file system doesn't count its files, it is ``key``.
        """
        return _digest(self._facts) if self.inode else self.key

    @property
    def _facts(self) -> str:
        return f"{self.size}\0{self.mtime_ns}\0{self.device}\0{self.inode}"


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()[:32]


class Library:
    """The model files below several root folders, by kind and relative name.

    Args:
        roots: folders laid out as ``MODEL_FOLDERS`` says; earlier ones win where a name occurs twice.
        extra: further folders by kind, which may be a new one; they come after the roots.
        hashes: remembers SHA-256 sums; by default for the life of this object.
    """

    def __init__(
        self, roots: Sequence[Path], extra: Mapping[str, Sequence[Path]] | None = None, hashes: HashCache | None = None
    ) -> None:
        self._hashes = hashes or HashCache()
        folders = {kind: [root / name for root in roots for name in names] for kind, names in MODEL_FOLDERS.items()}
        for kind, more in (extra or {}).items():
            folders.setdefault(KIND_ALIASES.get(kind, kind), []).extend(more)
        self._folders = {kind: tuple(dict.fromkeys(paths)) for kind, paths in folders.items()}

    def add(self, kind: str, folders: Sequence[Path]) -> None:
        """Search these folders, too, for files of a kind, which may be a new one; after those known so far."""
        kind = KIND_ALIASES.get(kind, kind)
        self._folders[kind] = tuple(dict.fromkeys((*self._folders.get(kind, ()), *folders)))

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kinds of models there are folders for."""
        return tuple(self._folders)

    def folders(self, kind: str) -> tuple[Path, ...]:
        """The folders of a kind, existing or not; ModelNotFound for a kind nobody declared."""
        try:
            return self._folders[KIND_ALIASES.get(kind, kind)]
        except KeyError:
            raise ModelNotFound("model folders", kind, self.kinds) from None

    def names(self, kind: str) -> tuple[str, ...]:
        """The files of a kind, relative to their folder, with forward slashes, sorted, each once."""
        return tuple(sorted({name for folder in self.folders(kind) for name in _files(folder, kind)}))

    def find(self, kind: str, name: str) -> Path:
        """The file of that name, which may be written with backslashes; never one outside the kind's folders.

        Raises ModelNotFound, which lists what there is.
        """
        relative = PurePosixPath(name.replace("\\", "/"))
        if name and "\0" not in name and not relative.is_absolute() and ".." not in relative.parts:
            for folder in self.folders(kind):
                path = folder / relative
                if is_model_name(path.name, kind) and os.path.isfile(path):  # False, too, for a name no file could have
                    return path
        raise ModelNotFound(kind, name, self.names(kind))

    def content_key(self, path: Path) -> str:
        """Identifies a model's content without reading it: the file's identity, with its shards' if it has any."""
        return _joined([identity.key for identity in _identities(path)])

    def shared_key(self, path: Path) -> str:
        """The same for all names that a model's files have, within this process."""
        return _joined([identity.shared_key for identity in _identities(path)])

    def sha256(self, path: Path) -> str:
        """The SHA-256 sum of a file's bytes in hexadecimal; read once as long as the file stays the same."""
        identity = FileIdentity.of(path)
        found = self._hashes.get(identity.key)
        if found is None:
            try:
                with identity.path.open("rb") as file:
                    found = hashlib.file_digest(file, "sha256").hexdigest()
            except OSError as error:
                raise ModelFileError(path, f"can't be read ({error})") from error
            self._hashes.put(identity.key, found)
        return found


def _identities(path: Path) -> Iterator[FileIdentity]:
    """Of a file, and of its shards if it has any."""
    yield FileIdentity.of(path)
    if is_shard_index(path.name):
        for shard in sorted(set(read_shard_index(path).values())):
            yield FileIdentity.of(path.parent / shard)


def _joined(keys: Sequence[str]) -> str:
    return keys[0] if len(keys) == 1 else _digest("".join(keys))


def _files(folder: Path, kind: str) -> Iterator[str]:
    """Files of a kind below a folder. Links to folders are followed, each real folder once, so that loops end."""
    seen: set[tuple[int, int]] = set()
    pending = [(folder, "")]
    while pending:
        parent, prefix = pending.pop()
        try:
            status = parent.stat()
            entries = sorted(os.scandir(parent), key=lambda entry: entry.name)
        except (FileNotFoundError, NotADirectoryError, PermissionError):
            continue
        if (status.st_dev, status.st_ino) in seen:
            continue
        seen.add((status.st_dev, status.st_ino))
        for entry in entries:
            if entry.name.startswith("."):
                continue
            # Not the entry's own methods: they raise for a link that leads back to itself.
            if os.path.isdir(entry.path):
                pending.append((parent / entry.name, f"{prefix}{entry.name}/"))
            elif is_model_name(entry.name, kind) and os.path.isfile(entry.path):
                yield prefix + entry.name
