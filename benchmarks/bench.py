"""How opsjobs compares with what it cannot be quicker than, measured side by side in one run: `make bench`.

Each figure is a ratio of two medians that were taken in turn, A B A B, so that a machine that slows down slows both.
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from opsjobs import system
from opsjobs.demo.binaries import obtain
from opsjobs.demo.prometheus import Prometheus as Server
from opsjobs.demo.prometheus import import_history
from opsjobs.demo.stage import Stage
from opsjobs.http import Connection, Deadline
from opsjobs.jobs import Context, observation
from opsjobs.jobs.inquiry import _questions
from opsjobs.sources import Question, ask_all
from opsjobs.sources.prometheus import Prometheus

ROUNDS = 7
SERIES = 100_000


def paired(one: Callable[[], object], other: Callable[[], object], rounds: int = ROUNDS) -> tuple[float, float, float]:
    """Median seconds of both, taken in turn after a warm-up, and the median of the ratios pair by pair."""
    one(), other()
    pairs = [(timed(one), timed(other)) for _ in range(rounds)]
    return (
        statistics.median(first for first, _ in pairs),
        statistics.median(second for _, second in pairs),
        statistics.median(first / second for first, second in pairs),
    )


def timed(work: Callable[[], object]) -> float:
    """Seconds that it takes."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def run(*words: str | Path, **more: object) -> subprocess.CompletedProcess[bytes]:
    """A program to its end, its output kept away from the figures."""
    return subprocess.run([str(word) for word in words], capture_output=True, check=True, **more)  # type: ignore[call-overload,no-any-return]  # input= is all that is ever given


def peak_of(*words: str | Path) -> float:
    """The largest memory of any one process of a command, in MiB."""
    code = (
        "import resource, subprocess, sys; subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL);"
        "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
    )
    return int(run(sys.executable, "-c", code, *words).stdout) / 1024


def row(what: str, against: str, figures: tuple[float, float, float], aim: str) -> None:
    first, second, ratio = figures
    print(f"| {what} | {first * 1000:,.0f} ms | {against} | {second * 1000:,.0f} ms | {ratio:.2f} | {aim} |")


def as_curl(questions: Sequence[Question], url: str, folder: Path) -> Path:
    """The same questions as a file for curl."""
    lines = []
    for number, question in enumerate(questions):
        form = {"query": question.query, "partial_response": "false"}
        path = "/api/v1/query"
        if question.window is None:
            form["time"] = f"{question.at.timestamp():.3f}"
        else:
            path = "/api/v1/query_range"
            start = question.window.start.timestamp() + question.step
            form |= {
                "start": f"{start:.3f}",
                "end": f"{question.window.end.timestamp():.3f}",
                "step": str(question.step),
            }
        body = folder / f"{number}.form"
        body.write_text(urlencode(form))
        lines += [f'url = "{url}{path}"', f'data = "@{body}"', 'output = "/dev/null"', "next"]
    config = folder / "curl.config"
    config.write_text("\n".join(lines[:-1]) + "\n")
    return config


def queries(stage: Stage, folder: Path) -> float:
    """The query phase of a daily report against the same queries by curl, four at once; returns its seconds."""
    profile = system.read("pratikoai", Path())
    moment = datetime.now(UTC)
    day = moment.astimezone(ZoneInfo(profile.zone)).date() - timedelta(days=1)
    connection = Connection(name="Prometheus", key="bench", url=stage.url, timeout=60)
    with Prometheus(connection) as metrics:
        context = Context(
            name="pratikoai", system=profile, metrics=metrics, day=day, now=moment, deadline=Deadline(600)
        )
        asked = [question for _, question in _questions(context, observation._days(context))]
        config = as_curl(asked, stage.url, folder)
        figures = paired(
            lambda: ask_all(metrics, asked, Deadline(600)),
            lambda: run("curl", "--silent", "--parallel", "--parallel-max", "4", "--config", config),
        )
    row(f"the {len(asked)} queries of a daily report", "curl --parallel-max 4", figures, "≤ 1.2")
    return figures[0]


