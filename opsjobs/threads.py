"""Threads that go on in the context in which they were started, so that what they log says for which run."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from functools import partial
from typing import ParamSpec, TypeVar

_Given = ParamSpec("_Given")
_Value = TypeVar("_Value")


class Pool(ThreadPoolExecutor):
    """A pool whose work, by `submit` and by `map`, knows what whoever handed it in knew."""

    def submit(self, fn: Callable[_Given, _Value], /, *args: _Given.args, **kwargs: _Given.kwargs) -> Future[_Value]:
        """As of every pool. A context of its own for each piece of work: one cannot be entered twice at once."""
        return super().submit(partial(copy_context().run, fn, *args, **kwargs))


def start(work: Callable[[], None], name: str) -> threading.Thread:
    """Do the work in a thread that nobody waits for when the process ends."""
    thread = threading.Thread(target=copy_context().run, args=(work,), daemon=True, name=name)
    thread.start()
    return thread
