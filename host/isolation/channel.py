"""A two-way line to another process: frames of bytes, and beside them the descriptors of shared memory."""

from __future__ import annotations

import os
import socket
import struct
import threading
from contextlib import suppress

from host.isolation.segments import Segment, create, mapped
from host.isolation.values import Message

_HEAD = struct.Struct("<QQI")
_SIZE = struct.Struct("<Q")
_MOST_AT_ONCE = 200
"""Descriptors in one piece; Linux takes 253."""


class Channel:
    """Sends and receives messages; any thread may send, one receives.

    Where descriptors can't be handed over, the content of segments is sent instead.

    Args:
        own_changes: what this side writes to received tensors is seen by itself alone.
    """

    def __init__(self, line: socket.socket, *, own_changes: bool) -> None:
        self._line, self._own_changes = line, own_changes
        self._hands_over = hasattr(socket, "send_fds") and line.family == getattr(socket, "AF_UNIX", None)
        self._sending = threading.Lock()

    def send(self, message: Message) -> None:
        """Send a message; raises OSError once the other side is gone."""
        head = _HEAD.pack(len(message.content), len(message.inline), len(message.segments))
        with self._sending:
            self._line.sendall(head + message.content + message.inline)
            if self._hands_over:
                self._send_descriptors([segment.descriptor for segment in message.segments])
            else:
                for segment in message.segments:
                    self._line.sendall(_SIZE.pack(len(segment)))
                    self._line.sendall(segment)

    def receive(self) -> Message:
        """The next message; raises EOFError once the other side is gone."""
        content, inline, count = _HEAD.unpack(self._exactly(_HEAD.size))
        body, small = bytes(self._exactly(content)), bytes(self._exactly(inline))
        return Message(body, small, self._segments(count))

    def close(self) -> None:
        """Hang up; the other side notices, and so does who is receiving here."""
        with suppress(OSError):
            self._line.shutdown(socket.SHUT_RDWR)
        self._line.close()

    def _send_descriptors(self, descriptors: list[int]) -> None:
        for first in range(0, len(descriptors), _MOST_AT_ONCE):
            socket.send_fds(self._line, [b"."], descriptors[first : first + _MOST_AT_ONCE])

    def _segments(self, count: int) -> list[Segment]:
        if not self._hands_over:
            return [self._copied() for _ in range(count)]
        descriptors: list[int] = []
        while len(descriptors) < count:
            mark, got, _, _ = socket.recv_fds(self._line, 1, min(count - len(descriptors), _MOST_AT_ONCE))
            if not mark or not got:
                for descriptor in descriptors:
                    os.close(descriptor)
                raise EOFError
            descriptors += got
        return [mapped(descriptor, own_changes=self._own_changes) for descriptor in descriptors]

    def _copied(self) -> Segment:
        (size,) = _SIZE.unpack(self._exactly(_SIZE.size))
        segment = create(size)
        segment[:] = bytes(self._exactly(size))
        return segment

    def _exactly(self, size: int) -> bytearray:
        content = bytearray(size)
        view, got = memoryview(content), 0
        while got < size:
            try:
                part = self._line.recv_into(view[got:])
            except OSError as error:
                raise EOFError from error
            if not part:
                raise EOFError
            got += part
        return content