def whole(stage: Stage, folder: Path, query_seconds: float) -> Path:
    """A daily run from the shell against its parts; returns its page."""
    (folder / "opsjobs.yml").write_text(
        json.dumps({"systems": {"pratikoai": {"prometheus": {"url": stage.url}}}, "storage": {"root": "state"}})
    )
    report = [sys.executable, "-m", "opsjobs", "daily", "--config", folder / "opsjobs.yml"]
    run(*report)
    (page,) = (folder / "state/reports").rglob("report.html")
    bare = [sys.executable, "-c", f"from weasyprint import HTML; HTML({str(page)!r}).write_pdf('/dev/null')"]
    seconds, printing, _ = paired(lambda: run(*report), lambda: run(*bare), 5)
    peak = peak_of(*report)
    parts = query_seconds + printing
    print(
        f"| a daily run | {seconds * 1000:,.0f} ms | its queries + WeasyPrint on its page | {parts * 1000:,.0f} ms "
        f"| {seconds / parts:.2f} | at most 1,500 ms more: {(seconds - parts) * 1000:,.0f} ms |"
    )
    print(f"| peak memory of it | {peak:,.0f} MiB | | | | |")
    return page


def paper(page: Path) -> None:
    """Our PDF child against bare WeasyPrint and against Chromium, on the same page."""
    ours = [sys.executable, "-m", "opsjobs.report.pdf", str(2 << 30), "60"]
    bare = [sys.executable, "-c", f"from weasyprint import HTML; HTML({str(page)!r}).write_pdf('/dev/null')"]
    figures = paired(lambda: run(*ours, input=page.read_bytes()), lambda: run(*bare), 5)
    row("the PDF", "bare WeasyPrint", figures, "")
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium:
        flags = ["--headless", "--no-sandbox", "--disable-gpu", "--print-to-pdf=/dev/null", f"file://{page}"]
        figures = paired(lambda: run(*ours, input=page.read_bytes()), lambda: run(chromium, *flags), 5)
        row("the PDF", "Chromium", figures, "")


def start_up() -> None:
    """What everybody pays before anything happens."""
    figures = paired(
        lambda: run(sys.executable, "-m", "opsjobs", "--help"),
        lambda: run(sys.executable, "-c", "import click"),
        15,
    )
    row("opsjobs --help", 'python -c "import click"', figures, "≤ 2")


def many_series(folder: Path) -> None:
    """An indicator with very many series behind it: they stay where they are."""
    now = int(time.time())
    begin = now - now % 86_400 - 3 * 3600
    history = folder / "many.om"
    with history.open("w") as text:
        text.write("# TYPE many unknown\n")
        for number in range(SERIES):
            text.writelines(f'many{{n="{number}"}} 1 {begin + 300 * sample}\n' for sample in range(24))
        text.write("# TYPE up unknown\n")
        text.writelines(f'up{{job="x",instance="a"}} 1 {begin + 60 * sample}\n' for sample in range(180))
        text.write("# EOF\n")
    binaries = obtain()
    server = Server(binaries, folder / "many")
    import_history(binaries, history, server.storage)
    (folder / "many.yml").write_text(
        "title: Many\nzone: UTC\nteams: {a: {}}\ncomponents: {x: {title: X, up: 'up{job=\"x\"}', team: a}}\n"
        "metrics: {many: {type: gauge, component: x}}\n"
        "groups: {g: {title: G, team: a, indicators: {many: {title: Many, query: sum(many), unit: count,"
        " healthy: above, breakdown: {by: n, query: 'topk(5, many)'}}}}}\n"
    )
    with server:
        (folder / "many-opsjobs.yml").write_text(
            f"systems: {{many: {{profile: many.yml, prometheus: {{url: '{server.url}', timeout: 120}}}}}}\n"
            "storage: {root: many-state}\n"
        )
        report = [sys.executable, "-m", "opsjobs", "daily", "--config", folder / "many-opsjobs.yml"]
        peak = peak_of(*report)
    print(f"| peak memory with {SERIES:,} series behind an indicator | {peak:,.0f} MiB | | | | ≤ 300 MB |")


def main() -> None:
    """Print the table of docs/benchmarks.md."""
    print("| what | it takes | against | that takes | ratio | aim |\n|---|---:|---|---:|---:|---|")
    with tempfile.TemporaryDirectory(prefix="opsjobs-bench-") as scratch:
        folder = Path(scratch)
        start_up()
        with Stage(scenario="quiet", now=datetime.now(UTC)) as stage:
            page = whole(stage, folder, queries(stage, folder))
        paper(page)
        many_series(folder)


if __name__ == "__main__":
    os.environ.pop("OPSJOBS_CONFIG", None)
    main()
