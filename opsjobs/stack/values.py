"""The value of an alert in words: by a template, for Prometheus to fill in, and as it will come out.

Tests of rules have to say what Prometheus will have written, so its formats are spoken here too: those of
`template/template.go` of Prometheus.
"""

from __future__ import annotations

import re

HERE = "\x00"
"""Stands in a text where the value will be."""

_SIZES = ("", "k", "M", "G", "T", "P")
_SMALL = ("", "m", "u", "n", "p")
_BINARY = ("", "ki", "Mi", "Gi", "Ti", "Pi")
_THOUSAND = 1000
_KIBI = 1024
_MINUTE, _HOUR, _DAY = 60, 3600, 86400


def template(unit: str) -> str:
    """How Prometheus is to write a value of the unit."""
    return {
        "ratio": "{{ $value | humanizePercentage }}",
        "seconds": "{{ $value | humanizeDuration }}",
        "bytes": "{{ $value | humanize1024 }}B",
        "count": "{{ $value | humanize }}",
        "per_second": "{{ $value | humanize }}/s",
    }.get(unit, f'{{{{ printf "%.2f" $value }}}} {unit}')


def filled(unit: str, value: float) -> str:
    """What Prometheus makes of `template` for that value."""
    if unit == "ratio":
        return f"{value * 100:.4g}%"
    if unit == "seconds":
        return _duration(value)
    if unit == "bytes":
        return f"{_sized(value, _BINARY, _KIBI)}B"
    if unit in {"count", "per_second"}:
        text = _sized(value, _SIZES, _THOUSAND) if abs(value) >= 1 or not value else _shrunk(value)
        return f"{text}/s" if unit == "per_second" else text
    return f"{value:.2f} {unit}"


def plain(text: str) -> str:
    """A text of a profile inside a template: braces that would be read as an instruction are shown as they are."""
    return re.sub(r"\{\{", '{{ "{{" }}', text)


def _sized(value: float, prefixes: tuple[str, ...], step: int) -> str:
    power = 0
    while abs(value) >= step and power < len(prefixes) - 1:
        value, power = value / step, power + 1
    return f"{value:.4g}{prefixes[power]}"


def _shrunk(value: float) -> str:
    power = 0
    while abs(value) < 1 and power < len(_SMALL) - 1:
        value, power = value * _THOUSAND, power + 1
    return f"{value:.4g}{_SMALL[power]}"


def _duration(value: float) -> str:
    if abs(value) < 1:
        return f"{_shrunk(value) if value else '0'}s"
    sign, whole = ("-" if value < 0 else ""), abs(int(value))
    seconds, minutes, hours, days = whole % _MINUTE, whole // _MINUTE % 60, whole // _HOUR % 24, whole // _DAY
    if days:
        return f"{sign}{days}d {hours}h {minutes}m {seconds}s"
    if hours:
        return f"{sign}{hours}h {minutes}m {seconds}s"
    return f"{sign}{minutes}m {seconds}s" if minutes else f"{value:.4g}s"
