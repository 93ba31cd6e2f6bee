"""The composition root: the one place that wires packs, engine, models and folders into a host."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from host import runner
from host.comfyui import plugin as comfyui_loader
from host.engine.caching import choice as cache_choice
from host.engine.caching import tiers as cache_tiers
from host.engine.caching.cache import NodeUi
from host.engine.cancellation import Cancellation
from host.engine.catalogue import Catalogue, Schemas
from host.engine.events import Events, NoEvents
from host.engine.executor import Executor
from host.engine.graph import GraphNode
from host.engine.jobs.records import Job, JobOutcome, JobState
from host.engine.outcome import Outcome, RunState
from host.engine.previews import JobPreviews, wanted_method
from host.engine.ui_format.conversion import to_api
from host.engine.validation.faults import prompt_error
from host.engine.validation.prompt import Validated, validate
from host.errors import JobFailed, PromptRejected, RunnerFailed, SettingsError, UnknownPack, UnknownRunner
from host.folders import LocalFolders, UnusableFolder
from host.models.library import Library
from host.packs import CORE, PackSource, generation_packs, installed_packs, packs_in
from host.plugins import PackRegistry, create_plugin_manager
from host.provenance import record_of, with_record
from host.services import HostServices
from host.settings import Settings
from host.workflow_files import WorkflowFile, WorkflowKind
from sdk.errors import Cancelled
from sdk.workspace import Generation, read_generation

logger = logging.getLogger(__name__)

NOT_FOR_RUNS = frozenset(("register_routes", "register_web_directories", "register_commands", "register_sockets"))
"""Hooks that matter to servers and lists alone."""


@dataclass(frozen=True)
class RunReport:
    """What a run gave.

    Attributes:
        outputs: what each output node shows, by node id.
        node_errors: faults of outputs that were left out, in the web API's form.
    """

    job_id: str
    outputs: Mapping[str, Mapping[str, Any]]
    seconds: float
    executed: int
    cached: int
    node_errors: Mapping[str, Any] = field(default_factory=dict)


class Host:
    """A running host. Built by ``create_host``; ``run`` may be called from any thread, one job runs at a time.

    Attributes:
        installed: what files say of the packs that made them.
    """

    def __init__(
        self,
        settings: Settings,
        registry: PackRegistry,
        library: Library,
        services: HostServices,
        generation: Generation | None = None,
    ) -> None:
        self.installed = record_of(generation)
        self.settings, self.registry, self.library, self.services = settings, registry, library, services
        hooks = registry.manager.hook
        self._executor = Executor(cache_choice.open_cache(settings.cache, hooks), hooks, services)
        self._runner = hooks.choose_runner(spec=settings.runner, execute=self._execute)
        if self._runner is None:
            raise UnknownRunner(settings.runner)
        self._under_way: dict[str, tuple[Validated, Events, list[Outcome]]] = {}

    @property
    def catalogue(self) -> Catalogue:
        """The nodes of all loaded packs."""
        return self.registry.catalogue

    def to_prompt(self, workflow: WorkflowFile, schemas: Schemas | None = None) -> Mapping[str, Any]:
        """A workflow in API format, whatever format it came in.

        Args:
            schemas: the nodes as they are now, if the caller has them.
        """
        if workflow.kind is WorkflowKind.API:
            return workflow.data
        return to_api(workflow.data, schemas or self.catalogue.current())

    def run(
        self,
        prompt: Mapping[str, Any],
        *,
        targets: Collection[str] | None = None,
        extra_data: Mapping[str, Any] | None = None,
        events: Events | None = None,
        cancel: Cancellation | None = None,
        schemas: Schemas | None = None,
    ) -> RunReport:
        """Validate and run a prompt in API format.

        Args:
            targets: the output nodes wanted; None for all.
            extra_data: what travels with the job, such as ``extra_pnginfo`` for saved files.
            schemas: the nodes as they are now, if the caller has them.

        Raises:
            PromptRejected: nothing of it can run.
            JobFailed: a node raised.
            RunnerFailed: the job ended otherwise without success.
            Cancelled: ``cancel`` was set.
        """
        validated = self.validate(prompt, targets, schemas)
        if validated.error is not None:
            raise PromptRejected(validated.error, validated.node_errors, validated.cycle)
        job = Job(
            id=str(uuid.uuid4()),
            prompt=validated.prompt,
            outputs=validated.outputs,
            extra_data=dict(extra_data or {}),
            state=JobState.RUNNING,
        )
        outcome, ran = self.perform(job, validated, events or NoEvents(), cancel or Cancellation())
        self._raise_unless_succeeded(outcome, ran)
        # A runner may have sent the job elsewhere; then nothing is known of how it went but its outcome.
        measured = ran or Outcome(RunState.SUCCEEDED)
        return RunReport(
            job.id, outcome.results, measured.seconds, measured.executed, measured.cached, validated.node_errors
        )

    def validate(
        self, prompt: object, targets: Collection[str] | None = None, schemas: Schemas | None = None
    ) -> Validated:
        """What of a prompt can run, and what is wrong with the rest.

        Nothing can if its results could not be saved; better to know before they are computed than afterwards.
        """
        folders = self.services.folders
        validated = validate(prompt, schemas or self.catalogue.current(), targets, folders)
        if validated.error is not None or not any(_saves(validated.nodes[node_id]) for node_id in validated.outputs):
            return validated
        try:
            folders.check_writable("output")
        except UnusableFolder as error:
            return replace(validated, outputs=(), error=prompt_error("output_folder_unusable", str(error)))
        return validated

    def perform(
        self, job: Job, validated: Validated, events: Events, cancel: Cancellation
    ) -> tuple[JobOutcome, Outcome | None]:
        """How the run of a checked prompt ended; with the run's own facts, if this process did it."""
        ran: list[Outcome] = []
        job = replace(job, extra_data=with_record(job.extra_data, self.installed))
        self._under_way[job.id] = validated, events, ran
        try:
            outcome = self._runner(job, cancel)
        finally:
            del self._under_way[job.id]
        return outcome, ran[0] if ran else None

    def previews(self, job: Job) -> JobPreviews:
        """The pictures of a job's steps that its client or the settings want."""
        method = wanted_method(job.extra_data, self.settings.preview)
        return JobPreviews(method, self.registry.manager.hook, self.services)

    def free(self, *, unload_models: bool, forget_results: bool) -> None:
        """Take the models off their devices that nobody uses, and forget the results of earlier runs."""
        if forget_results:
            self._executor.cache.clear()
        if unload_models:
            self.services.free_models()

    def _execute(self, job: Job, cancel: Cancellation) -> JobOutcome:
        validated, events, ran = self._under_way[job.id]
        outcome = self._executor.run(job, validated, events, cancel)
        ran.append(outcome)
        return JobOutcome(
            state=JobState(outcome.state.value),
            results={node_id: shown.output for node_id, shown in outcome.ui.items()},
            meta={node_id: _origin(shown) for node_id, shown in outcome.ui.items()},
            error=outcome.failure.message if outcome.failure else None,
        )

    def _raise_unless_succeeded(self, outcome: JobOutcome, ran: Outcome | None) -> None:
        if outcome.state is JobState.CANCELLED:
            raise Cancelled
        failure = ran.failure if ran else None
        if failure is not None:
            node = self.catalogue.find(failure.node_type)
            raise JobFailed(failure, node.pack if node else "?", node.pack_version if node else "?")
        if outcome.state is not JobState.SUCCEEDED:
            raise RunnerFailed(self.settings.runner, outcome.state.value, outcome.error)


