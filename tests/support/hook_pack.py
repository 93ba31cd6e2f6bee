"""The source of a pack that takes part in every hook, and notes what it is told in ``seen``."""

from __future__ import annotations

PACK = '''
    from pathlib import Path
    from typing import Annotated, Any

    from sdk import (Choice, Command, Header, Identity, LatentPreview, ModelFolder, NodeContext, NodeError, Part,
                     PatchFormat, Refusal, Route, SamplerRecord, SchedulerRecord, Scope, Socket, TensorSource,
                     WebAnswer, WebContent, WebDirectory, hookimpl, node)

    seen = []

    @node(category="probe")
    def probe_double(value: int) -> int:
        """Twice the value."""
        return 2 * value

    @node(category="probe", output_node=True)
    def probe_model(
        context: NodeContext,
        value: int,
        file: Annotated[str, Choice(source="folder:checkpoints")],
        patch: bool = False,
    ) -> None:
        """Borrow a model and say what is in it."""
        handle = context.models.open(context.folders.find("checkpoints", file))["probe"]
        if patch:
            (patches,) = context.models.read_patches(context.folders.find("loras", "patch.safetensors"), [handle])
            handle = handle.with_patches(patches, 0.5)
        with context.models.borrow(handle) as module:
            seen.append(("weight", float(module.weight.sum()), value))
            context.progress(1, 1, preview=LatentPreview("a latent", handle))

    @node(category="probe", output_node=True)
    def probe_fail(value: int) -> None:
        """Fail."""
        raise NodeError("the probe was asked to fail")

    class Refused(NodeError):
        """An error of the pack's own, meant for users."""

    @node(category="probe", output_node=True)
    def probe_refuse(value: int) -> None:
        """Refuse."""
        raise Refused("the probe refuses; give it something else")

    class Family:
        name = "probe-family"

        def identify(self, header):
            return Refusal("never asked")

        def parts(self, header, identity):
            import torch
            seen.append(("parts", identity.because))
            def build():
                return torch.nn.Linear(3, 1, bias=False)
            return [Part(name="probe", build=build, weights={"weight": TensorSource("probe.weight")},
                         patch_names=lambda: {"probe": "weight"})]

    class Add:
        def __init__(self, amount):
            self.amount = amount

        def apply(self, weight, original, strength):
            return weight + strength * self.amount

    def read(tensors, names):
        return {names["probe"]: Add(tensors["probe.add"].float())}, frozenset({"probe.add"})

    class Cache:
        """Counts, and keeps nothing."""
        def has(self, key): return False
        def get(self, key): return None
        def put(self, key, result, seconds): seen.append(("put",))
        def retain(self, keys): pass
        def clear(self): pass
        def counters(self): return None

    @hookimpl
    def register_nodes(): return [probe_double, probe_model, probe_fail, probe_refuse]
    @hookimpl
    def register_sockets(): return [Socket("PROBE", "a probe")]
    @hookimpl
    def before_job(job): seen.append(("before_job", job.id))
    @hookimpl
    def after_job(job, seconds, outcome): seen.append(("after_job", job.id, seconds >= 0, outcome.state.value))
    @hookimpl
    def before_node(job, node_id, node): seen.append(("before_node", node_id, node.id))
    @hookimpl
    def after_node(node_id, result): seen.append(("after_node", node_id, result.outputs))
    @hookimpl
    def on_node_error(node_id, error): seen.append(("on_node_error", node_id, str(error)))
    @hookimpl
    def choose_cache(spec): return Cache() if spec == "probe-cache" else None
    @hookimpl
    def choose_runner(spec, execute):
        def run(job, cancel):
            seen.append(("runner", job.id))
            return execute(job, cancel)
        return run if spec == "probe-runner" else None
    @hookimpl
    def choose_pack_loader(folder):
        def load(folder):
            class Loaded:
                @hookimpl
                def register_nodes(self):
                    seen.append(("loaded", folder.name))
                    return []
            return Loaded()
        return load if (folder / "probe.txt").exists() else None
    @hookimpl
    def register_model_families(): return [Family()]
    @hookimpl
    def identify_model(header):
        if "probe.weight" in header.tensors:
            return Identity(family="probe-family", kind="checkpoint", config={}, because="it has probe.weight")
    @hookimpl
    def register_samplers(): return [SamplerRecord(name="probe-sampler", function=print)]
    @hookimpl
    def register_schedulers(): return [SchedulerRecord(name="probe-schedule", function=print)]
    @hookimpl
    def register_folders(): return [ModelFolder("probes", ("probes", "more"))]
    @hookimpl
    def choose_values(source, folders): return ["probe", *folders.names("probes")] if source == "probe-values" else None
    async def echo(request):
        """Say back what was said."""
        return {"name": request.path_params["name"], "said": await request.json()}

    def picture(request):
        """A picture."""
        return WebAnswer(body=b"picture", media_type="image/png", status=201)

    def refuse(request):
        """Refuse."""
        raise NodeError("the probe refuses")

    def greet(name: str = "you"):
        """Greet somebody."""
        print(f"hello, {name}")

    @hookimpl
    def register_routes():
        return [Route(path="/probe/echo/{name}", handler=echo, methods=("PUT", "POST")),
                Route(path="/probe/picture", handler=picture, scope=Scope.ADMIN),
                Route(path="/probe/refuse", handler=refuse),
                Route(path="/queue", handler=picture)]
    @hookimpl
    def register_web_directories():
        here = Path(__file__).parent
        return [WebDirectory(folder=here / "web"), WebDirectory(folder=here / "locales", content=WebContent.LOCALES),
                WebDirectory(folder=here / "flows", content=WebContent.WORKFLOWS, name="probes"),
                WebDirectory(folder=here / "subgraphs", content=WebContent.SUBGRAPHS),
                WebDirectory(folder=here / "missing")]
    class Answering:
        def serves(self, method, path): return (method, path) == ("GET", "/probe/asgi")
        async def start(self): seen.append(("application starts",))
        async def stop(self): seen.append(("application stops",))
        async def __call__(self, scope, receive, send):
            await send({"type": "http.response.start", "status": 418, "headers": []})
            await send({"type": "http.response.body", "body": b"by asgi"})

    @hookimpl
    def before_serving(server):
        server.add(Answering())
        server.revise(lambda said: {**said, "prompt": said["prompt"] | {"extra": said["prompt"]["a"]}})
        seen.append(("queue", server.queue(), server.history(), server.client_of("nobody")))

    @hookimpl
    def register_commands(): return [Command(name="probe-greet", function=greet)]
    @hookimpl
    def choose_previewer(method, model, models, folders):
        seen.append(("choose_previewer", method, model.part))
        return (lambda latent: ("picture of", latent)) if method == "latent2rgb" else None
    @hookimpl
    def register_patch_formats(): return [PatchFormat(name="probe-patch", read=read)]
    @hookimpl
    def choose_device(part, identity):
        seen.append(("choose_device", part))
        return "cpu"
    @hookimpl
    def choose_attention(part, identity):
        seen.append(("choose_attention", part))
    @hookimpl
    def before_model_load(handle, bytes_needed, job_id, node_id):
        seen.append(("before_model_load", handle.part, bytes_needed > 0, job_id, node_id))
    @hookimpl
    def after_model_evicted(handle, bytes_freed): seen.append(("after_model_evicted", handle.part))
'''
