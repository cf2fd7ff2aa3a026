"""opsjobs dashboards drill."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from opsjobs.cli import keeping
from opsjobs.cli.keeping import SYSTEM, TARGET, Target
from opsjobs.cli.marks import heading
from opsjobs.cli.setting import Setting, configured, now, setting

if TYPE_CHECKING:
    from opsjobs.backup.drill import Proof
    from opsjobs.backup.manifest import Manifest
    from opsjobs.backup.shelf import Shelf
    from opsjobs.log import Redactor
    from opsjobs.runner import Ending

_FAILED, _PARTIAL = 1, 3
_SHOWN = 5
"""How many of what did not come back the ledger names."""


@click.command(epilog="Example: opsjobs dashboards drill --system pratikoai")
@SYSTEM
@TARGET
@click.option("--dry-run", is_flag=True, help="Only say what would be restored for trial.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document on standard output.")
@configured
@click.pass_obj
@click.pass_context
def drill(
    context: click.Context,
    redactor: Redactor,
    *,
    name: str | None,
    target: str | None,
    dry_run: bool,
    as_json: bool,
    file: Path | None,
) -> None:
    """Prove that the newest backup can be restored: into a folder for trial, read back, compared, and removed again.

    Health checks and the daily report say when that was done last. Alert rules and data sources are not made for
    trial: of those the files are read.
    """
    here = setting(file, redactor)
    chosen = keeping.one_target(here, name, target)
    shelf = keeping.shelf(here, chosen)
    backup = shelf.chosen("latest")
    if dry_run:
        trials = sum(each.kind in {"dashboard", "library-panel"} for each in backup.entries)
        click.echo(f"{chosen.label}: {trials} objects of {backup.id} would be restored for trial, and removed again")
        return
    proof = proven(here, chosen, shelf, backup)
    if as_json:
        document = {**asdict(proof), "at": proof.at.isoformat()}
        click.echo(redactor.redact(json.dumps(document, indent=2, ensure_ascii=False)))
    else:
        keeping.tell(redactor, _proven(chosen, proof))
    context.exit(_FAILED if not proof.held else _PARTIAL if proof.left else 0)


def proven(here: Setting, chosen: Target, shelf: Shelf, backup: Manifest) -> Proof:
    """Restore a backup for trial, as a run that the ledger remembers."""
    from opsjobs.runner import attend  # noqa: PLC0415 - slow to import

    proofs: list[Proof] = []

    def work(still: Callable[[], None]) -> Ending:
        still()
        proofs.append(_drilled(here, chosen, shelf, backup))
        return _ending(proofs[0])

    with here.desk(chosen.system, send=True) as desk, desk.ledger.alone(desk.locks, chosen.system, "backup"):
        attend(chosen.system, "drill", here.slot(), desk, work)
    return proofs[0]


def _drilled(here: Setting, target: Target, shelf: Shelf, backup: Manifest) -> Proof:
    from opsjobs.backup import drill as drills  # noqa: PLC0415 - slow to import

    with keeping.opened(here, target) as source, keeping.progress(target.label) as progress:
        return drills.run(source, shelf, backup, now(), progress)


def _ending(proof: Proof) -> Ending:
    from opsjobs.model import Outcome, Status  # noqa: PLC0415 - slow to import
    from opsjobs.runner import Ending  # noqa: PLC0415 - as above

    said = [str(each) for each in proof.failures[:_SHOWN]] + [f"still there: {each}" for each in proof.left]
    return Ending(
        outcome=Outcome.SUCCEEDED if proof.held else Outcome.FAILED,
        status=Status.OK if proof.held else Status.CRITICAL,
        error="; ".join(said),
    )


def _proven(target: Target, proof: Proof) -> Iterator[str]:
    yield f"{target.label}, {proof.backup}"
    if proof.held:
        yield f"{heading('OK')}  {proof.restored} objects were restored for trial and came back as they were kept"
    else:
        yield f"{heading('CRITICAL')}  {len(proof.failures)} objects did not come back"
    yield f"  {proof.read} files read back"
    yield from (f"  {each}" for each in proof.failures)
    yield from (f"  could not be removed again: {each}" for each in proof.left)
