from __future__ import annotations

import asyncio
import json
from typing import Any

from host.api import sockets
from host.api.sockets import Connection
from host.engine.messages import Message


class Channel:
    """Keeps what is sent through it."""

    def __init__(self) -> None:
        self.sent: list[Any] = []

    async def send_text(self, data: str) -> None:
        self.sent.append(json.loads(data))

    async def send_bytes(self, data: bytes) -> None:
        self.sent.append(data)

    async def close(self, code: int = 1000) -> None:
        self.sent.append(code)


def state(done: int, nodes: int) -> Message:
    entries = {str(number): {"value": float(number < done)} for number in range(nodes)}
    return Message("progress_state", {"prompt_id": "j", "nodes": entries}, "me")


def sent(items: list[Message], flags: dict[str, Any] | None = None) -> list[tuple[str, int]]:
    """Type and number of finished nodes of what a client is sent, put all at once."""

    async def deliver() -> list[Any]:
        channel = Channel()
        connection = Connection("me", channel)
        connection.flags = flags or {}
        for item in items:
            connection.put(item)
        sending = asyncio.create_task(connection.send_all())
        while connection.waiting:
            await asyncio.sleep(0)
        connection.close()
        sending.cancel()
        return channel.sent

    found = asyncio.run(deliver())
    return [
        (message["type"], sum(int(node["value"]) for node in message["data"].get("nodes", {}).values()))
        for message in found
    ]


END = Message("execution_success", {"prompt_id": "j"}, "me")
STEP = Message("executing", {"node": "1", "prompt_id": "j"}, "me")
LAST = Message("executing", {"node": None, "prompt_id": "j"}, "me")
MANY = sockets.MANY_NODES


def test_states_of_few_nodes_are_all_sent_in_their_order() -> None:
    items = [state(1, 3), STEP, state(2, 3), STEP, state(3, 3), END]
    assert sent(items) == [
        ("progress_state", 1),
        ("executing", 0),
        ("progress_state", 2),
        ("executing", 0),
        ("progress_state", 3),
        ("execution_success", 0),
    ]


def test_of_many_states_of_many_nodes_the_first_and_the_last_before_the_end_are_sent() -> None:
    items = [message for done in range(1, MANY + 1) for message in (state(done, MANY), STEP)]
    found = sent([*items, END])
    assert [entry for entry in found if entry[0] != "executing"] == [
        ("progress_state", 1),
        ("progress_state", MANY),
        ("execution_success", 0),
    ]
    assert found.count(("executing", 0)) == MANY


def test_the_last_state_comes_before_the_very_last_message_too() -> None:
    assert sent([state(1, MANY), state(2, MANY), LAST])[-2:] == [("progress_state", 2), ("executing", 0)]


def test_a_client_that_wants_changes_gets_every_one() -> None:
    items = [state(done, MANY) for done in range(4)]
    assert len(sent(items, {"supports_progress_changes": True})) == 4


def test_a_state_that_was_held_back_is_sent_when_it_is_time() -> None:
    async def deliver() -> list[Any]:
        channel = Channel()
        connection = Connection("me", channel)
        sending = asyncio.create_task(connection.send_all())
        for done in (1, 2, 3):
            connection.put(state(done, MANY))
        async with asyncio.timeout(20):
            while len(channel.sent) < 2:
                await asyncio.sleep(0.001)
        connection.close()
        sending.cancel()
        return channel.sent

    assert [message["data"]["nodes"]["2"]["value"] for message in asyncio.run(deliver())] == [0.0, 1.0]
