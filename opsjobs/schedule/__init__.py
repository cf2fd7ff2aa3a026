"""WHEN: which job runs for which system at which instants, and who sees to it.

    slots.py      a cron line and a zone, as instants: the only source of them
    timetable.py  each job of each system with its slots, and in which batches they run
    due.py        which slots are to be run at a moment, and which were missed
    launch.py     a batch of slots in a process of its own that has so much time and no more
    embedded.py   `opsjobs schedule run`: one process that runs what is due, by APScheduler
    calls.py      what other schedulers call: crontab.py, systemd.py and kubernetes.py write it down for them
    cluster.py    `opsjobs worker`: any number of them on any number of machines, by procrastinate

Whoever calls, a slot is run once: its row in the ledger is claimed under the job's lock (`runner`, `ledger.slots`).
To schedule another job: an entry in `opsjobs.timetable.DEFAULTS`, and one in `opsjobs.cli.duties`.
"""
