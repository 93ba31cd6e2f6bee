"""The node. It is asynchronous, so that others run while the API works."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Annotated

from api_image.settings import BadSettings, read_settings
from sdk import Image, Multiline, NodeContext, NodeError, NodeType, Range, Seed, hookimpl, node

_STEPS = 100


@node(id="ApiImage", title="API image", category="image/api", names=["image"], thread_safe=True)
async def api_image(
    context: NodeContext,
    prompt: Annotated[str, Multiline()] = "a lighthouse at dusk",
    width: Annotated[int, Range(64, 4096, 8)] = 1024,
    height: Annotated[int, Range(64, 4096, 8)] = 1024,
    seed: Annotated[int, Seed()] = 0,
    model: str = "default",
) -> Image:
    """Have an image made by a model behind an HTTP API. Equal inputs are paid for once; change the seed for another.

    Cancelling the job calls it off at the API, too.

    Args:
        prompt: What the image shows.
        width: In pixels.
        height: In pixels.
        seed: Equal seeds give equal images, as far as the API keeps that.
        model: By its name at the API.
    """
    from api_image.client import JobFailed, make_picture
    from api_image.pictures import NoPicture, decode

    order = {"prompt": prompt, "width": width, "height": height, "seed": seed, "model": model}
    try:
        data = await make_picture(
            read_settings(os.environ), order, lambda share: context.progress(round(share * _STEPS), _STEPS)
        )
        return decode(data)
    except (BadSettings, JobFailed) as error:
        raise NodeError(str(error)) from error
    except NoPicture as error:
        raise NodeError(f"{error}.") from error


@hookimpl
def register_nodes() -> Iterable[NodeType]:
    return [api_image]
