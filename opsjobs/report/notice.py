"""What is new of checks as a letter: the worst in the subject, a line for each in the text, a page for mail readers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from opsjobs.model import Change, Flip, Letter, Notice, Status
from opsjobs.report.html import environment
from opsjobs.words import clock

LARGEST = 90_000
"""Bytes of the page, as of every mail."""
_SUBJECT = 90
_MOST = 60
"""Checks in one letter; how many more there are is said."""
_NAMED = 8
_ADVICE = "You know already? `opsjobs checks ack CHECK --for 3d --reason ...` keeps it quiet until it changes."


def letter(notice: Notice) -> Letter:
    """The letter about a notice."""
    most = _MOST
    while True:
        page = _page(notice, most)
        if len(page.encode()) <= LARGEST or most == 1:
            break
        most //= 2
    return Letter(subject=subject(notice), text="\n".join(_text(notice)) + "\n", html=page, notice=notice)


def subject(notice: Notice) -> str:
    """The status, the system, and the first of what is new."""
    news = [flip for flip in notice.flips if not flip.change.over] or list(notice.flips) or list(notice.going_on)
    first = _first(news)
    more = f" and {len(news) - 1} more" if len(news) > 1 else ""
    others = len(_others(notice))
    rest = f" ({others} still going on)" if others and notice.news is Status.OK else ""
    return f"{notice.news.name}: {notice.title}: {first}{more}{rest}"


def _first(flips: Sequence[Flip]) -> str:
    if not flips:
        return "nothing goes on"
    flip = flips[0]
    said = f"{flip.check.title}: {flip.check.text}" if flip.check.text and not flip.change.over else flip.check.title
    if flip.change is not Change.NEW:
        said = f"{said} ({flip.words})"
    return said if len(said) <= _SUBJECT else f"{said[: _SUBJECT - 1].rstrip()}…"


def _text(notice: Notice) -> Iterator[str]:
    yield f"{notice.title}, {clock(notice.at, notice.zone)} ({notice.zone})"
    for flip in notice.flips[:_MOST]:
        check = flip.check
        yield ""
        yield f"{shown(flip).name}  {check.title}: {flip.words}"
        yield from (f"  {line}" for line in (check.text, *explained(flip), check.advice) if line)
        about = (check.id, check.team.name, check.team.contact, check.runbook, check.dashboard)
        yield f"  {' · '.join(filter(None, about))}"
    if len(notice.flips) > _MOST:
        yield f"\nand {len(notice.flips) - _MOST} more: `opsjobs health --system {notice.system}`"
    others = _others(notice)
    if others:
        yield "\nStill going on:"
        yield from (f"  {flip.check.status.name}  {flip.check.title}, {flip.words}" for flip in others[:_MOST])
    yield f"\n{_ADVICE}"


def shown(flip: Flip) -> Status:
    """Its status now; what is over is well."""
    return Status.OK if flip.change is Change.ENDED else flip.check.status


def explained(flip: Flip) -> tuple[str, ...]:
    """What is bad because of it, in words."""
    explains = flip.check.explains
    if not explains:
        return ()
    more = f" and {len(explains) - _NAMED} more" if len(explains) > _NAMED else ""
    return (f"Explains {', '.join(explains[:_NAMED])}{more}.",)


def _others(notice: Notice) -> list[Flip]:
    """What goes on and is not new."""
    new = {flip.check.id for flip in notice.flips}
    return [flip for flip in notice.going_on if flip.check.id not in new]


def _page(notice: Notice, most: int) -> str:
    import css_inline  # noqa: PLC0415 - only letters need it

    page = (
        environment()
        .get_template("notice.html")
        .render(
            notice=notice,
            subject=subject(notice),
            at=f"{clock(notice.at, notice.zone)} ({notice.zone})",
            status=notice.news,
            flips=[(flip, shown(flip), explained(flip)) for flip in notice.flips[:most]],
            hidden=max(0, len(notice.flips) - most),
            others=_others(notice)[:most],
            advice=_ADVICE,
        )
    )
    return css_inline.CSSInliner(load_remote_stylesheets=False, keep_style_tags=False).inline(page)
