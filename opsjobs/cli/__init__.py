"""The command line: one file for each noun, no logic. The only place that prints, reads the environment and the clock.

    daily.py     opsjobs daily             runs.py    opsjobs runs
    costs.py     opsjobs costs
    config.py    opsjobs config            demo.py    opsjobs demo
    notify.py    opsjobs notify            system.py  opsjobs system
    health.py    opsjobs health            stack.py   opsjobs stack
    checks.py    opsjobs checks
    findings.py  opsjobs findings          schedule.py  opsjobs schedule
    dashboards.py  opsjobs dashboards
    metrics.py   opsjobs metrics
    serve.py     opsjobs serve             telemetry.py  opsjobs telemetry
    restore.py, diff.py, drill.py  commands of opsjobs dashboards
    cron.py, export.py  commands of opsjobs schedule
    keeping.py   the Grafanas of a system and their backups, opened
    logs.py      how it is logged what is done, and said what went wrong
    marks.py     how a status looks
    status.py    opsjobs status            worker.py  opsjobs worker
    telling.py   who is told, and by what
    timetable.py the schedule of the configuration
    duties.py    how each job that runs by itself is run
    sources.py   the sources of one system, opened
    setting.py   what every command needs: the configuration, the root, the ledger, the clock

To add a command: a file here, a line in `COMMANDS`. A command imports what it works with when it is called, so that
`opsjobs --help` stays quick.
"""

from __future__ import annotations

import errno
import logging
import os
import signal
import sys
import threading
from dataclasses import asdict
from io import TextIOWrapper
from types import FrameType, TracebackType

import click

from opsjobs import __version__
from opsjobs.cli.checks import checks
from opsjobs.cli.config import config
from opsjobs.cli.costs import costs
from opsjobs.cli.daily import daily
from opsjobs.cli.dashboards import dashboards
from opsjobs.cli.demo import demo
from opsjobs.cli.findings import findings
from opsjobs.cli.health import health
from opsjobs.cli.logs import begin, complain, logged
from opsjobs.cli.metrics import metrics
from opsjobs.cli.notify import notify
from opsjobs.cli.runs import runs
from opsjobs.cli.schedule import schedule
from opsjobs.cli.serve import serve
from opsjobs.cli.stack import stack
from opsjobs.cli.status import status
from opsjobs.cli.system import system
from opsjobs.cli.telemetry import telemetry
from opsjobs.cli.worker import worker
from opsjobs.errors import ConfigError, Interrupted, OpsjobsError, UsageError
from opsjobs.log import Redactor, in_json

COMMANDS = (
    daily,
    costs,
    health,
    dashboards,
    metrics,
    checks,
    findings,
    runs,
    status,
    schedule,
    worker,
    serve,
    telemetry,
    notify,
    system,
    stack,
    config,
    demo,
)
_REDACTOR = Redactor()


@click.group(
    # "\b" keeps click from filling the lines that follow it.
    help="""Scheduled operations jobs for teams with Prometheus, Grafana, PostgreSQL and Redis.

    \b
    Try it on a simulated system:   opsjobs demo
    Yesterday's report of yours:    opsjobs daily
    What the last week cost:        opsjobs costs
    Whether it is well now:         opsjobs health
    """,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Exit codes: 0 done, 1 failed, 3 partial, 64 usage, 75 another run holds the slot, 78 configuration.",
)
@logged
@click.version_option(__version__, prog_name="opsjobs")
@click.pass_context
def cli(context: click.Context, *, debug: bool, log_format: str) -> None:
    """Set up what every command shares."""
    context.obj = _REDACTOR
    begin(_REDACTOR, debug=debug, log_format=log_format)


for command in COMMANDS:
    cli.add_command(command)


_UNWRITABLE = {errno.ENOSPC, errno.EIO, errno.EFBIG, errno.EDQUOT}


def main() -> None:
    """Run the command line and leave with its exit code. Errors become words; `--debug` shows where they came from."""
    # What is wrong with the options themselves is said before they are read.
    begin(_REDACTOR, debug=False, log_format=os.environ.get("OPSJOBS_LOG_FORMAT", ""))
    sys.excepthook = _unexpected
    threading.excepthook = lambda ended: _unexpected(ended.exc_type, ended.exc_value, ended.exc_traceback)
    signal.signal(signal.SIGTERM, _terminated)
    # A shell that starts us in the background would have us ignore Ctrl-C, and what we started would live on.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for stream in (sys.stdout, sys.stderr):
        # A terminal that lacks a sign shows a question mark in its place.
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")
    try:
        code = cli.main(standalone_mode=False)
        sys.stdout.flush()
    except click.ClickException as error:
        _misused(error)
        code = UsageError.exit_code
    except (click.Abort, KeyboardInterrupt):
        complain(_REDACTOR, "Interrupted.", mark="\n", exit_code=Interrupted.exit_code)
        sys.stdout.flush()
        # Everything is put away by now; a thread that waits for a server would hold us until its time-out.
        os._exit(Interrupted.exit_code)
    except OpsjobsError as error:
        logging.getLogger("opsjobs").debug("where it came from", exc_info=True)
        _explain(error)
        code = error.exit_code
    except BrokenPipeError:
        # Whoever read our output has had enough of it; Python must not complain about that on its way out.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 1
    except OSError as error:
        # Everything else that fails in the system has been put into words where it was done.
        if error.errno not in _UNWRITABLE:
            raise
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        complain(_REDACTOR, f"the output cannot be written: {error.strerror}", mark="Error: ", exit_code=1)
        code = 1
    sys.exit(code or 0)


def _misused(error: click.ClickException) -> None:
    """Say what of the command line makes no sense."""
    if not in_json():
        error.show()
        return
    missing = isinstance(error, click.exceptions.NoArgsIsHelpError)
    message = "a command is missing" if missing else error.format_message()
    asked = getattr(error, "ctx", None)
    advice = f"See `{asked.command_path if asked else 'opsjobs'} --help`."
    complain(_REDACTOR, message, advice, error=UsageError.__name__, exit_code=UsageError.exit_code)


def _explain(error: OpsjobsError) -> None:
    message, faults = error.message, error.faults if isinstance(error, ConfigError) else []
    if len(faults) > 1:
        message = f"{len(faults)} faults\n{message}"
    complain(
        _REDACTOR,
        message,
        error.advice,
        mark=click.style("Error: ", fg="red", bold=True),
        error=type(error).__name__,
        exit_code=error.exit_code,
        faults=[asdict(fault) for fault in faults],
    )


def _terminated(_signal: int, _frame: FrameType | None) -> None:
    """End as on Ctrl-C, so that everything that was started is stopped."""
    raise KeyboardInterrupt


def _unexpected(kind: type[BaseException], error: BaseException | None, trace: TracebackType | None) -> None:
    """The last resort: a fault of opsjobs itself, in one line."""
    logging.getLogger("opsjobs").debug("where it came from", exc_info=(kind, error, trace) if error else None)
    said = f"opsjobs has a fault: {kind.__name__}: {error}"
    complain(_REDACTOR, said, "Run it again with --debug to see where, and please report it.", error=kind.__name__)
