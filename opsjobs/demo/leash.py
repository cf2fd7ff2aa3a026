"""Run a program that must not outlive whoever started it: it is stopped when standard input ends, however that came.

A script of its own, run as `python leash.py GRACE COMMAND...`. The kernel closes the pipe even when the parent was
killed, and on every system, which no signal handler of the parent could promise.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading


def main(grace: float, command: list[str]) -> int:
    """Run the command until it ends or standard input does; return its exit code. `grace` is in seconds."""
    stopping = threading.Event()
    with subprocess.Popen(command, stdin=subprocess.DEVNULL) as child:  # noqa: S603 - the parent chose the command

        def hold() -> None:
            # Not sys.stdin: a thread that holds it at the end of the interpreter brings that down.
            while os.read(0, 1):
                pass
            stopping.set()
            child.terminate()
            try:
                child.wait(grace)
            except subprocess.TimeoutExpired:
                child.kill()

        threading.Thread(target=hold, daemon=True).start()
        code = child.wait()
    if stopping.is_set() and os.getpid() == os.getpgrp():
        # What the child itself has started goes too, and this script with it.
        os.killpg(0, signal.SIGKILL)
    return code


if __name__ == "__main__":
    sys.exit(main(float(sys.argv[1]), sys.argv[2:]))