def _saves(node: GraphNode) -> bool:
    """Whether an output node writes files to be kept: by convention, such a node has an input for their prefix."""
    return "filename_prefix" in node.schema.rules


def _origin(shown: NodeUi) -> dict[str, Any]:
    """Which node showed it first, as histories name it."""
    return {
        "node_id": shown.node_id,
        "display_node": shown.display_id,
        "parent_node": shown.parent_id,
        "real_node_id": shown.real_id,
    }


def create_host(settings: Settings, without: Collection[str] = ()) -> Host:
    """Load the packs these settings ask for and wire a host around them.

    Args:
        without: hooks that this use of the host has no need of; packs are not imported for their sake.

    Raises:
        UnknownPack: a pack asked for by name is not there.
    """
    manager = create_plugin_manager()
    for plugin in (cache_choice, cache_tiers, runner, comfyui_loader):
        manager.register(plugin)
    # Packs of ComfyUI keep models of their own among their files, and clients list that folder beside the others.
    library = Library([settings.models_dir], {"custom_nodes": [settings.base_dir / "custom_nodes"]})
    elsewhere = {"input": settings.input_dir, "output": settings.output_dir, "temp": settings.temp_dir}
    folders = LocalFolders(settings.base_dir, library, elsewhere=elsewhere)
    # The catalogue asks for choices only once a prompt is checked; by then there are services to ask.
    late: list[HostServices] = []
    generation = None if settings.safe_mode else read_generation(settings.base_dir)
    catalogue = Catalogue(lambda source: late[0].choices(source), generation.owners if generation else None)
    comfyui_loader.attach(
        folders,
        library,
        catalogue,
        lambda: late[0] if late else None,
        base=settings.base_dir,
        models=settings.models_dir,
    )
    registry = PackRegistry(manager, catalogue, seconds_to_load=settings.pack_timeout, without=without)
    registry.load(chosen_packs(settings, lambda folder: manager.hook.choose_pack_loader(folder=folder), generation))
    _warn_of_settings(settings, registry)
    for _, folder in registry.contributions("folders"):
        library.add(folder.kind, [settings.models_dir / name for name in folder.folders or (folder.kind,)])
    late.append(HostServices(settings, registry, library, folders))
    return Host(settings, registry, library, late[0], generation)


def _warn_of_settings(settings: Settings, registry: PackRegistry) -> None:
    for name in sorted(settings.pack_settings.keys() - registry.packs.keys()):
        there = ", ".join(registry.packs)
        logger.warning(
            "the settings file has a table [packs.%s], but no such pack is loaded; there are %s", name, there
        )


def chosen_packs(settings: Settings, choose_loader: Any, generation: Generation | None = None) -> list[PackSource]:
    """The packs to load, in order: the built-ins, then the chosen ones by name."""
    missing = [str(path) for path in settings.pack_dirs if not Path(path).is_dir()]
    if missing:
        raise SettingsError([f"pack_dirs: {path} is no folder" for path in missing])
    installed = installed_packs()
    built_in = [source for source in installed if source.name == CORE]
    if settings.safe_mode:
        return built_in
    others = [source for source in installed if source.name != CORE]
    others += generation_packs(generation, choose_loader) if generation else []
    others = sorted([*others, *packs_in(settings.pack_dirs, choose_loader)], key=lambda source: source.name.lower())
    if settings.packs is None:
        return built_in + others
    known = {source.name for source in others}
    if unknown := [name for name in settings.packs if name not in known and name != CORE]:
        raise UnknownPack(unknown, sorted(known))
    return built_in + [source for source in others if source.name in settings.packs]
