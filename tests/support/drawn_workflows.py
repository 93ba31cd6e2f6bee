"""Node types and drawn workflows in the form editors save them, for tests of the conversion."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sdk.nodes import Input, NodeResult, NodeType, Output
from sdk.sockets import COMBO

INT, FLOAT, STRING = "INT", "FLOAT", "STRING"


def node_type(node_id: str, inputs: Mapping[str, Any], outputs: str = "", optional: tuple[str, ...] = ()) -> NodeType:
    """A node type that does nothing; an input is a type, a tuple of choices, or either with options."""
    read = []
    for name, declared in inputs.items():
        kind, options = declared if isinstance(declared, list) else (declared, None)
        choices = kind if isinstance(kind, tuple) else None
        kind = COMBO if choices is not None else kind
        read.append(Input(name=name, type=kind, choices=choices, options=options, required=name not in optional))
    return NodeType(
        id=node_id,
        run=lambda state, inputs, context: NodeResult(),
        inputs=tuple(read),
        outputs=tuple(Output(type=kind, name=kind) for kind in outputs.split()),
    )


SAMPLERS, SCHEDULERS = ("euler", "dpmpp_2m"), ("normal", "karras")
NODE_TYPES = {
    item.id: item
    for item in (
        node_type("CheckpointLoaderSimple", {"ckpt_name": ("sd1.safetensors",)}, "MODEL CLIP VAE"),
        node_type("CLIPTextEncode", {"text": [STRING, {"multiline": True}], "clip": "CLIP"}, "CONDITIONING"),
        node_type("EmptyLatentImage", {"width": INT, "height": INT, "batch_size": [INT, {"default": 1}]}, "LATENT"),
        node_type(
            "KSampler",
            {
                "model": "MODEL",
                "seed": [INT, {"default": 0, "control_after_generate": True}],
                "steps": [INT, {"default": 20}],
                "cfg": [FLOAT, {"default": 8.0}],
                "sampler_name": SAMPLERS,
                "scheduler": SCHEDULERS,
                "positive": "CONDITIONING",
                "negative": "CONDITIONING",
                "latent_image": "LATENT",
                "denoise": [FLOAT, {"default": 1.0}],
            },
            "LATENT",
        ),
        node_type("VAEDecode", {"samples": "LATENT", "vae": "VAE"}, "IMAGE"),
        node_type("SaveImage", {"images": "IMAGE", "filename_prefix": [STRING, {"default": "ComfyUI"}]}),
        node_type("LoadImage", {"image": [("a.png", "b.png"), {"image_upload": True}]}, "IMAGE MASK"),
        node_type("LoraLoaderModelOnly", {"model": "MODEL", "lora_name": ("x",), "strength_model": FLOAT}, "MODEL"),
        node_type("LoraLoader", {"model": "MODEL", "clip": "CLIP", "strength_model": FLOAT}, "MODEL CLIP"),
        node_type("ImageBlend", {"image1": "IMAGE", "image2": "IMAGE", "factor": FLOAT}, "IMAGE"),
        node_type("Number", {"value": INT}, "INT"),
        node_type("Points", {"points": "POINTS", "scale": FLOAT}, "POINTS"),
    )
}


def drawn(
    node_id: int | str,
    kind: str,
    links: Mapping[str, Any] | None = None,
    values: Any = None,
    *,
    widgets: Mapping[str, Any] | None = None,
    **more: Any,
) -> dict[str, Any]:
    """A node as saved; ``links`` gives link ids of sockets, ``widgets`` those of widgets turned into sockets.

    An input's type follows from the node type, or is written ``name:TYPE``.
    """
    inputs = [_drawn_input(kind, name, link, False) for name, link in (links or {}).items()]
    inputs += [_drawn_input(kind, name, link, True) for name, link in (widgets or {}).items()]
    known = NODE_TYPES.get(kind)
    outputs = [{"name": item.name, "type": item.type, "links": []} for item in known.outputs] if known else []
    node = {"id": node_id, "type": kind, "mode": 0, "pos": [0, 0], "inputs": inputs, "outputs": outputs}
    return node | ({} if values is None else {"widgets_values": values}) | more


def _drawn_input(kind: str, name: str, link: Any, widget: bool) -> dict[str, Any]:
    name, _, type_name = name.partition(":")
    declared = NODE_TYPES[kind].input(name) if kind in NODE_TYPES else None
    entry = {"name": name, "type": type_name or (declared.type if declared else "*"), "link": link}
    return entry | ({"widget": {"name": name}} if widget else {})


def workflow(nodes: list[dict[str, Any]], links: list[Any], **more: Any) -> dict[str, Any]:
    """A whole file in version 0.4; ``links`` are ``(id, origin, slot, target, slot)``."""
    return {"version": 0.4, "nodes": nodes, "links": [[*link, "*"] for link in links], "groups": [], **more}


def as_version_1(old: dict[str, Any]) -> dict[str, Any]:
    """The same file in version 1.0, whose links are objects."""
    keys = ("id", "origin_id", "origin_slot", "target_id", "target_slot", "type")
    links = [dict(zip(keys, link, strict=True)) for link in old["links"]]
    return {**old, "version": 1, "links": links, "state": {"lastNodeId": 99}}


def subgraph(
    key: str, nodes: list[dict[str, Any]], links: list[Any], inputs: tuple[str, ...] = (), outputs: tuple[str, ...] = ()
) -> dict[str, Any]:
    """A definition; links use -10 for its inputs and -20 for its outputs."""
    keys = ("id", "origin_id", "origin_slot", "target_id", "target_slot")
    return {
        "id": key,
        "name": f"graph {key}",
        "nodes": nodes,
        "links": [dict(zip(keys, link, strict=True)) for link in links],
        "inputs": [{"id": f"i-{name}", "name": name, "type": "*"} for name in inputs],
        "outputs": [{"id": f"o-{name}", "name": name, "type": "*"} for name in outputs],
    }


def text_to_image() -> dict[str, Any]:
    """The workflow editors start with."""
    return workflow(
        [
            drawn(
                3,
                "KSampler",
                {"model": 1, "positive": 4, "negative": 6, "latent_image": 2},
                order=4,
                values=[156680208700286, "randomize", 20, 7.5, "euler", "normal", 1],
            ),
            drawn(4, "CheckpointLoaderSimple", values=["sd1.safetensors"], order=0),
            drawn(5, "EmptyLatentImage", values=[512, 768, 1], order=1),
            drawn(6, "CLIPTextEncode", {"clip": 3}, ["a glass bottle"], order=2, title="Positive"),
            drawn(7, "CLIPTextEncode", {"clip": 5}, ["text, watermark"], order=3),
            drawn(8, "VAEDecode", {"samples": 7, "vae": 8}, order=5),
            drawn(9, "SaveImage", {"images": 9}, ["ComfyUI"], order=6),
        ],
        [
            (1, 4, 0, 3, 0),
            (2, 5, 0, 3, 3),
            (3, 4, 1, 6, 0),
            (4, 6, 0, 3, 1),
            (5, 4, 1, 7, 0),
            (6, 7, 0, 3, 2),
            (7, 3, 0, 8, 0),
            (8, 4, 2, 8, 1),
            (9, 8, 0, 9, 0),
        ],
        last_node_id=9,
        last_link_id=9,
    )
