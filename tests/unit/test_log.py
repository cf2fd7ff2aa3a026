"""What is logged: one line each, whatever is in it, with the run it belongs to and without secrets."""

import base64
import html
import io
import json
import logging
import re
import threading
import time
from contextlib import contextmanager, suppress
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from opsjobs import log, threads
from opsjobs.log import MASK, Redactor

LOG = logging.getLogger("opsjobs.tests.log")
TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"
HOSTILE = 'two\nlines\r\n\x1b[31mred\x00\x85\u2028\u2029 "quoted" \\ \ud800 über'
SECRET = "p@ss:w/o%r\"d'\\ñ€𝄞 0"

WRITINGS = {
    "as it is": str,
    "as a sentence begins": lambda text: text[:1].upper() + text[1:],
    "quoted": lambda text: quote(text, safe=""),
    "quoted as a path": quote,
    "quoted as RFC 3986 has a password": lambda text: quote(text, safe="!$&'()*+,;=:"),
    "quoted in small letters": lambda text: re.sub("%..", lambda found: found[0].lower(), quote(text, safe="")),
    "quoted twice": lambda text: quote(quote(text, safe=""), safe=""),
    "quoted as a form": quote_plus,
    "HTML": html.escape,
    "HTML by numbers": lambda text: "".join(each if each.isalnum() else f"&#{ord(each)};" for each in text),
    "HTML by hexadecimal numbers": lambda text: "".join(
        each if each.isascii() and each.isalnum() else f"&#x{ord(each):X};" for each in text
    ),
    "HTML twice": lambda text: html.escape(html.escape(text)),
    "JSON": lambda text: json.dumps(text)[1:-1],
    "JSON with its letters": lambda text: json.dumps(text, ensure_ascii=False)[1:-1],
    "JSON in JSON": lambda text: json.dumps(json.dumps(text))[3:-3],
    "JSON with slashes escaped": lambda text: json.dumps(text)[1:-1].replace("/", "\\/"),
    "a repr": lambda text: repr(text)[1:-1],
    "an ASCII repr": lambda text: ascii(text)[1:-1],
    "a repr of bytes": lambda text: repr(text.encode())[2:-1],
    "a repr in JSON": lambda text: json.dumps(repr(text))[2:-2],
    "UTF-8 read for Latin-1": lambda text: text.encode().decode("latin-1"),
    "that as a repr": lambda text: repr(text.encode().decode("latin-1"))[1:-1],
    "that as JSON": lambda text: json.dumps(text.encode().decode("latin-1"))[1:-1],
    "without the letters that ASCII lacks": lambda text: text.encode("ascii", "replace").decode(),
    "base64": lambda text: base64.b64encode(text.encode()).decode(),
    "base64 without its end": lambda text: base64.b64encode(text.encode()).decode().rstrip("="),
    "base64 for addresses": lambda text: base64.urlsafe_b64encode(text.encode()).decode(),
    "Basic authentication": lambda text: base64.b64encode(f"me:{text}".encode()).decode(),
    "SMTP's AUTH PLAIN": lambda text: base64.b64encode(f"\0me@x.example\0{text}".encode()).decode(),
    "base64 in the midst": lambda text: base64.b64encode(f"{{'a': '{text}', 'b': 1}}".encode()).decode(),
}


def failing(said, **known):
    """An error, logged where it is caught."""
    try:
        _raise(said)
    except ValueError:
        LOG.exception("it failed", extra=known)


def _raise(said):
    raise ValueError(said)


@contextmanager
def logging_to(**known):
    stream = io.StringIO()
    loggers = [logging.getLogger(), logging.getLogger("opsjobs")]
    before = [(each.handlers, each.level, each.propagate) for each in loggers]
    log.configure(**{"debug": False, "stream": stream, "redactor": Redactor(), **known})
    try:
        yield stream
    finally:
        for each, (handlers, level, propagate) in zip(loggers, before, strict=True):
            each.handlers, each.level, each.propagate = handlers, level, propagate
        logging.captureWarnings(capture=False)


def documents(stream):
    return [json.loads(line) for line in stream.getvalue().splitlines()]


@pytest.mark.parametrize("writing", WRITINGS)
def test_a_secret_is_masked_however_it_is_written(writing):
    said = f"before {WRITINGS[writing](SECRET)} after"
    assert Redactor([SECRET]).redact(said) == f"before {MASK} after"


