"""Client libraries and scripts for ComfyUI, unmodified, with this host in ComfyUI's place.

Each script prints the sizes of the pictures it got, as JSON.
"""

from __future__ import annotations

import json
import textwrap
from collections.abc import Callable
from typing import Any

import pytest

from tests.e2e.clients.conftest import Program
from tests.support.command_line import plain_picture, text_to_image
from tests.support.serving_process import ServingProcess

pytestmark = pytest.mark.e2e
Script = Callable[..., Any]

SIMPLIFIED = """
    from comfy_api_simplified import ComfyApiWrapper, ComfyWorkflowWrapper
    api, workflow = ComfyApiWrapper(URL), ComfyWorkflowWrapper(PROMPT)
    workflow.set_node_param("Positive", "text", "a blue star")
    pictures = api.queue_and_wait_images(workflow, output_node_title="Save")
    assert api.get_queue()["queue_running"] == [] and api.get_system_stats()["devices"]
    assert "KSampler" in api.get_object_info("KSampler") and "tiny-teal" in api.get_embeddings()
    show([size(data) for data in pictures.values()])
"""
XY = """
    from comfyui_xy import ComfyUiClient
    with ComfyUiClient(URL) as client:
        responses = client.process_workflow(PROMPT)
        assert "KSampler" in client.get_object_info("KSampler")
        show([size(response.data) for response in responses if response.is_file])
"""
TOOLKIT = """
    from comfy_toolkit import ComfyClient
    client = ComfyClient(URL)
    assert client.is_online()
    found = client.wait_for_images(client.submit(PROMPT))
    assert client.queue_status() == {"running": 0, "pending": 0}
    show([size(client.download(descriptor)) for descriptor in found])
"""
UTILS = """
    import asyncio
    from comfyui_utils.comfy import Callbacks, ComfyAPI
    class Heard(Callbacks):
        steps, outputs = 0, None
        async def queue_position(self, position): pass
        async def in_progress(self, node_id, progress, total): self.steps += 1
        async def completed(self, outputs, cached): self.outputs = outputs
    async def main():
        heard, sizes, api = Heard(), [], ComfyAPI(ADDRESS)
        await api.submit(PROMPT, heard)
        async def take(data): sizes.append(size(data.getvalue()))
        for picture in heard.outputs["images"]:
            await api.fetch(picture, take)
        show(sizes)
    asyncio.run(main())
"""
WEBSOCKET = """
    import urllib.parse, urllib.request, uuid, websocket
    client_id, prompt_id = str(uuid.uuid4()), str(uuid.uuid4())
    ws = websocket.WebSocket()
    ws.connect(f"ws://{ADDRESS}/ws?clientId={client_id}")
    body = json.dumps({"prompt": PROMPT, "client_id": client_id, "prompt_id": prompt_id}).encode()
    with urllib.request.urlopen(urllib.request.Request(URL + "/prompt", data=body)) as answer:
        assert json.loads(answer.read())["prompt_id"] == prompt_id
    while True:
        heard = ws.recv()
        if isinstance(heard, str):
            message = json.loads(heard)
            if message["type"] == "executing" and message["data"]["node"] is None:
                if message["data"]["prompt_id"] == prompt_id:
                    break
    ws.close()
    with urllib.request.urlopen(f"{URL}/history/{prompt_id}") as answer:
        outputs = json.loads(answer.read())[prompt_id]["outputs"]
    sizes = []
    for picture in [picture for output in outputs.values() for picture in output.get("images", [])]:
        with urllib.request.urlopen(f"{URL}/view?{urllib.parse.urlencode(picture)}") as answer:
            sizes.append(size(answer.read()))
    show(sizes)
"""
WEBSOCKET_PICTURES = """
    import urllib.request, uuid, websocket
    client_id, pictures, current = str(uuid.uuid4()), [], None
    ws = websocket.WebSocket()
    ws.connect(f"ws://{ADDRESS}/ws?clientId={client_id}")
    body = json.dumps({"prompt": PROMPT, "client_id": client_id}).encode()
    prompt_id = json.loads(urllib.request.urlopen(URL + "/prompt", data=body).read())["prompt_id"]
    while True:
        heard = ws.recv()
        if not isinstance(heard, str):
            if current == "save_image_websocket_node":
                pictures.append(heard[8:])
            continue
        message = json.loads(heard)
        if message["type"] == "executing" and message["data"]["prompt_id"] == prompt_id:
            current = message["data"]["node"]
            if current is None:
                break
    ws.close()
    show([size(data) for data in pictures])
"""
PREAMBLE = """
import json, struct, sys
URL, PROMPT = sys.argv[1], json.loads(sys.argv[2])
ADDRESS = URL.removeprefix("http://")
def size(png): return list(struct.unpack(">II", png[16:24]))
def show(sizes): print(json.dumps(sizes))
"""


@pytest.fixture
def script(program: Program, server: ServingProcess) -> Script:
    """Runs a script in a client's environment on a prompt; what it printed last, as JSON."""

    def run(client: str, text: str, prompt: dict[str, Any]) -> Any:
        whole = PREAMBLE + textwrap.dedent(text)
        ended = program(client, "python", "-c", whole, server.url, json.dumps(prompt))
        assert ended.returncode == 0, ended.stdout + ended.stderr
        return json.loads(ended.stdout.splitlines()[-1])

    return run


def sampled(**sampler: Any) -> dict[str, Any]:
    prompt = text_to_image(**sampler)
    prompt["4"]["inputs"]["ckpt_name"] = "tiny-shapes.safetensors"
    prompt["9"]["_meta"] = {"title": "Save"}
    for node_id, entry in prompt.items():
        entry.setdefault("_meta", {"title": f"Node {node_id}"})
    return prompt


@pytest.mark.parametrize(
    ("client", "text"),
    [
        ("comfy-api-simplified", SIMPLIFIED),
        ("comfyui-xy", XY),
        ("comfy-toolkit", TOOLKIT),
        ("comfyui-utils", UTILS),
        ("websocket-client", WEBSOCKET),
    ],
    ids=["comfy-api-simplified", "comfyui-xy", "comfy-toolkit", "comfyui-utils", "websocket-client"],
)
def test_a_client_gets_its_picture_at_first_and_from_the_cache(script: Script, client: str, text: str) -> None:
    prompt = sampled(seed=sum(text.encode()))
    assert script(client, text, prompt) == [[64, 64]]
    assert script(client, text, prompt) == [[64, 64]]


def test_pictures_come_through_the_websocket(script: Script) -> None:
    prompt = plain_picture(24)
    del prompt["2"]
    prompt["save_image_websocket_node"] = {"class_type": "SaveImageWebsocket", "inputs": {"images": ["1", 0]}}
    assert script("websocket-client", WEBSOCKET_PICTURES, prompt) == [[24, 24]]
