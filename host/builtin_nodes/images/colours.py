"""Nodes between colour spaces, and to fewer colours."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Literal

from sdk import Image, NodeType, Range, Shaped, TypedCombo, hookimpl, node

_LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601
_BLUE_SCALE, _RED_SCALE = 0.564, 0.713


@node(
    id="ImageRGBToYUV",
    category="image/batch",
    names=("Y", "U", "V"),
    output_tooltips=("Brightness, as grey pictures.", "Blue difference; 0.5 is none.", "Red difference; 0.5 is none."),
)
def image_rgb_to_yuv(image: Image) -> tuple[Image, Image, Image]:
    """Brightness and colour of pictures, apart (JPEG's YCbCr).

    Args:
        image: The pictures.
    """
    red, green, blue = (image[..., index : index + 1] for index in range(3))
    luma = _LUMA[0] * red + _LUMA[1] * green + _LUMA[2] * blue
    shape = (*image.shape[:-1], 3)
    return (
        luma.expand(shape),
        ((blue - luma) * _BLUE_SCALE + 0.5).expand(shape),
        ((red - luma) * _RED_SCALE + 0.5).expand(shape),
    )


@node(id="ImageYUVToRGB", category="image/batch", output_tooltips=("The pictures in RGB.",))
def image_yuv_to_rgb(Y: Image, U: Image, V: Image) -> Image:  # noqa: N803 - inputs of saved workflows
    """Pictures from brightness and colour, the reverse of ImageRGBToYUV.

    Args:
        Y: Brightness; of pictures with more channels, their mean.
        U: Blue difference around 0.5.
        V: Red difference around 0.5.
    """
    import torch

    from host.builtin_nodes.images.errors import UnfitImage

    for image in (U, V):
        if image.shape[:3] != Y.shape[:3]:
            raise UnfitImage(tuple(image.shape), "as many and as large as the one for Y")
    luma, blue, red = (image.mean(dim=-1) for image in (Y, U - 0.5, V - 0.5))
    red, blue = luma + red / _RED_SCALE, luma + blue / _BLUE_SCALE
    green = (luma - _LUMA[0] * red - _LUMA[2] * blue) / _LUMA[1]
    return torch.stack((red, green, blue), dim=-1).clamp(0.0, 1.0)


@node(id="ImageQuantize", category="image/postprocessing", output_tooltips=("The pictures in few colours.",))
def image_quantize(
    image: Annotated[Image, Shaped(channels=3, batch=1)],
    colors: Annotated[int, Range(1, 256, 1)] = 256,
    *,
    dither: Annotated[
        Literal["none", "floyd-steinberg", "bayer-2", "bayer-4", "bayer-8", "bayer-16"], TypedCombo(multiselect=False)
    ],
) -> Image:
    """Reduce each picture to a palette of its own.

    Args:
        image: The pictures.
        colors: Colours of the palette.
        dither: How missing colours are suggested: not at all, by spreading the error, or by a pattern of that size.
    """
    import torch

    from host.builtin_nodes.images import quantizing

    return torch.stack([quantizing.quantized(picture, colors, dither) for picture in image])


@hookimpl
def register_nodes() -> Iterable[NodeType]:
    """Nodes for colour spaces and palettes."""
    return [image_rgb_to_yuv, image_yuv_to_rgb, image_quantize]
