"""python -m opsjobs."""

from __future__ import annotations

from opsjobs.cli import main

main()
