"""The demonstration: a system that lives, with a real Prometheus, to try every job on without connecting anything.

    simulation, scenario -> weaver -> course -> exposition -> prometheus -> stage
    what there is, what     every     its       history and   a real one    all of it,
    goes wrong (YAML)       series    values    live pages    as a child    and its end

- `simulations/<system>.yml` declares what a system exposes: targets, metrics, levels, rhythms, noise (`simulation.py`).
- `scenarios/<system>/<name>.yml` plants truths, each with what a report must say (`scenario.py`, docs/scenarios.md).
- `weaver.py` makes every series out of them, with `noise.py`; `course.py` holds the values.
- `exposition.py` writes the past as OpenMetrics text and serves the present to scrapes.
- `binaries.py` finds or gets Prometheus and promtool; `prometheus.py` runs it on a free port, held by `leash.py`, so
  that it never outlives its parent. Neither knows of simulations: tests use them with a history of their own.
- `stage.py` ties it together: `with Stage("pratikoai", "troubled", now=...) as stage: stage.url`.

To add a simulation: write `simulations/<system>.yml` with every metric of the system's profile (a test compares them),
and a scenario `quiet` in which every limit holds. To add a scenario: one file; its name is the file's. To add an
effect: a field of `scenario.Effect` with what it goes with in `_one_thing`, and its meaning in `weaver.py`: `_touched`
for values, `_during` for what is there at all.
"""
