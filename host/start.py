"""Where the program begins: Ctrl-C ends it quietly from the first moment on, also while modules are imported.

Until this module's own imports are done it does not; so it imports nothing but what Python has loaded already.
"""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]  # `signal` itself takes its time to be imported
import os
import sys

CANCELLED = 130  # sdk.commands.ExitCode.CANCELLED


def main() -> None:
    """Run the command line; an interrupt that no command takes care of ends it with ``CANCELLED``.

    While modules are imported there is nothing to undo, and some of them turn a KeyboardInterrupt into an error of
    their own, or swallow it. So until the command itself begins, and again after it has ended, an interrupt ends the
    process at once. A process that was started with interrupts ignored goes on ignoring them.
    """
    heeds = _signal.getsignal(_signal.SIGINT) is _signal.default_int_handler
    if heeds:
        _signal.signal(_signal.SIGINT, _end)
    from host.cli import main as command_line

    try:
        if heeds:
            _signal.signal(_signal.SIGINT, _signal.default_int_handler)
        command_line()
    except KeyboardInterrupt:
        sys.exit(CANCELLED)
    except OSError as error:
        _give_up(error)
    finally:
        try:
            sys.stdout.flush()  # ``_end`` would lose what is held back
        except OSError as error:
            _give_up(error)
        finally:
            if heeds:
                _signal.signal(_signal.SIGINT, _end)


def _give_up(error: OSError) -> None:
    """End with a sentence where a disk takes no more, whoever wrote to it; other errors are the caller's.

    Standard output is let go of, or Python would try once more to write what it holds back.
    """
    import errno

    if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EPIPE):
        raise error
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    if error.errno != errno.EPIPE:
        print(f"error: {error.filename or 'standard output'} can't be written: {error.strerror}", file=sys.stderr)
    sys.exit(1)


def _end(number: int, frame: object) -> None:
    os._exit(CANCELLED)
