"""Scheduled operations jobs for teams with Prometheus, Grafana, PostgreSQL and Redis.

The spine, from left to right; nothing to the left knows what is to its right:

    declare -> acquire -> evaluate -> present -> deliver -> remember
    system     sources    analysis    report     notify     ledger

`system` and `config` read what an operator declares, `sources` ask, `analysis` judges, `report` shows, `notify`
delivers, `ledger` remembers. `jobs` tell the stories, `runner` knows the life of a run, `cli` talks to people.
"""

__version__ = "0.1.0"
