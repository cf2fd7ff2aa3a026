"""PRESENT a course: its past as OpenMetrics text for promtool, its present as what a target answers to a scrape."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Lock, Thread
from typing import Self
from urllib.parse import unquote

import numpy as np

from opsjobs.demo.course import STEP, Course, Curve, Family

_TEXT = "text/plain; version=0.0.4; charset=utf-8"
_ROOT = "/metrics/"


def write_history(course: Course, path: Path, until: float) -> int:
    """Write what happened up to the last full step before `until` (Unix seconds); return the number of samples."""
    count = int(np.searchsorted(course.times, until, side="right"))
    stamps = [f" {time}\n" for time in course.times[:count].tolist()]
    samples = 0
    with path.open("w", encoding="utf-8") as file:
        for name, families in _by_name(course).items():
            file.write(_open_metrics_type(name, families[0].type))
            for family in families:
                scrape = {"job": family.job, "instance": family.instance} if family.job else {}
                for curve in family.curves:
                    shown = np.flatnonzero(curve.present[:count])
                    head = _series(curve.name, {**curve.labels, **scrape}) + " "
                    values = _texts(curve, shown)
                    pairs = zip(values, shown.tolist(), strict=True)
                    file.write("".join([f"{head}{value}{stamps[at]}" for value, at in pairs]))
                    samples += len(shown)
        file.write("# EOF\n")
    return samples


def page(course: Course, job: str, instance: str, time: float) -> str | None:
    """What the target answers at that time, or None when it does not answer."""
    if not course.value(course.up[job, instance], time):
        return None
    lines: list[str] = []
    for family in course.families:
        if (family.job, family.instance) == (job, instance):
            lines += [f"# HELP {family.name} {_escaped(family.about)}\n", f"# TYPE {family.name} {family.type}\n"]
            for curve in family.curves:
                value = course.value(curve, time)
                if value is not None:
                    lines.append(f"{_series(curve.name, curve.labels)} {int(value) if curve.whole else value!r}\n")
    return "".join(lines)


class Exporter:
    """Serves every target of a course at `/metrics/<job>/<instance>` on a free loopback port.

    `course_until` gives the course up to at least a time, so that a demonstration may go on for days; `clock` tells the
    time of the simulation in Unix seconds. A target that is down answers 503.
    """

    def __init__(self, course_until: Callable[[float], Course], clock: Callable[[], float]) -> None:
        self._course_until = course_until
        self._clock = clock
        self._lock = Lock()
        self._server: ThreadingHTTPServer | None = None

    @property
    def address(self) -> str:
        """Host and port."""
        if self._server is None:
            raise RuntimeError("the exporter is not running")
        return "{}:{}".format(*self._server.server_address)

    def start(self) -> None:
        """Begin to serve."""
        server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server = server
        # The short poll makes stop() quick.
        Thread(target=server.serve_forever, args=(0.05,), name="exporter", daemon=True).start()

    def stop(self) -> None:
        """Stop serving and free the port."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _answer(self, path: str) -> tuple[HTTPStatus, str]:
        if not path.startswith(_ROOT):
            return HTTPStatus.NOT_FOUND, f"metrics are at {_ROOT}<job>/<instance>\n"
        job, _, instance = unquote(path.removeprefix(_ROOT)).partition("/")
        time = self._clock()
        with self._lock:
            course = self._course_until(time + STEP)
        known = [each for each in course.up if each[0] == job and instance in ("", each[1])]
        if not known:
            return HTTPStatus.NOT_FOUND, f"no target is called {job}/{instance}\n"
        text = page(course, *known[0], time)
        return (HTTPStatus.SERVICE_UNAVAILABLE, "down\n") if text is None else (HTTPStatus.OK, text)

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        answer = self._answer

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                status, text = answer(self.path)
                body = text.encode()
                self.send_response(status)
                self.send_header("Content-Type", _TEXT)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """Scrapes are no news."""

        return Handler


def _by_name(course: Course) -> Mapping[str, list[Family]]:
    """OpenMetrics wants all series of a family in one place."""
    grouped: dict[str, list[Family]] = {}
    for family in course.families:
        grouped.setdefault(family.name, []).append(family)
    return grouped


def _open_metrics_type(name: str, kind: str) -> str:
    """A counter without `_total` is no counter to OpenMetrics; `unknown` keeps its name as it is."""
    if kind != "counter":
        return f"# TYPE {name} {kind}\n"
    return f"# TYPE {name.removesuffix('_total')} counter\n" if name.endswith("_total") else f"# TYPE {name} unknown\n"


def _texts(curve: Curve, shown: np.ndarray[tuple[int], np.dtype[np.int64]]) -> Iterator[str]:
    values = curve.values[shown]
    return map(str, values.astype(np.int64).tolist()) if curve.whole else map(repr, np.round(values, 6).tolist())


def _series(name: str, labels: Mapping[str, str]) -> str:
    pairs = ",".join(f'{key}="{_escaped(value).replace(chr(34), chr(92) + chr(34))}"' for key, value in labels.items())
    return f"{name}{{{pairs}}}" if pairs else name


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("\n", "\\n")