@given(st.text(st.characters(min_codepoint=0x20, exclude_categories=["Cs", "Cc"]), min_size=10, max_size=40))
@settings(deadline=None)
@example("\\\\\\\\\\\\\\\\\\\\")
@example("aaaaaaaaaa")
@example("%25%41%2541")
@example("++++++++++")
@example("?" * 10)
def test_any_secret_is_masked_however_it_is_written(secret):
    redact = Redactor([secret]).redact
    for name, write in WRITINGS.items():
        said = redact(f"({write(secret)})")
        assert write(secret) not in said, name
        assert MASK in said, name


@given(st.text(max_size=200))
def test_a_text_without_secrets_is_left_as_it_is(text):
    assert Redactor(["canary-of-the-password-3f9a"]).redact(text) == text


def test_the_longer_of_two_secrets_leaves_no_tail():
    assert Redactor(["abcd", "abcd-efgh"]).redact("x abcd-efgh abcd") == f"x {MASK} {MASK}"


def test_of_an_address_the_password_alone_is_masked_too():
    redactor = Redactor(["postgresql://me:of%40letters@db.example.com/ledger"])
    assert redactor.redact("the password 'of@letters' is wrong") == f"the password '{MASK}' is wrong"


def test_very_short_secrets_leave_ordinary_words_alone():
    assert Redactor(["ab", ""]).redact("about") == "about"


def test_a_long_text_with_many_secrets_is_redacted_at_once():
    redactor = Redactor([f"canary-{number}-{'x' * number}" for number in range(40)])
    text = 'the "quick" brown fox, 100 %, \\ and <b>canary</b> ' * 20_000
    began = time.process_time()
    assert redactor.redact(text) == text
    assert time.process_time() - began < 2


def test_a_line_has_the_fields_that_the_docs_name():
    with logging_to(json=True, level=logging.INFO) as stream, log.bound(run="r-1", system="shop", job="daily"):
        LOG.info("asked %s questions", 12, extra={"seconds": 0.5, "team": None})
    (line,) = documents(stream)
    assert re.fullmatch(TIME, line.pop("timestamp"))
    assert isinstance(line.pop("line"), int)
    assert line == {
        "level": "INFO",
        "logger": "opsjobs.tests.log",
        "message": "asked 12 questions",
        "module": "test_log",
        "function": "test_a_line_has_the_fields_that_the_docs_name",
        "run": "r-1",
        "system": "shop",
        "job": "daily",
        "seconds": 0.5,
    }
    assert list(json.loads(stream.getvalue()))[:4] == ["timestamp", "level", "logger", "message"]


def test_without_a_run_there_is_no_field_of_one():
    with logging_to(json=True) as stream:
        LOG.warning("x")
    assert not {"run", "system", "job"} & set(documents(stream)[0])


@pytest.mark.parametrize("as_json", [True, False])
def test_whatever_is_in_a_message_it_is_one_line(as_json):
    with logging_to(json=as_json) as stream, log.bound(system=HOSTILE, run="r-1"):
        LOG.warning(HOSTILE)
        LOG.warning("%s", HOSTILE, extra={"advice": HOSTILE})
    lines = stream.getvalue().splitlines()
    assert len(lines) == 2
    assert all(line.isprintable() for line in lines)
    if as_json:
        assert [json.loads(line)["message"] for line in lines] == [HOSTILE, HOSTILE]
        assert stream.getvalue().isascii()


@pytest.mark.parametrize(
    "value", [float("nan"), float("inf"), b"\xff", {1: {2, 3}}, object(), [None, True], ValueError("x")]
)
def test_whatever_a_field_holds_it_is_json(value):
    with logging_to(json=True) as stream:
        LOG.warning("x", extra={"value": value})
    json.loads(stream.getvalue(), parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))


@pytest.mark.parametrize("as_json", [True, False])
@pytest.mark.parametrize("debug", [True, False])
def test_secrets_are_in_no_part_of_a_line(as_json, debug):
    with logging_to(json=as_json, debug=debug, redactor=Redactor([SECRET])) as stream, log.bound(system=SECRET):
        failing(f"wrong password {SECRET!r}", advice=SECRET, deep={SECRET: [SECRET.encode(), (SECRET,)]})
        LOG.warning("said %s", SECRET)
    said = stream.getvalue()
    for write in WRITINGS.values():
        assert write(SECRET) not in said
    assert "wrong password" in said and MASK in said
    assert ("Traceback" in said) is debug


def test_a_traceback_is_a_field_and_only_when_it_is_asked_for():
    for debug in (True, False):
        with logging_to(json=True, debug=debug) as stream:
            failing("no\nnumber")
        (line,) = documents(stream)
        assert line["exception"] == "ValueError: no\nnumber"
        assert ("traceback" in line) is debug
        assert "exc_info" not in line


