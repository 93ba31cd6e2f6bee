"""The program of an isolated pack's process. Started by the host with the folders to look for modules in.

Nothing but the standard library is imported before these are known, since the pack's own packages come first.
"""

from __future__ import annotations

import json
import signal
import socket
import sys


def main(arguments: list[str]) -> None:
    """Serve whoever is at the other end of the line until that end is closed."""
    how, where, path = arguments
    sys.path[:] = json.loads(path)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches both; the host says what it means
    line = socket.socket(fileno=int(where)) if how == "inherited" else _connect(int(where))

    from host.isolation.serving import serve

    serve(line)


def _connect(port: int) -> socket.socket:
    line = socket.create_connection(("127.0.0.1", port))
    line.sendall(sys.stdin.buffer.read())
    return line


if __name__ == "__main__":
    main(sys.argv[1:])
