"""Run a program that must not outlive whoever started it: it is stopped when standard input ends, however that came.

A script of its own, run as `python leash.py GRACE SIGNAL OWNER COMMAND...`. The kernel closes the pipe even when
the parent was killed, and on every system, which no signal handler of the parent could promise.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading


def main(grace: float, stop: int, owner: str, command: list[str]) -> int:
    """Run the command until it ends or standard input does; return its exit code.

    `stop` is the signal that ends it, `grace` the seconds that it then has. `owner` (`UID:GID`) runs it, if not empty.
    """
    stopping = threading.Event()
    user, group = map(int, owner.split(":")) if owner else (None, None)
    with subprocess.Popen(  # noqa: S603 - the parent chose the command
        command, stdin=subprocess.DEVNULL, user=user, group=group, extra_groups=[] if owner else None
    ) as child:

        def hold() -> None:
            # Not sys.stdin: a thread that holds it at the end of the interpreter brings that down.
            while os.read(0, 1):
                pass
            stopping.set()
            child.send_signal(stop)
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
    sys.exit(main(float(sys.argv[1]), int(sys.argv[2]), sys.argv[3], sys.argv[4:]))
