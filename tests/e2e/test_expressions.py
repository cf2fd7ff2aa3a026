"""Every expression of every profile that ships, read by Prometheus' own tool."""

import json
import subprocess
from pathlib import Path

import pytest

from opsjobs import promql, system

WINDOW = 30 * 86400


def expressions(profile):
    """By where it stands in the profile."""
    for name, component in profile.components.items():
        yield f"component {name}", component.up
    for name, _, spec in profile.indicators:
        for part in (spec.query, spec.numerator, spec.denominator, spec.breakdown and spec.breakdown.query):
            yield f"indicator {name}", part
    for name, slo in profile.slos.items():
        yield f"slo {name}", slo.good
        yield f"slo {name}", slo.total
        yield f"slo {name}, its share", slo.share(WINDOW)
    for name, alert in profile.alerts.items():
        yield f"alert {name}", alert.query
    for name, dashboard in profile.dashboards.items():
        for panel in dashboard.panels:
            yield f"panel {name}, {panel.title}", panel.query


@pytest.mark.parametrize("name", system.shipped())
def test_promtool_accepts_every_expression(name, binaries, tmp_path):
    profile = system.read(name, Path())
    found = [(place, text) for place, text in expressions(profile) if text]
    assert len(found) > 20
    rules = [
        {"record": f"checked:{number}", "expr": promql.over(promql.at_step(text, 300), WINDOW), "labels": {"of": place}}
        for number, (place, text) in enumerate(found)
    ]
    path = tmp_path / "rules.yml"
    path.write_text(json.dumps({"groups": [{"name": name, "rules": rules}]}), "utf-8")
    done = subprocess.run(
        binaries.command("promtool", "check", "rules", str(path), folders=(tmp_path,)), capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{len(found)} rules found" in done.stdout
