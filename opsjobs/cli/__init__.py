"""The command line: one file for each noun, no logic. The only place that prints, reads the environment and the clock.

    daily.py     opsjobs daily             runs.py    opsjobs runs
    costs.py     opsjobs costs
    config.py    opsjobs config            demo.py    opsjobs demo
    notify.py    opsjobs notify            system.py  opsjobs system
    health.py    opsjobs health            stack.py   opsjobs stack
    checks.py    opsjobs checks
    findings.py  opsjobs findings
    dashboards.py  opsjobs dashboards
    metrics.py   opsjobs metrics
    restore.py, diff.py, drill.py  commands of opsjobs dashboards
    keeping.py   the Grafanas of a system and their backups, opened
    marks.py     how a status looks
    telling.py   who is told, and by what
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
from opsjobs.cli.metrics import metrics
from opsjobs.cli.notify import notify
from opsjobs.cli.runs import runs
from opsjobs.cli.stack import stack
from opsjobs.cli.system import system
from opsjobs.errors import ConfigError, Interrupted, OpsjobsError, UsageError
from opsjobs.log import Redactor, configure

COMMANDS = (daily, costs, health, dashboards, metrics, checks, findings, runs, notify, system, stack, config, demo)
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
@click.option("--debug", is_flag=True, help="Say on standard error what is being done; show where an error came from.")
@click.version_option(__version__, prog_name="opsjobs")
@click.pass_context
def cli(context: click.Context, *, debug: bool) -> None:
    """Set up what every command shares."""
    context.obj = _REDACTOR
    configure(debug=debug, stream=sys.stderr, redactor=_REDACTOR)


for command in COMMANDS:
    cli.add_command(command)


_UNWRITABLE = {errno.ENOSPC, errno.EIO, errno.EFBIG, errno.EDQUOT}


def main() -> None:
    """Run the command line and leave with its exit code. Errors become words; `--debug` shows where they came from."""
    sys.excepthook = _unexpected
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
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        code = UsageError.exit_code
    except click.ClickException as error:
        error.show()
        code = UsageError.exit_code
    except (click.Abort, KeyboardInterrupt):
        click.echo("\nInterrupted.", err=True)
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
        click.echo(f"Error: the output cannot be written: {error.strerror}", err=True)
        code = 1
    sys.exit(code or 0)


def _explain(error: OpsjobsError) -> None:
    message = _REDACTOR.redact(error.message)
    if isinstance(error, ConfigError) and len(error.faults) > 1:
        message = f"{len(error.faults)} faults\n{message}"
    click.echo(click.style("Error: ", fg="red", bold=True) + message, err=True)
    if error.advice:
        click.echo(_REDACTOR.redact(error.advice), err=True)


def _terminated(_signal: int, _frame: FrameType | None) -> None:
    """End as on Ctrl-C, so that everything that was started is stopped."""
    raise KeyboardInterrupt


def _unexpected(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """The last resort: a fault of opsjobs itself, in one line."""
    logging.getLogger("opsjobs").debug("where it came from", exc_info=(kind, error, trace))
    said = _REDACTOR.redact(f"{kind.__name__}: {error}")
    click.echo(f"opsjobs has a fault: {said}\nRun it again with --debug to see where, and please report it.", err=True)
