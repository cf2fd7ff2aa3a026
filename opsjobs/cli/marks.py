"""How a status looks on a terminal: by shape and word as well as colour."""

from __future__ import annotations

import click

_MARKS = {"OK": ("●", "green"), "WARNING": ("▲", "yellow"), "CRITICAL": ("◆", "red"), "UNKNOWN": ("○", "magenta")}


def shape(status: str) -> str:
    """The shape of a status, in its colour."""
    sign, colour = _MARKS[status]
    return click.style(sign, fg=colour)


def heading(status: str, more: str = "") -> str:
    """The shape and the word of a status, for the line that says it all."""
    sign, colour = _MARKS[status]
    return click.style(f"{sign} {status}{more}", fg=colour, bold=True)
