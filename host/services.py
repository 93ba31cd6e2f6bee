"""What this host gives to its nodes: files, models, samplers and schedules."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

from host.folders import LocalFolders
from host.models.library import Library
from host.plugins import PackRegistry
from host.settings import Settings
from sdk.sampling import Sampler, Scheduler

if TYPE_CHECKING:
    from host.models.manager import ModelManager
    from host.models.residency.placement import Holding


class HostServices:
    """Satisfies ``engine.services.NodeServices``. The model manager, and torch with it, comes with the first use."""

    def __init__(self, settings: Settings, registry: PackRegistry, library: Library, folders: LocalFolders) -> None:
        self._settings, self._registry, self._library = settings, registry, library
        self.folders = folders
        self.samplers: Mapping[str, Sampler] = self._by_name("samplers")
        self.schedulers: Mapping[str, Scheduler] = self._by_name("schedulers")
        self.pack_settings: Mapping[str, Mapping[str, Any]] = settings.pack_settings

    def _by_name(self, kind: str) -> Mapping[str, Any]:
        return {item.name: item for _, item in self._registry.contributions(kind)}

    @cached_property
    def models(self) -> ModelManager:
        from host.models.identity_cache import open_identity_cache
        from host.models.manager import ModelManager
        from host.models.residency.devices import ModelSettings, open_device

        settings = ModelSettings(
            device=self._settings.device,
            dtype=self._settings.dtype,
            vram=self._settings.vram,
            compile=self._settings.compile,
            compiled=self._settings.base_dir / "cache" / "compiled",
        )
        families = [family for _, family in self._registry.contributions("families")]
        return ModelManager(
            self._library,
            families,
            [patch_format for _, patch_format in self._registry.contributions("patch_formats")],
            open_device(settings.device, settings.vram),
            settings,
            self._registry.manager.hook,
            identities=open_identity_cache(self._settings.base_dir, families),
        )

    def free_models(self) -> None:
        """Take models off their devices that nobody uses; nothing if none was ever loaded."""
        if "models" in self.__dict__:
            self.models.free(unload_models=True)

    def holdings(self) -> tuple[Holding, ...]:
        """Which models hold how many bytes, largest first; none if none was ever loaded. Waits for nobody."""
        return self.models.report() if "models" in self.__dict__ else ()

    def choices(self, source: str) -> tuple[str, ...]:
        """What a ``Choice(source=…)`` offers; LookupError for a source nobody knows."""
        if source == "samplers":
            return tuple(self.samplers)
        if source == "schedulers":
            return tuple(self.schedulers)
        offered = self._registry.manager.hook.choose_values(source=source, folders=self.folders)
        if offered is not None:
            return tuple(offered)
        return tuple(self.folders.choices(source))
