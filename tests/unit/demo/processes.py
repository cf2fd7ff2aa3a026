"""Which processes there are, for tests that none is left."""

import subprocess
import time
from pathlib import Path


def naming(text: str) -> list[str]:
    """The command lines of living processes that contain the text."""
    if Path("/proc/self/cmdline").exists():
        found = []
        for file in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                found.append(file.read_bytes().replace(b"\0", b" ").decode(errors="replace"))
            except OSError:
                continue
    else:
        listed = subprocess.run(["/bin/ps", "-axo", "command"], capture_output=True, text=True, check=True)
        found = listed.stdout.splitlines()
    return [line for line in found if text in line]


def gone(text: str, seconds: float = 15) -> bool:
    """Whether all of them end within so many seconds."""
    deadline = time.monotonic() + seconds
    while naming(text):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True