def test_for_people_a_traceback_is_indented_so_that_a_time_begins_a_record():
    with logging_to(debug=True) as stream, log.bound(run="3f2a9c1e-0000", system="shop", job="daily"):
        failing("x\n2026-11-21T00:00:00.000Z ERROR forged")
    first, *others = stream.getvalue().splitlines()
    assert re.fullmatch(rf"{TIME} ERROR opsjobs\.tests\.log \[3f2a9c1e shop daily\]: it failed", first)
    assert others and all(line.startswith("  ") for line in others)


def test_without_debug_people_read_the_error_in_its_line():
    with logging_to() as stream:
        failing("no number")
    assert stream.getvalue().endswith("it failed: ValueError: no number\n") and stream.getvalue().count("\n") == 1


def test_a_message_that_cannot_be_made_is_told_without_what_is_in_it(capsys):
    for as_json in (True, False):
        with logging_to(json=as_json) as stream:
            LOG.warning("%d of %s", "canary", "canary")
        assert "a line of the log could not be made" in stream.getvalue()
        assert "canary" not in stream.getvalue() + capsys.readouterr().err


def test_a_stream_that_is_gone_ends_nothing(capsys):
    class Gone(io.StringIO):
        def write(self, text):
            raise BrokenPipeError

    with logging_to(stream=Gone()):
        LOG.warning("canary")
    assert "canary" not in capsys.readouterr().err


def test_what_libraries_warn_of_is_a_line_as_well_and_what_else_they_say_is_not():
    with logging_to(json=True, debug=True, redactor=Redactor([SECRET])) as stream:
        logging.getLogger("somebody.else").warning("retrying %s", SECRET)
        logging.getLogger("somebody.else").info("x")
        logging.getLogger("somebody.else").debug("x")
    (line,) = documents(stream)
    assert (line["logger"], line["message"]) == ("somebody.else", f"retrying {MASK}")


def test_levels_are_those_that_were_asked_for():
    said = {}
    for name, known in {"usual": {}, "service": {"level": logging.INFO}, "debug": {"debug": True}}.items():
        with logging_to(json=True, **known) as stream:
            for level in (logging.DEBUG, logging.INFO, logging.WARNING):
                LOG.log(level, "x")
        said[name] = [line["level"] for line in documents(stream)]
    assert said == {
        "usual": ["WARNING"],
        "service": ["INFO", "WARNING"],
        "debug": ["DEBUG", "INFO", "WARNING"],
    }


def test_setting_it_up_again_replaces_what_was_there():
    with logging_to() as first:
        second = io.StringIO()
        log.configure(debug=False, stream=second, redactor=Redactor(), json=True)
        LOG.warning("x")
        logging.getLogger("somebody.else").warning("y")
        assert log.in_json()
        assert first.getvalue() == "" and len(documents(second)) == 2


def test_runs_at_once_in_threads_of_one_process_each_name_their_own():
    """Each with a pool of its own, as a scheduler has them, and with threads below that."""
    both = threading.Barrier(2, timeout=30)

    def deep(name, number):
        done = threading.Event()

        def below():
            LOG.warning("%s %s below", name, number)
            done.set()

        LOG.warning("%s %s", name, number)
        threads.start(below, "below")
        assert done.wait(30)

    def run(name):
        with log.bound(run=name, system=name, job="daily"):
            both.wait()
            with threads.Pool(4) as pool:
                list(pool.map(lambda number: deep(name, number), range(20)))
                pool.submit(deep, name, number=20).result()
            both.wait()
        LOG.warning("after")

    with logging_to(json=True) as stream:
        running = [threading.Thread(target=run, args=(name,)) for name in ("one", "two")]
        for each in running:
            each.start()
        for each in running:
            each.join()
    lines = documents(stream)
    assert len(lines) == 2 * 21 * 2 + 2
    for line in lines:
        if line["message"] == "after":
            assert "run" not in line
        else:
            assert line["run"] == line["system"] == line["message"].split()[0]


def test_what_is_bound_within_a_run_adds_to_it_and_ends_with_it():
    with logging_to(json=True) as stream:
        with log.bound(system="shop", job="daily"):
            LOG.warning("x")
            with suppress(ValueError), log.bound(run="r-1"):
                LOG.warning("x")
                _raise("x")
            LOG.warning("x")
    assert [(line["system"], line.get("run")) for line in documents(stream)] == [
        ("shop", None),
        ("shop", "r-1"),
        ("shop", None),
    ]
