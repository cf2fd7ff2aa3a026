"""KEEP: copies of everything in a Grafana and of the data of a Prometheus, proven, compared and brought back.

    manifest.py   what is in a backup, and whether it is all that there was
    store.py      where the files of backups are: this machine's disk
    remote.py     the same in S3, Google, Azure and what else fsspec reaches
    rack.py       the backups of one server: objects by their hashes, and a manifest for each backup
    shelf.py      those of one Grafana
    collect.py    a backup is made: everything listed, read, kept, listed and read again
    retention.py  which backups stay
    compare/      what is different between two objects, by meaning
    changes.py    what is different between two backups
    tree.py       a backup as a folder of files for people and git
    archive.py    a backup in one file, and one from elsewhere
    references.py which data sources an object asks
    wishes.py     what is to be restored, of a backup or a file
    plan.py       what a restore would do
    restore.py    a plan is carried out
    drill.py      the newest backup is restored for trial

    snapshot.py   what is in a backup of a Prometheus
    vault.py      those of one Prometheus: files of any size
    fetch.py      a backup is made: Prometheus makes a snapshot, its files are fetched
    coverage.py   what it lacks that the one before it had
    refill.py     a data folder is written anew

A backup is its manifest, which is written last; an object that did not change is the same file in all of them.
"""
