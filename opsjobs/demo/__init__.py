"""The demonstration: a system that lives, with a real Prometheus, to try every job on without connecting anything.

    simulation, scenario -> weaver -> course -> exposition -> prometheus -> stage
    what there is, what     every     its       history and   a real one    all of it,
    goes wrong (YAML)       series    values    live pages    as a child    and its end
                                        |
                                        +----> books ------> databases ---+
                                               what would    a real PostgreSQL
                                               be kept       and Redis

- `simulations/<system>.yml` declares what a system exposes: targets, metrics, levels, rhythms, noise (`simulation.py`).
- `scenarios/<system>/<name>.yml` plants truths, each with what a report must say (`scenario.py`, docs/scenarios.md).
- `weaver.py` makes every series out of them, with `noise.py`; `course.py` holds the values.
- `exposition.py` writes the past as OpenMetrics text and serves the present to scrapes.
- `books.py` makes the rows and figures that PratikoAI would have kept meanwhile, so that they agree with the series.
- `binaries.py` finds or gets Prometheus and promtool, `programs.py` PostgreSQL and Redis; `packages.py` unpacks what
  Debian has packed.
- `prometheus.py`, `postgresql.py` and `redis.py` run one server each, on a free port, as a `child.py` held by
  `leash.py`, so that it never outlives its parent. `prometheus.py` and what is below it know nothing of simulations:
  tests use them with a history of their own. `access.py` says how opsjobs is let in.
- `databases.py` starts both databases while Prometheus loads, and goes on without one that cannot be had.
- `stage.py` ties it together: `with Stage("pratikoai", "troubled", now=..., databases=True) as stage: stage.url,
  stage.databases`.

To add a simulation: write `simulations/<system>.yml` with every metric of the system's profile (a test compares them),
and a scenario `quiet` in which every limit holds. To add a scenario: one file; its name is the file's. To add an
effect: a field of `scenario.Effect` with what it goes with in `_one_thing`, and its meaning in `weaver.py`: `_touched`
for values, `_during` for what is there at all. To add a state of a database: its name in `scenario.STATES`, what it
does in `bring_about` of the server, and a row in docs/scenarios.md.
"""
