"""Logging to standard error, and the redactor that keeps secrets out of everything that is said.

A record is one line: for people `TIME LEVEL LOGGER [RUN SYSTEM JOB]: MESSAGE`, for programs a JSON object with the
fields of docs/logs.md. What is logged while a run goes on says which one, in each of its threads (`opsjobs.threads`).
"""

from __future__ import annotations

import base64
import html
import logging
import math
import re
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any, TextIO
from urllib.parse import unquote, urlsplit

from pythonjsonlogger.json import JsonFormatter

MASK = "***"
OWN = "opsjobs"
"""The logger above all of this package."""
_SHORTEST = 4
_ENCODED = 8
"""Characters from which on a piece of base64 is no accident."""
_SHORT_ID = 8
_WORD = re.compile(r"[A-Za-z0-9]+")
_FIELDS = ("asctime", "levelname", "name", "message", "module", "funcName", "lineno", "run", "system", "job")
_NAMES = {"asctime": "timestamp", "levelname": "level", "name": "logger", "funcName": "function", "lineno": "line"}
_BOUND: ContextVar[Mapping[str, str]] = ContextVar("bound", default={})  # noqa: B039 - never changed in place


class Redactor:
    """Replaces secrets in texts, however each of their characters is written: URL-quoted, as HTML, JSON or a repr.

    In base64 they are found wherever they stand in what was encoded, as a password does in Basic authentication.
    """

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self._known: dict[str, list[tuple[str, re.Pattern[str]]]] = {}
        for secret in secrets:
            self.add(secret)

    def add(self, secret: str) -> None:
        """Keep this secret out from now on. Very short ones would mask ordinary words and are left.

        Of an address also the password that is in it.
        """
        if len(secret) < _SHORTEST or secret in self._known:
            return
        # A letter or digit is itself in every writing, so that most texts need no closer look.
        word = max(_WORD.findall(secret[1:]), key=len, default="")
        # Where it begins a sentence its first letter is another one.
        first = f"(?:{_written(secret[0])}|{_written(secret[0].swapcase()[:1])})"
        pattern = re.compile(first + "".join(map(_written, secret[1:])))
        self._known[secret] = [(word, pattern), *_encoded(secret)]
        # The longest first, so that none leaves a tail.
        self._known = dict(sorted(self._known.items(), key=lambda known: len(known[0]), reverse=True))
        if "://" in secret:
            with suppress(ValueError):
                self.add(unquote(urlsplit(secret).password or ""))

    def redact(self, text: str) -> str:
        """The text without the secrets."""
        for forms in list(self._known.values()):
            for sign, pattern in forms:
                if sign in text:
                    text = pattern.sub(MASK, text)
        return text


def _written(character: str) -> str:
    """Every way in which a character of a secret is written, as a pattern."""
    if character.isascii() and character.isalnum():
        return character
    code, raw = ord(character), character.encode("utf-8", "surrogatepass")
    quoted = "".join(f"%(?:25)*(?i:{byte:02x})" for byte in raw)
    ways = [rf"\\*{re.escape(character)}", quoted, *_escapes(code)]
    if character == "\\":
        ways[0] = r"\\+"
    if character == " ":
        ways.append(r"\+")
    named = html.escape(character)
    if named != character:
        ways.append(f"&(?:amp;)*{re.escape(named[1:])}")
    if not character.isascii():
        # Byte for byte, as who reads UTF-8 for Latin-1 has it, or lost to somebody's lack of that character.
        ways += ["".join(f"(?:{re.escape(chr(byte))}|{'|'.join(_escapes(byte))})" for byte in raw), "[\ufffd?]{1,4}"]
    return f"(?:{'|'.join(ways)})"


def _escapes(code: int) -> Iterator[str]:
    """How a character is escaped by its number, in HTML, JSON and Python."""
    yield f"&(?:amp;)*#(?:0*{code}|[xX]0*(?i:{code:x}));"
    units = chr(code).encode("utf-16-be", "surrogatepass").hex()
    yield "".join(rf"\\+u(?i:{units[at : at + 4]})" for at in range(0, len(units), 4))
    yield rf"\\+U(?i:{code:08x})"
    if code < 1 << 8:
        yield rf"\\+x(?i:{code:02x})"


