"""The rows behind a report as CSV (RFC 4180) for spreadsheets, which must not take a text for a formula."""

from __future__ import annotations

import csv
import io
import re

from opsjobs.report.document import Report

_FORMULA = "=+-@\t\r\n|%"
"""What a cell must not begin with: spreadsheets would work it out (OWASP, "CSV Injection")."""
_NUMBER = re.compile(r"[+-]?\d+(\.\d+)?")


def render(report: Report) -> bytes:
    """UTF-8 with a byte order mark, so that every spreadsheet reads its letters; a row for each line."""
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    for line in report.lines:
        writer.writerow([_safe(cell) for cell in line])
    return b"\xef\xbb\xbf" + text.getvalue().encode()


def _safe(cell: str) -> str:
    """A number as it is; a text that a spreadsheet would work out, behind an apostrophe."""
    risky = cell.startswith(tuple(_FORMULA)) and not _NUMBER.fullmatch(cell)
    return f"'{cell}" if risky else cell
