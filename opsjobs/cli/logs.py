"""How the command line logs, and says what went wrong: in words for people, as a line of the log for programs."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable
from typing import Any

import click

from opsjobs import log
from opsjobs.cli.keeping import plain
from opsjobs.log import Redactor

_LOG = logging.getLogger("opsjobs.cli")


def logged(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give the group the options that say what is logged, and how."""
    debug = click.option(
        "--debug", is_flag=True, help="Say on standard error what is being done; show where an error came from."
    )
    form = click.option(
        "--log-format",
        type=click.Choice(["auto", "text", "json"]),
        default="auto",
        envvar="OPSJOBS_LOG_FORMAT",
        show_envvar=True,
        help="How that is said: auto is text for people; json, a line each, where a service has no terminal.",
    )
    return debug(form(command))


def begin(redactor: Redactor, *, debug: bool, log_format: str, service: bool = False) -> None:
    """Log as the options say. A service says what it does, too, and to programs unless somebody reads at a terminal."""
    unread = service and not sys.stderr.isatty()
    log.configure(
        debug=debug,
        stream=sys.stderr,
        redactor=redactor,
        json=log_format == "json" or (log_format == "auto" and unread),
        level=logging.INFO if service else logging.WARNING,
    )


def serve(context: click.Context) -> None:
    """Log as a service from now on: for commands that go on until somebody ends them."""
    root = context.find_root()
    begin(root.obj, debug=root.params["debug"], log_format=root.params["log_format"], service=True)


def complain(redactor: Redactor, message: str, advice: str = "", *, mark: str = "", **known: object) -> None:
    """Say what went wrong, and what to do. People read the mark before it; programs get what else is known of it."""
    if log.in_json():
        extra = {"advice": advice, **known}
        _LOG.error("%s", message.strip(), extra={name: value for name, value in extra.items() if value}, stacklevel=2)
        return
    for text in filter(None, (mark + message, advice)):
        click.echo("\n".join(map(plain, redactor.redact(text).split("\n"))), err=True)
