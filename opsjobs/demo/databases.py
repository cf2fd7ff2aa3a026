"""A real PostgreSQL and a real Redis, started and filled while others work; one that cannot be had is done without."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from types import MappingProxyType
from typing import Self

from opsjobs.demo import programs
from opsjobs.demo.access import Access
from opsjobs.demo.books import Books
from opsjobs.demo.postgresql import PostgreSQL
from opsjobs.demo.programs import Programs
from opsjobs.demo.redis import Redis
from opsjobs.errors import DemoError

_SERVERS: Mapping[str, Callable[..., PostgreSQL | Redis]] = MappingProxyType({"postgresql": PostgreSQL, "redis": Redis})
_OBTAIN: Mapping[str, Callable[..., Programs]] = MappingProxyType(
    {"postgresql": programs.postgresql, "redis": programs.redis}
)

TITLES: Mapping[str, str] = MappingProxyType({"postgresql": "PostgreSQL", "redis": "Redis"})
"""What the databases are called, by the name that a scenario has for them."""


def obtain(progress: Callable[[str], None]) -> dict[str, Programs]:
    """The programs of those databases that can be had; of the others it is told why not."""
    found = {}
    for name, title in TITLES.items():
        try:
            found[name] = _OBTAIN[name](progress=progress)
        except DemoError as error:
            progress(without(title, error))
    return found


def without(title: str, error: DemoError) -> str:
    """That the demonstration goes on without a database, as a line of progress."""
    return f"Going on without {title}: {error}"


class Databases:
    """The servers of which there are programs, each started and filled by a thread of its own.

    `states` are pairs of a database and one of its `scenario.STATES`.
    """

    def __init__(
        self, found: Mapping[str, Programs], folder: Path, *, books: Books, states: Collection[tuple[str, str]] = ()
    ) -> None:
        self._found = dict(found)
        self._folder = folder
        self._books = books
        self._states = tuple(states)
        self._executor = ThreadPoolExecutor(max_workers=len(TITLES), thread_name_prefix="databases")
        self._living = ExitStack()
        self._coming: dict[str, Future[Access | DemoError]] = {}

    def __enter__(self) -> Self:
        self._coming = {name: self._executor.submit(self._begin, name) for name in self._found}
        return self

    def __exit__(self, *_: object) -> None:
        with self._living:
            # What is just starting can only be ended when it has started.
            self._executor.shutdown(cancel_futures=True)

    def wait(self) -> Mapping[str, Access | DemoError]:
        """How opsjobs is let into each, or why it does not live."""
        return {name: coming.result() for name, coming in self._coming.items()}

    def _begin(self, name: str) -> Access | DemoError:
        states = [state for database, state in self._states if database == name]
        try:
            with ExitStack() as stack:
                server = _SERVERS[name](self._found[name], self._folder, states=states)
                stack.enter_context(server)
                access = server.fill(self._books)
                server.bring_about()
                self._living.enter_context(stack.pop_all())
        except DemoError as error:
            return error
        except OSError as error:
            return DemoError(f"{error.filename or 'a file'}: {error.strerror}")
        return access
