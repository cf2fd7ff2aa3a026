"""The rows behind a report, as a spreadsheet may read them."""

import csv
import dataclasses
import io

import pytest

from opsjobs.report import render
from tests.unit.report import samples


def read(*lines):
    report = dataclasses.replace(samples.quiet(), lines=lines)
    content = render(report).files["report.csv"]
    return list(csv.reader(io.StringIO(content.decode("utf-8-sig"), newline="")))


def test_rows_come_back_as_they_were():
    rows = (
        ("day", "model", "amount"),
        ("2026-11-09", 'gpt "4o", large', "12.345678"),
        ("2026-11-10", "größer", "-1.5"),
    )
    assert read(*rows) == [list(row) for row in rows]


@pytest.mark.parametrize("evil", ["=cmd|' /C calc'!A0", "+1+cmd|x", "-2+3", "@SUM(A1)", "|x", "%x"])
def test_a_text_is_never_a_formula(evil):
    ((cell,),) = read((evil,))
    assert cell == f"'{evil}"


def test_a_line_break_does_not_begin_a_row():
    ((cell, other),) = read(("a\n=1+1", "b"))
    assert (cell, other) == ("a =1+1", "b")
