import http.server
import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from opsjobs.errors import RenderError
from opsjobs.report import pdf, render
from opsjobs.report.pdf import MISSING_LIBRARIES, Printer, child_environment

from . import samples

PAGE = "<!DOCTYPE html><title>x</title><h1>Hello</h1>"


class Sleeper(Printer):
    """Starts a child that never answers."""

    def _launch(self):
        program = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'import time; time.sleep(600)'])"
        return subprocess.Popen(
            [sys.executable, "-c", program],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )


class Speaker(Printer):
    """Starts a child that runs a given program."""

    def __init__(self, program, **settings):
        super().__init__(**settings)
        self.program = program

    def _launch(self):
        return subprocess.Popen(
            [sys.executable, "-c", self.program],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )


@pytest.fixture
def canary():
    """A server on the loopback interface that writes down who calls."""
    calls = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            calls.append(self.path)
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}", calls
        server.shutdown()
        thread.join()


def gone(group):
    """Whether no process of a group is left; a moment is granted for the kernel to bury them."""
    for _ in range(100):
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.05)
    return False


def test_a_page_becomes_a_pdf():
    with Printer() as printer:
        assert printer.print(PAGE).startswith(b"%PDF-")


def test_an_early_start_and_a_second_page_work_too():
    with Printer() as printer:
        printer.start()
        first = printer.print(PAGE)
        assert printer.print(PAGE) == first


def test_making_a_printer_starts_nothing():
    printer = Printer()
    assert printer._child is None


@pytest.mark.parametrize(
    "markup",
    [
        '<img src="{url}/img">',
        '<link rel="stylesheet" href="{url}/css">',
        '<link rel="attachment" href="{url}/attachment">',
        "<style>@import url('{url}/import');</style>",
        "<p style=\"background: url('{url}/background')\">x</p>",
        '<svg width="10" height="10"><image href="{url}/svg" width="10" height="10"/></svg>',
        '<object data="{url}/object"></object>',
        '<base href="{url}/"><img src="relative">',
        "<style>@font-face {{ font-family: x; src: url('{url}/font') }} p {{ font-family: x }}</style><p>x</p>",
    ],
)
@pytest.mark.parametrize("scheme", ["http", "file"])
def test_nothing_is_fetched_and_nothing_leaks(canary, tmp_path, markup, scheme):
    address, calls = canary
    secret = tmp_path / "secret"
    secret.mkdir()
    for name in ("img", "css", "attachment", "import", "background", "svg", "object", "relative", "font"):
        (secret / name).write_text("CANARY-4711")
    url = address if scheme == "http" else secret.as_uri()
    try:
        with Printer() as printer:
            found = printer.print(PAGE + markup.format(url=url))
    except RenderError as error:
        found = error.message.encode()
    assert calls == []
    assert b"CANARY-4711" not in found


def test_the_canary_can_sing(canary):
    address, calls = canary
    program = "import sys, weasyprint; weasyprint.HTML(string=sys.argv[1]).write_pdf()"
    subprocess.run([sys.executable, "-c", program, f'<img src="{address}/img">'], check=True, capture_output=True)
    assert calls == ["/img"]


def test_a_child_that_takes_too_long_is_killed_with_all_it_started():
    printer = Sleeper(timeout=0.5)
    printer.start()
    group = printer._child.pid
    with pytest.raises(RenderError, match=r"took more than 0\.5 s"):
        printer.print(PAGE)
    assert gone(group)


def test_a_child_that_takes_too_long_costs_only_the_pdf():
    result = render(samples.quiet(), Sleeper(timeout=0.5))
    assert set(result.files) == {"report.html", "report.txt", "report.json"}
    assert "PDF took more than 0.5 s" in result.files["report.txt"].decode()


def test_an_interrupt_kills_the_child(monkeypatch):
    printer = Sleeper()
    printer.start()
    group = printer._child.pid

    def interrupt(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(printer._child, "communicate", interrupt)
    with pytest.raises(KeyboardInterrupt):
        printer.print(PAGE)
    assert gone(group)


def test_closing_a_printer_that_was_never_used_ends_its_child():
    with Sleeper() as printer:
        printer.start()
        group = printer._child.pid
    assert gone(group)


def test_the_secrets_of_the_parent_do_not_reach_the_child(monkeypatch):
    monkeypatch.setenv("OPSJOBS_SMTP_PASSWORD", "hunter2")
    monkeypatch.setenv("FONTCONFIG_PATH", "/etc/fonts")
    with Printer() as printer:
        printer.start()
        # The process exists before its new program does: wait for the latter's environment.
        for _ in range(100):
            with open(f"/proc/{printer._child.pid}/environ", "rb") as file:  # noqa: PTH123 - not a common file
                environment = file.read()
            if b"PYTHONHASHSEED" in environment:
                break
            time.sleep(0.05)
    assert b"PYTHONHASHSEED=0" in environment
    assert b"FONTCONFIG_PATH=/etc/fonts" in environment
    assert b"hunter2" not in environment


def test_only_what_finds_programs_libraries_and_fonts_is_inherited():
    parent = {"PATH": "p", "HOME": "h", "DYLD_LIBRARY_PATH": "d", "PGPASSWORD": "s", "PYTHONSTARTUP": "x"}
    assert set(child_environment(parent)) == {
        *("PATH", "HOME", "DYLD_LIBRARY_PATH"),
        *("PYTHONPATH", "PYTHONHASHSEED", "SOURCE_DATE_EPOCH"),
    }


@pytest.mark.parametrize(
    ("program", "reason"),
    [
        ("import sys; sys.stderr.write('noise\\nWhat went wrong\\n\\n'); sys.exit(1)", "What went wrong"),
        ("import sys; sys.exit(3)", "ended with code 3"),
        ("print('not a PDF')", "ended with code 0"),
        (f"import os; os.kill(os.getpid(), {signal.SIGSEGV:d})", "killed by SIGSEGV"),
        (f"import os; os.kill(os.getpid(), {signal.SIGXCPU:d})", "60 s of processor time"),
    ],
)
def test_the_reason_of_a_failure_is_told(program, reason):
    with pytest.raises(RenderError, match=reason):
        Speaker(program).print(PAGE)


def test_too_little_memory_is_a_failure_and_not_a_hang():
    with pytest.raises(RenderError):
        Printer(memory=400 * 1024**2).print(f"<table><tr><td colspan=1000000000>{'x' * 1000}</table>")


def test_too_much_processor_time_is_a_failure():
    with pytest.raises(RenderError, match="processor time"):
        Printer(cpu=1).print("<div style='display:flex'>" * 30 + "x")


def test_missing_native_libraries_are_named(tmp_path):
    (tmp_path / "weasyprint").mkdir()
    (tmp_path / "weasyprint" / "__init__.py").write_text("raise OSError('cannot load library')")
    program = (
        f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n"
        "from opsjobs.report.pdf import main; sys.exit(main(1 << 31, 60))"
    )
    with pytest.raises(RenderError) as failure:
        Speaker(program).print(PAGE)
    assert failure.value.message == MISSING_LIBRARIES


def test_the_child_is_quiet(capfd):
    with Printer() as printer:
        printer.print("<p style='nonsense: 1; color: nocolour'>x</p><style>@broken {</style>")
    assert capfd.readouterr() == ("", "")


def test_an_interpreter_that_cannot_be_started_is_a_render_error(monkeypatch):
    monkeypatch.setattr(pdf.sys, "executable", "/nonexistent/python")
    with pytest.raises(RenderError, match="could not be started"):
        Printer().print(PAGE)
