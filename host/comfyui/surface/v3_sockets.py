"""The bases of schema-style inputs and outputs, and the types that are sockets only."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar


def present(**options: Any) -> dict[str, Any]:
    """The options that are not None."""
    return {name: value for name, value in options.items() if value is not None}


class Input:
    """An input of a schema: its name, whether it may be left out, and the options front ends read."""

    io_type: str = "*"

    def __init__(
        self,
        id: str,
        display_name: str | None = None,
        optional: bool = False,
        tooltip: str | None = None,
        lazy: bool | None = None,
        extra_dict: Mapping[str, Any] | None = None,
        raw_link: bool | None = None,
        advanced: bool | None = None,
    ) -> None:
        self.id = id
        self.display_name = display_name
        self.optional = optional
        self.tooltip = tooltip
        self.lazy = lazy
        self.extra_dict = dict(extra_dict or {})
        self.raw_link = raw_link
        self.advanced = advanced

    def get_io_type(self) -> str:
        """The name of the socket type."""
        return self.io_type

    def as_dict(self) -> dict[str, Any]:
        """The options by the names they have in ``/object_info``."""
        said = present(
            display_name=self.display_name,
            tooltip=self.tooltip,
            lazy=self.lazy,
            rawLink=self.raw_link,
            advanced=self.advanced,
        )
        return said | self.extra_dict


class WidgetInput(Input):
    """An input that a widget can fill."""

    def __init__(
        self,
        id: str,
        display_name: str | None = None,
        optional: bool = False,
        tooltip: str | None = None,
        lazy: bool | None = None,
        default: Any = None,
        socketless: bool | None = None,
        widget_type: str | None = None,
        force_input: bool | None = None,
        extra_dict: Mapping[str, Any] | None = None,
        raw_link: bool | None = None,
        advanced: bool | None = None,
    ) -> None:
        super().__init__(id, display_name, optional, tooltip, lazy, extra_dict, raw_link, advanced)
        self.default = default
        self.socketless = socketless
        self.widget_type = widget_type
        self.force_input = force_input

    def as_dict(self) -> dict[str, Any]:
        return super().as_dict() | present(
            default=self.default, socketless=self.socketless, widgetType=self.widget_type, forceInput=self.force_input
        )


class Output:
    """An output of a schema; without a name it shows its type."""

    io_type: str = "*"

    def __init__(
        self,
        id: str | None = None,
        display_name: str | None = None,
        tooltip: str | None = None,
        is_output_list: bool = False,
    ) -> None:
        self.id = id
        self.display_name = display_name
        self.tooltip = tooltip
        self.is_output_list = is_output_list

    def get_io_type(self) -> str:
        """The name of the socket type."""
        return self.io_type


class SocketType:
    """A type with the classes of its inputs and outputs: ``Image.Input("image")``, ``Image.Output()``."""

    io_type: ClassVar[str] = "*"
    Type: ClassVar[Any] = Any
    Input: ClassVar[type[Input]] = Input
    Output: ClassVar[type[Output]] = Output


def socket_type(io_type: str, name: str | None = None, input_base: type[Input] = Input) -> type[SocketType]:
    """A type of that name, whose inputs derive from ``input_base``."""
    inputs = type("Input", (input_base,), {"io_type": io_type})
    outputs = type("Output", (Output,), {"io_type": io_type})
    return type(name or io_type, (SocketType,), {"io_type": io_type, "Input": inputs, "Output": outputs})


def Custom(io_type: str) -> type[SocketType]:  # noqa: N802  (packs call it by this name)
    """The type a pack invents under this name; equal names fit each other."""
    return socket_type(io_type)


AnyType = socket_type("*", "AnyType")
Audio = socket_type("AUDIO", "Audio")
Clip = socket_type("CLIP", "Clip")
ClipVision = socket_type("CLIP_VISION", "ClipVision")
ClipVisionOutput = socket_type("CLIP_VISION_OUTPUT", "ClipVisionOutput")
Conditioning = socket_type("CONDITIONING", "Conditioning")
ControlNet = socket_type("CONTROL_NET", "ControlNet")
Gligen = socket_type("GLIGEN", "Gligen")
Guider = socket_type("GUIDER", "Guider")
Hooks = socket_type("HOOKS", "Hooks")
HookKeyframes = socket_type("HOOK_KEYFRAMES", "HookKeyframes")
Image = socket_type("IMAGE", "Image")
Latent = socket_type("LATENT", "Latent")
LatentOperation = socket_type("LATENT_OPERATION", "LatentOperation")
LoraModel = socket_type("LORA_MODEL", "LoraModel")
Mask = socket_type("MASK", "Mask")
Mesh = socket_type("MESH", "Mesh")
Model = socket_type("MODEL", "Model")
ModelPatch = socket_type("MODEL_PATCH", "ModelPatch")
Noise = socket_type("NOISE", "Noise")
Sampler = socket_type("SAMPLER", "Sampler")
Sigmas = socket_type("SIGMAS", "Sigmas")
StyleModel = socket_type("STYLE_MODEL", "StyleModel")
UpscaleModel = socket_type("UPSCALE_MODEL", "UpscaleModel")
Vae = socket_type("VAE", "Vae")
Video = socket_type("VIDEO", "Video")
Voxel = socket_type("VOXEL", "Voxel")
Webcam = socket_type("WEBCAM", "Webcam")
