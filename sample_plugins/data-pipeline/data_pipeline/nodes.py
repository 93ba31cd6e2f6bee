"""The nodes. Everything they write lies below the host's input and output folders."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from typing import Annotated
from urllib.parse import unquote, urlsplit

from data_pipeline.rules import NotAllowed, read_rules
from sdk import Determinism, Image, NodeContext, NodeError, NodeResult, NodeType, Range, hookimpl, node

CATEGORY = "data pipeline"
DOWNLOADS = "downloads"
_PICTURES = frozenset({".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".tif", ".tiff"})
_SHA256 = re.compile(r"[0-9a-fA-F]{64}")


@node(id="PipelineDownload", title="Download file", category=CATEGORY, names=["file", "sha256"])
def download_file(context: NodeContext, url: str = "", sha256: str = "") -> tuple[str, str]:
    """Fetch a file into the input folder, and give its name there.

    Only hosts in DATA_PIPELINE_HOSTS are asked. A file that is there already, with the hash asked for, is not fetched
    again.

    Args:
        url: Where it is, http or https.
        sha256: What it must be, as 64 hexadecimal digits; empty takes what comes, and tells its hash.
    """
    from data_pipeline.downloading import DownloadFailed, download

    if sha256 and not _SHA256.fullmatch(sha256):
        raise NodeError("sha256 must be 64 hexadecimal digits, or empty.")
    place = context.folders.place(f"{DOWNLOADS}/file", root="input")
    target = place.folder / _file_name(url)
    name = f"{DOWNLOADS}/{target.name}"
    if sha256 and target.is_file() and _hash(target) == sha256.lower():
        return name, sha256.lower()
    try:
        found = download(
            url, target, read_rules(os.environ), sha256=sha256, report=lambda size, of: context.progress(size, of)
        )
    except (NotAllowed, DownloadFailed) as error:
        raise NodeError(f"{error}.") from error
    return name, found


@node(id="PipelineVideoFrames", title="Video frames", category=CATEGORY, names=["frames", "fps"], reads=["video"])
def video_frames(
    context: NodeContext,
    video: str = "video.mp4",
    first: Annotated[int, Range(0, 10_000_000)] = 0,
    every: Annotated[int, Range(1, 10_000)] = 1,
    most: Annotated[int, Range(1, 10_000)] = 64,
) -> tuple[Image, float]:
    """Take frames from a video in the input folder.

    Args:
        video: The file's name in the input folder.
        first: Number of the first frame taken; the video's first is 0.
        every: 2 takes every second frame, and so on.
        most: So many at most.
    """
    from data_pipeline.pictures import Choice, Unreadable, read_frames

    path = context.folders.input_file(video)
    try:
        return read_frames(path, Choice(first, every, most), lambda done, of: context.progress(done, of))
    except Unreadable as error:
        raise NodeError(f"{error}.") from error


@node(
    id="PipelineLoadFolder",
    title="Load folder of images",
    category=CATEGORY,
    names=["images", "names"],
    determinism=Determinism.EXTERNAL,
)
def load_folder(
    context: NodeContext,
    folder: str = "",
    pattern: str = "*",
    most: Annotated[int, Range(1, 100_000)] = 1000,
) -> tuple[list[Image], list[str]]:
    """Load the images of a folder in the input folder, by name; what follows runs once for each.

    Args:
        folder: Below the input folder; empty for that itself.
        pattern: Which files, such as photo-*.png.
        most: So many at most.
    """
    from data_pipeline.pictures import Unreadable, read_picture

    place = _input_folder(context, folder)
    paths = [p for p in sorted(place.glob(pattern or "*")) if p.suffix.lower() in _PICTURES and p.is_file()][:most]
    paths = [path for path in paths if path.resolve().is_relative_to(place)]
    if not paths:
        raise NodeError(f"There are no pictures {pattern!r} in the folder {folder or 'input'!r}.")
    images = []
    for number, path in enumerate(paths):
        try:
            images.append(read_picture(path))
        except Unreadable as error:
            raise NodeError(f"{error}.") from error
        context.progress(number + 1, len(paths))
    return images, [path.stem for path in paths]


@node(id="PipelineSaveFolder", title="Save folder of images", category=CATEGORY, returns=str, output_node=True)
def save_folder(
    context: NodeContext, images: list[Image], names: list[str] | None = None, folder: str = "pipeline"
) -> NodeResult:
    """Save all images of a list into a folder, under names of their own.

    Args:
        images: What is saved; each may be a batch.
        names: One for each; of a batch, all but the first get a number. Without names, all are numbered.
        folder: Below the output folder.
    """
    from data_pipeline.pictures import write_picture

    if names and len(names) != len(images):
        raise NodeError(f"There are {len(images)} images and {len(names)} names.")
    place = context.folders.place(f"{folder}/image", root="output")
    wanted = [
        f"{_safe(names[number]) if names else f'{number:05}'}{f'-{part}' if part else ''}.png"
        for number, batch in enumerate(images)
        for part in range(len(batch))
    ]
    if twice := sorted({name for name in wanted if wanted.count(name) > 1}):
        raise NodeError(f"Two images would be called {twice[0]}; give them different names.")
    for number, (name, image) in enumerate(zip(wanted, (image for batch in images for image in batch), strict=True)):
        write_picture(image, place.folder / name)
        context.progress(number + 1, len(wanted))
    shown = [{"filename": name, "subfolder": place.subfolder, "type": "output"} for name in wanted]
    return NodeResult(outputs=(place.subfolder,), ui={"images": shown})


def _input_folder(context: NodeContext, folder: str) -> Path:
    """Raises NodeError for a folder that is not there, or leads out of the input folder."""
    root = context.folders.place("image", root="input").folder.resolve()
    relative = PurePosixPath(folder.replace("\\", "/"))
    place = (root / relative).resolve()
    if relative.is_absolute() or not place.is_relative_to(root) or not place.is_dir():
        raise NodeError(f"There is no folder {folder!r} in the input folder.")
    return place


def _file_name(url: str) -> str:
    """The address's own last part, after a few letters that tell addresses apart."""
    last = unquote(urlsplit(url).path).rpartition("/")[2]
    return f"{hashlib.sha256(url.encode()).hexdigest()[:12]}-{_safe(last)}"


def _safe(name: str) -> str:
    """A file name that is one everywhere."""
    return re.sub(r"[^\w.-]+", "_", name).strip("._")[:100] or "file"


def _hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@hookimpl
def register_nodes() -> Iterable[NodeType]:
    return [download_file, video_frames, load_folder, save_folder]
