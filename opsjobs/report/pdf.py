"""PDF, printed by WeasyPrint in a child process that has little time, little memory, no secrets and no way out.

WeasyPrint may hang or eat all memory on a page that is merely odd, and cannot be interrupted from within. Run as a
program, this module is that child: HTML on stdin, PDF on stdout, on failure the reason as the last line of stderr.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Self

from opsjobs.errors import RenderError

if TYPE_CHECKING:
    from types import TracebackType

MISSING_LIBRARIES = (
    "WeasyPrint's native libraries are missing: install libpango-1.0-0 libpangoft2-1.0-0 libharfbuzz-subset0 (Debian)"
    " or pango (brew)"
)
_INHERITED = ("PATH", "HOME", "LANG", "XDG_CACHE_HOME", "LD_LIBRARY_PATH")
_INHERITED_FAMILIES = ("FONTCONFIG_", "DYLD_")


class Printer:
    """Turns one HTML document at a time into PDF.

    `timeout` and `cpu` are seconds, `memory` is bytes of address space. `start` is optional: called early, it lets the
    child load its libraries while the report is still being made.
    """

    def __init__(self, *, timeout: float = 60.0, cpu: int = 60, memory: int = 2 * 1024**3) -> None:
        self.timeout = timeout
        self.cpu = cpu
        self.memory = memory
        self._child: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def start(self) -> None:
        """Launch the child, unless one is waiting already."""
        if self._child is None:
            self._child = self._launch()

    def print(self, html: str) -> bytes:
        """The document as PDF.

        Raises:
            RenderError: the child failed, was killed, or took more than `timeout` seconds from now on.
        """
        self.start()
        child = self._child
        if child is None:
            raise RenderError("the PDF process could not be started")
        try:
            pdf, said = child.communicate(html.encode(), timeout=self.timeout)
        except subprocess.TimeoutExpired:
            raise RenderError(f"PDF took more than {self.timeout:g} s") from None
        finally:
            # On an interrupt, too: nothing is left running.
            self.close()
        if child.returncode or not pdf.startswith(b"%PDF-"):
            raise RenderError(self._reason(child.returncode, said.decode(errors="replace")))
        return pdf

    def close(self) -> None:
        """Kill the child and whatever it started, if it is still there."""
        child, self._child = self._child, None
        if child is None:
            return
        if child.poll() is None:
            os.killpg(child.pid, signal.SIGKILL)
        for pipe in (child.stdout, child.stderr):
            if pipe:
                pipe.close()
        # What stdin still holds goes nowhere: closing it may fail on the broken pipe.
        if child.stdin:
            with contextlib.suppress(BrokenPipeError):
                child.stdin.close()
        child.wait()

    def _launch(self) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-P", "-m", "opsjobs.report.pdf", str(self.memory), str(self.cpu)]
        try:
            return subprocess.Popen(  # noqa: S603 - our own interpreter and module
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env=child_environment(os.environ),
                start_new_session=True,
            )
        except OSError as error:
            raise RenderError(f"the PDF process could not be started: {error.strerror}") from error

    def _reason(self, code: int, said: str) -> str:
        if code == -signal.SIGXCPU:
            return f"PDF took more than {self.cpu} s of processor time"
        if code < 0:
            return f"the PDF process was killed by {signal.Signals(-code).name}"
        lines = [line.strip() for line in said.splitlines() if line.strip()]
        return lines[-1] if lines else f"the PDF process ended with code {code} and no word"


def child_environment(parent: os._Environ[str] | dict[str, str]) -> dict[str, str]:
    """What the child may know: where programs, libraries and fonts are. The parent's other variables hold secrets."""
    kept = {name: value for name, value in parent.items() if name in _INHERITED or name.startswith(_INHERITED_FAMILIES)}
    package = Path(__file__).resolve().parents[2]
    # The order of sets and the time stamps of embedded fonts would differ from run to run.
    return kept | {"PYTHONPATH": str(package), "PYTHONHASHSEED": "0", "SOURCE_DATE_EPOCH": "0"}


def main(memory: int, cpu: int) -> int:
    """The child: print stdin to stdout within these limits (bytes, seconds)."""
    _limit(memory, cpu)
    # Libraries that print must not spoil the document.
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    try:
        from weasyprint import HTML  # noqa: PLC0415 - only the child pays for it
        from weasyprint.urls import FatalURLFetchingError, URLFetcher  # noqa: PLC0415 - see above
    except OSError:
        return _fail(MISSING_LIBRARIES)

    class NoFetcher(URLFetcher):  # type: ignore[misc]  # weasyprint publishes no types
        """Refuses every address: a report brings along all that it shows."""

        def fetch(self, url: str, headers: dict[str, str] | None = None) -> None:
            del headers
            raise FatalURLFetchingError(f"the report asks for an external resource: {url[:100]}")

    html = sys.stdin.buffer.read().decode()
    if not html:
        return 0
    try:
        pdf = HTML(string=html, url_fetcher=NoFetcher()).write_pdf(pdf_tags=True)
    except MemoryError:
        return _fail(f"PDF needs more than {memory // 1024**2} MiB of memory")
    with out:
        out.write(pdf)
    return 0


def _limit(memory: int, cpu: int) -> None:
    import resource  # noqa: PLC0415 - POSIX only, and so is the child

    resource.setrlimit(resource.RLIMIT_CPU, (cpu, cpu + 1))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform != "darwin":
        # macOS refuses to limit the address space.
        resource.setrlimit(resource.RLIMIT_AS, (memory, memory))


def _fail(reason: str) -> int:
    sys.stderr.write(reason + "\n")
    return 1


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), int(sys.argv[2])))
