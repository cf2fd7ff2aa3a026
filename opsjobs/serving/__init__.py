"""SHOW what was kept: the archive of reports as pages, opsjobs' own metrics, and whether it lives.

    site     the WSGI application: which address is what, and what goes with every answer
    guard    who is let in, and by which names the site is called
    shelf    the files of reports, read without following anything out of their folder
    signs    how a run looks and reads
    pages    what stands on the pages
    server   the site on a port, in a thread of its own

Nothing here writes. To add a page: a rule in `site`, a method that answers it, and a template in reports/templates.
"""

from __future__ import annotations

from opsjobs.serving.guard import Guard
from opsjobs.serving.pages import Subject
from opsjobs.serving.server import Server, start
from opsjobs.serving.site import Site

__all__ = ["Guard", "Server", "Site", "Subject", "start"]
