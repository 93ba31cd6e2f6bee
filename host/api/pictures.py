"""Pictures as clients want to see them: one channel, or small and quick to load."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL.Image import Image

PREVIEW_FORMATS = {"webp": "WEBP", "jpeg": "JPEG"}
PREVIEW_QUALITY = 90


class NotAPicture(Exception):
    """A file that can't be read as a picture, or only at the cost of too much memory."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(path, reason)
        self.path, self.reason = path, reason

    def __str__(self) -> str:
        return f"{self.path.name} can't be shown as a picture: {self.reason}."


def preview(path: Path, wanted: str, channel: str) -> tuple[bytes, str]:
    """A picture encoded anew: its bytes and their content type.

    Args:
        wanted: ``webp`` or ``jpeg``, perhaps with a quality: ``jpeg;50``. Anything else is taken for ``webp;90``.
        channel: ``rgb`` drops the transparency; one with an ``a`` in it wants it kept, so never as JPEG.

    Raises:
        NotAPicture: there is none in the file.
    """
    kind, _, quality = wanted.partition(";")
    if kind not in PREVIEW_FORMATS or "a" in channel:
        kind = "webp"
    picture = _read(path)
    if kind == "jpeg" or channel == "rgb":
        picture = picture.convert("RGB")
    elif picture.mode not in ("RGB", "RGBA"):
        picture = picture.convert("RGBA" if _transparent(picture) else "RGB")
    value = min(int(quality), 100) if quality.isdecimal() else PREVIEW_QUALITY
    return _encoded(picture, PREVIEW_FORMATS[kind], quality=value), f"image/{kind}"


def colours(path: Path) -> bytes:
    """A picture without its transparency, as PNG; raises NotAPicture."""
    picture = _read(path)
    if picture.mode == "RGBA":
        return _encoded(_without_alpha(picture), "PNG")
    return _encoded(picture.convert("RGB"), "PNG")


def transparency(path: Path) -> bytes:
    """A picture's alpha channel alone, as the alpha of a black PNG; raises NotAPicture."""
    from PIL import Image

    picture = _read(path)
    alpha = picture.getchannel("A") if picture.mode == "RGBA" else Image.new("L", picture.size, 255)
    alone = Image.new("RGBA", picture.size)
    alone.putalpha(alpha)
    return _encoded(alone, "PNG")


def with_alpha_of(original: Path, mask: bytes) -> bytes:
    """The original's colours with the alpha channel of another picture, as PNG that keeps the original's texts.

    Raises:
        NotAPicture: one of both is none, or their sizes differ.
    """
    from PIL.PngImagePlugin import PngInfo

    source = _read(original)
    texts = PngInfo()
    for key, value in getattr(source, "text", {}).items():
        texts.add_text(key, value)
    picture, alpha = source.convert("RGBA"), _read(original, io.BytesIO(mask)).convert("RGBA").getchannel("A")
    if alpha.size != picture.size:
        raise NotAPicture(original, f"its size is {picture.size}, that of the mask is {alpha.size}")
    picture.putalpha(alpha)
    return _encoded(picture, "PNG", compress_level=4, pnginfo=texts)


def _read(path: Path, content: io.BytesIO | None = None) -> Image:
    import warnings

    from PIL import Image, UnidentifiedImageError

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            picture = Image.open(content or path)
            picture.load()
            return picture
    except UnidentifiedImageError as error:
        raise NotAPicture(path, "it is none") from error
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise NotAPicture(path, "it has too many pixels") from error
    except (OSError, SyntaxError, ValueError, EOFError) as error:
        raise NotAPicture(path, f"it is damaged ({error})") from error


def _transparent(picture: Image) -> bool:
    return "A" in picture.getbands() or "transparency" in picture.info


def _without_alpha(picture: Image) -> Image:
    from PIL import Image

    red, green, blue, _ = picture.split()
    return Image.merge("RGB", (red, green, blue))


def _encoded(picture: Image, form: str, **options: object) -> bytes:
    content = io.BytesIO()
    picture.save(content, form, **options)
    return content.getvalue()
