"""The classes SaveImage and PreviewImage of ``nodes``, which packs subclass to save in their own way."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from host.comfyui.running import node_context
from host.comfyui.surface import folder_paths
from sdk.context import SavePlace

if TYPE_CHECKING:
    from torch import Tensor

_LETTERS, _LENGTH = "abcdefghijklmnopqrstuvwxyz", 5
_HIDDEN = {"prompt": "PROMPT", "extra_pnginfo": "EXTRA_PNGINFO"}


class SaveImage:
    """Saves pictures as numbered PNG files with the workflow inside.

    Attributes:
        output_dir: the folder that they go to.
        type: what clients are told of it: "output", "temp" or "input".
        prefix_append: stands between prefix and number.
        compress_level: of zlib, 0 to 9.
    """

    CATEGORY = "image"
    DESCRIPTION = "Saves the input images to your output folder."
    RETURN_TYPES: tuple[str, ...] = ()
    FUNCTION = "save_images"
    OUTPUT_NODE = True

    def __init__(self) -> None:
        self.output_dir = folder_paths.get_output_directory()
        self.type = "output"
        self.prefix_append = ""
        self.compress_level = 4

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, dict[str, Any]]:  # noqa: N802  (packs call it by this name)
        return {
            "required": {"images": ("IMAGE",), "filename_prefix": ("STRING", {"default": "ComfyUI"})},
            "hidden": dict(_HIDDEN),
        }

    def save_images(
        self,
        images: Tensor,
        filename_prefix: str = "ComfyUI",
        prompt: Any = None,
        extra_pnginfo: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        """Save each picture of [batch, height, width, channel]; gives what clients show.

        Each file appears whole or not at all, and never in place of another. Raises NodeError for a prefix that leads
        out of the folder, or if the disk refuses.
        """
        from host.builtin_nodes.images.metadata import png_text
        from host.builtin_nodes.images.pixels import checked_batch, to_pillow
        from host.builtin_nodes.images.saving import save_numbered

        context = node_context("SaveImage.save_images")
        height, width = checked_batch(images).shape[1:3]
        folder, stem, number, subfolder, _ = folder_paths.get_save_image_path(
            filename_prefix + self.prefix_append, self.output_dir, width, height
        )
        place = SavePlace(Path(folder), stem, number, subfolder, self.type)
        text, saved = png_text(prompt, extra_pnginfo), []
        for index, image in enumerate(images):
            context.cancel.raise_if_cancelled()
            write = partial(to_pillow(image).save, format="PNG", pnginfo=text, compress_level=self.compress_level)
            file = save_numbered(place, write, number=number, stem=stem.replace("%batch_num%", str(index)))
            number = file.number + 1
            saved.append(file.shown())
        return {"ui": {"images": saved}}


class PreviewImage(SaveImage):
    """Shows pictures without keeping them: they go to the temporary folder."""

    DESCRIPTION = "Shows the input images without saving them."

    def __init__(self) -> None:
        super().__init__()
        self.output_dir = folder_paths.get_temp_directory()
        self.type = "temp"
        self.prefix_append = "_temp_" + "".join(secrets.choice(_LETTERS) for _ in range(_LENGTH))
        self.compress_level = 1

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, dict[str, Any]]:  # noqa: N802
        return {"required": {"images": ("IMAGE",)}, "hidden": dict(_HIDDEN)}