def _encoded(secret: str) -> Iterator[tuple[str, re.Pattern[str]]]:
    """What base64 of any text has in it that holds the secret, and the whole of such base64."""
    raw = secret.encode("utf-8", "surrogatepass")
    for before in range(3):
        whole = base64.b64encode(b"\0" * before + raw).decode().rstrip("=")
        # The first and the last sign may have bits of what is around it.
        inner = whole[-(-before * 8 // 6) :][: (len(raw) * 8 - (-before * 8) % 6) // 6]
        if len(inner) < _ENCODED:
            if not before:
                padded = base64.b64encode(raw).decode()
                yield padded, re.compile(re.escape(padded))
            continue
        for core in {inner, inner.translate(str.maketrans("+/", "-_"))}:
            yield core, re.compile(f"[A-Za-z0-9+/_-]*{re.escape(core)}[A-Za-z0-9+/_-]*(?:=|%3[dD]){{0,2}}")


@contextmanager
def bound(**known: str) -> Iterator[None]:
    """What is logged within says these: `run`, `system`, `job`. In threads, too, that `opsjobs.threads` starts.

    A context and not a state of the process: several runs may go on in threads of one.
    """
    token = _BOUND.set({**_BOUND.get(), **known})
    try:
        yield
    finally:
        _BOUND.reset(token)


def configure(
    *, debug: bool, stream: TextIO, redactor: Redactor, json: bool = False, level: int = logging.WARNING
) -> None:
    """Log what opsjobs does from a level on, with `debug` all of it, and warnings of the libraries it uses.

    Calling again replaces the earlier set-up.
    """
    handler = _Lines(stream)
    handler.addFilter(_says_where)
    handler.setFormatter(_Json(redactor, debug=debug) if json else _Text(redactor, debug=debug))
    everybody, own = logging.getLogger(), logging.getLogger(OWN)
    everybody.handlers = [*(each for each in everybody.handlers if not isinstance(each, _Lines)), handler]
    everybody.setLevel(logging.WARNING)
    own.handlers = [handler]
    own.propagate = False
    own.setLevel(logging.DEBUG if debug else level)
    logging.captureWarnings(json)


def in_json() -> bool:
    """Whether programs read what is logged: then everything else on that stream must be a line of it, too."""
    return any(isinstance(handler.formatter, _Json) for handler in logging.getLogger(OWN).handlers)


def _says_where(record: logging.LogRecord) -> bool:
    for name, value in _BOUND.get().items():
        record.__dict__.setdefault(name, value)
    return True


class _Lines(logging.StreamHandler[TextIO]):
    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - the name is Python's
        """Say that a line is missing: what Python prints of it has its arguments, secrets among them."""
        lost = logging.LogRecord(
            record.name, logging.ERROR, record.pathname, record.lineno, "a line of the log could not be made", (), None
        )
        # Where the stream is what failed nobody reads it.
        with suppress(OSError, ValueError):
            self.stream.write(self.format(lost) + self.terminator)


class _Text(logging.Formatter):
    """For people."""

    def __init__(self, redactor: Redactor, *, debug: bool) -> None:
        super().__init__()
        self._redact = redactor.redact
        self._debug = debug

    def format(self, record: logging.LogRecord) -> str:
        said = record.__dict__
        of = [str(said.get("run", ""))[:_SHORT_ID], str(said.get("system", "")), str(said.get("job", ""))]
        where = f" [{' '.join(filter(None, of))}]" if any(of) else ""
        text = record.getMessage()
        error = record.exc_info[1] if record.exc_info else None
        lines: list[str] = []
        if error is not None and self._debug:
            lines = "".join(traceback.format_exception(error)).rstrip().splitlines()
        elif error is not None:
            text = f"{text}: {_in_words(error)}"
        first = f"{_timestamp(record)} {record.levelname} {record.name}{where}: {text}"
        # What begins a line with a time is a record; nothing else does.
        return "\n  ".join(_on_one_line(self._redact(line)) for line in (first, *lines))


class _Json(JsonFormatter):
    """For programs. ASCII only: some signs beyond it end a line for who reads them."""

    def __init__(self, redactor: Redactor, *, debug: bool) -> None:
        super().__init__(_FIELDS, rename_fields=_NAMES)
        self._redact = redactor.redact
        self._debug = debug

    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:  # noqa: ARG002, N802 - as Python's
        return _timestamp(record)

    def add_fields(self, log_data: dict[str, Any], record: logging.LogRecord, message_dict: dict[str, Any]) -> None:
        message_dict.pop("exc_info", None)
        super().add_fields(log_data, record, message_dict)
        error = record.exc_info[1] if record.exc_info else None
        if error is not None:
            log_data["exception"] = _in_words(error)
            if self._debug:
                log_data["traceback"] = "".join(traceback.format_exception(error)).rstrip()

    def process_log_record(self, log_data: dict[str, Any]) -> dict[str, Any]:
        return {str(name): _plain(value, self._redact) for name, value in log_data.items() if value is not None}


def _timestamp(record: logging.LogRecord) -> str:
    at = datetime.fromtimestamp(record.created, UTC)
    return f"{at:%Y-%m-%dT%H:%M:%S}.{at.microsecond // 1000:03}Z"


def _in_words(error: BaseException) -> str:
    return "".join(traceback.format_exception_only(error)).strip()


def _on_one_line(text: str) -> str:
    """Without what would begin another line or speak to the terminal."""
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in text)


def _plain(value: object, redact: Callable[[str], str]) -> object:
    """A value as JSON has it, its texts without secrets."""
    if isinstance(value, bool | int) or (isinstance(value, float) and math.isfinite(value)):
        return value
    if isinstance(value, Mapping):
        return {redact(str(key)): _plain(inner, redact) for key, inner in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(inner, redact) for inner in value]
    return redact(str(value))
