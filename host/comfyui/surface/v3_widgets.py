"""Schema-style types whose inputs are widgets: numbers, text, switches, lists to choose from."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum, StrEnum
from typing import Any

from host.comfyui.surface.v3_sockets import Input, Output, SocketType, WidgetInput, present, socket_type


class NumberDisplay(StrEnum):
    """How a number is shown."""

    number = "number"
    slider = "slider"


class UploadType(StrEnum):
    """What can be uploaded into a list of files; the value is the option that front ends read."""

    image = "image_upload"
    audio = "audio_upload"
    video = "video_upload"
    model = "file_upload"


class FolderType(StrEnum):
    """The folder whose files a list shows."""

    input = "input"
    output = "output"
    temp = "temp"


class RemoteOptions:
    """A list that the front end asks the server for."""

    def __init__(
        self,
        route: str,
        refresh_button: bool,
        control_after_refresh: str = "first",
        timeout: int | None = None,
        max_retries: int | None = None,
        refresh: int | None = None,
    ) -> None:
        self.options = present(
            route=route,
            refresh_button=refresh_button,
            control_after_refresh=control_after_refresh,
            timeout=timeout,
            max_retries=max_retries,
            refresh=refresh,
        )

    def as_dict(self) -> dict[str, Any]:
        return dict(self.options)


class _IntInput(WidgetInput):
    def __init__(
        self,
        id: str,
        *common: Any,
        min: int | None = None,
        max: int | None = None,
        step: int | None = None,
        control_after_generate: bool | None = None,
        display_mode: NumberDisplay | None = None,
        **more: Any,
    ) -> None:
        super().__init__(id, *common, **more)
        self.numbers = present(
            min=min, max=max, step=step, control_after_generate=control_after_generate, display=_plain(display_mode)
        )

    def as_dict(self) -> dict[str, Any]:
        return super().as_dict() | self.numbers


class _FloatInput(WidgetInput):
    def __init__(
        self,
        id: str,
        *common: Any,
        min: float | None = None,
        max: float | None = None,
        step: float | None = None,
        round: float | None = None,
        display_mode: NumberDisplay | None = None,
        **more: Any,
    ) -> None:
        super().__init__(id, *common, **more)
        self.numbers = present(min=min, max=max, step=step, round=round, display=_plain(display_mode))

    def as_dict(self) -> dict[str, Any]:
        return super().as_dict() | self.numbers


class _StringInput(WidgetInput):
    def __init__(
        self,
        id: str,
        *common: Any,
        multiline: bool = False,
        placeholder: str | None = None,
        dynamic_prompts: bool | None = None,
        **more: Any,
    ) -> None:
        super().__init__(id, *common, **more)
        self.text = present(multiline=multiline, placeholder=placeholder, dynamicPrompts=dynamic_prompts)

    def as_dict(self) -> dict[str, Any]:
        return super().as_dict() | self.text


class _BooleanInput(WidgetInput):
    def __init__(
        self, id: str, *common: Any, label_on: str | None = None, label_off: str | None = None, **more: Any
    ) -> None:
        super().__init__(id, *common, **more)
        self.labels = present(label_on=label_on, label_off=label_off)

    def as_dict(self) -> dict[str, Any]:
        return super().as_dict() | self.labels


class _ComboInput(WidgetInput):
    io_type = "COMBO"
    multiselect = False

    def __init__(
        self,
        id: str,
        options: Sequence[Any] | type[Enum] | None = None,
        *common: Any,
        control_after_generate: bool | None = None,
        upload: UploadType | None = None,
        image_folder: FolderType | None = None,
        remote: RemoteOptions | None = None,
        placeholder: str | None = None,
        chip: bool | None = None,
        **more: Any,
    ) -> None:
        if isinstance(options, type) and issubclass(options, Enum):
            options = [member.value for member in options]
        super().__init__(id, *common, **more)
        self.default = _plain(self.default)
        self.options = list(options or ())
        self.lists = present(
            control_after_generate=control_after_generate,
            image_folder=_plain(image_folder),
            remote=remote.as_dict() if remote else None,
        )
        if upload is not None:
            self.lists[_plain(upload)] = True
        if self.multiselect:
            self.lists["multi_select"] = present(placeholder=placeholder, chip=chip)

    def as_dict(self) -> dict[str, Any]:
        return super().as_dict() | {"multiselect": self.multiselect, "options": list(self.options)} | self.lists


class _MultiComboInput(_ComboInput):
    multiselect = True


def _plain(value: Any) -> Any:
    return value.value if isinstance(value, Enum) else value


class _MultiTypeInput(Input):
    """An input of several types, or a widget of the first kind that links of the other types may replace."""

    def __init__(self, id: str | Input, types: Sequence[Any], *common: Any, **more: Any) -> None:
        self.widget = id if isinstance(id, Input) else None
        super().__init__(id.id if isinstance(id, Input) else id, *common, **more)
        if self.widget is not None:
            self.optional = self.optional or self.widget.optional
        names = [self.widget.get_io_type()] if self.widget else []
        self.types = list(dict.fromkeys(names + [item.io_type for item in types]))

    def get_io_type(self) -> str:
        return ",".join(self.types)

    def as_dict(self) -> dict[str, Any]:
        if self.widget is None:
            return super().as_dict()
        return super().as_dict() | self.widget.as_dict() | {"widgetType": self.widget.get_io_type()}


class MultiType(SocketType):
    """A union of types: ``MultiType.Input("v", [Int, Float])``."""

    Input = _MultiTypeInput
    Output = Output


Int = socket_type("INT", "Int", _IntInput)
Float = socket_type("FLOAT", "Float", _FloatInput)
String = socket_type("STRING", "String", _StringInput)
Boolean = socket_type("BOOLEAN", "Boolean", _BooleanInput)
Combo = socket_type("COMBO", "Combo", _ComboInput)
MultiCombo = socket_type("COMBO", "MultiCombo", _MultiComboInput)
