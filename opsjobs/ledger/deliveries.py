"""Messages and how far each is on its way, as rows: written before it is sent, counted before each attempt."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from opsjobs.ledger import tables
from opsjobs.model import Delivery, DeliveryState, Form, Message

_RECIPIENT = 320
_TABLE, _MESSAGES = tables.deliveries, tables.messages
_PENDING = _TABLE.c.state == DeliveryState.PENDING.value


def keep(connection: Connection, messages: Iterable[Message]) -> None:
    """Write messages down."""
    for message in messages:
        connection.execute(sa.insert(_TABLE).values(_row(message.delivery)))
        rows = [
            {"delivery_id": message.delivery.id, "form": form.value, "content": content}
            for form, content in message.forms.items()
        ]
        connection.execute(sa.insert(_MESSAGES), rows)


def holds(connection: Connection, delivery_id: str) -> bool:
    """Whether a delivery was written down, whatever became of it."""
    return bool(connection.scalar(sa.select(sa.func.count()).where(_TABLE.c.id == delivery_id)))


def waiting(connection: Connection, system: str) -> list[Delivery]:
    """Those of a system that are to be sent, now or later, the oldest first."""
    query = sa.select(_TABLE).where(_PENDING, _TABLE.c.system == system)
    return _read(connection, query.order_by(_TABLE.c.created_at, _TABLE.c.id))


def content(connection: Connection, delivery_id: str, form: Form) -> bytes | None:
    """The bytes of a message in one of its forms; None where there are none."""
    same = sa.and_(_MESSAGES.c.delivery_id == delivery_id, _MESSAGES.c.form == form.value)
    found = connection.scalar(sa.select(_MESSAGES.c.content).where(same))
    return None if found is None else bytes(found)


def take(connection: Connection, delivery: Delivery) -> bool:
    """Count an attempt; False where another process has made one since the delivery was read."""
    seen = sa.and_(_TABLE.c.id == delivery.id, _PENDING, _TABLE.c.attempts == delivery.attempts)
    return connection.execute(sa.update(_TABLE).where(seen).values(attempts=delivery.attempts + 1)).rowcount > 0


def mark(connection: Connection, delivery: Delivery, instead: Iterable[Message]) -> None:
    """Write how far a delivery is, and what goes another way instead; the bytes of one that is over are removed."""
    # What was taken stays so, whatever another process found.
    pending = sa.and_(_TABLE.c.id == delivery.id, _PENDING)
    if not connection.execute(sa.update(_TABLE).where(pending).values(_row(delivery))).rowcount:
        return
    if delivery.state is not DeliveryState.PENDING:
        connection.execute(sa.delete(_MESSAGES).where(_MESSAGES.c.delivery_id == delivery.id))
    keep(connection, instead)


def refused(connection: Connection, system: str, job: str) -> set[tuple[str, str]]:
    """The receivers (`channel:recipient`) and runs of a job whose message was given up."""
    failed = sa.and_(
        _TABLE.c.system == system,
        _TABLE.c.job == job,
        _TABLE.c.state == DeliveryState.FAILED.value,
        # What went another way in its place speaks of another receiver.
        _TABLE.c.id.not_like("%.instead"),
    )
    rows = connection.execute(sa.select(_TABLE.c.channel, _TABLE.c.recipient, _TABLE.c.run_id).where(failed))
    return {(f"{row.channel}:{row.recipient}", row.run_id) for row in rows}


def undelivered(connection: Connection, system: str) -> list[Delivery]:
    """Those of a system that were tried and that nobody has got, the newest first."""
    # An attempt in which the process was killed says nothing of the receiver.
    tried = sa.and_(_TABLE.c.state != DeliveryState.SENT.value, _TABLE.c.attempts > 0, _TABLE.c.error != "")
    query = sa.select(_TABLE).where(_TABLE.c.system == system, tried)
    return _read(connection, query.order_by(_TABLE.c.created_at.desc(), _TABLE.c.id))


def _read(connection: Connection, query: sa.Select[Any]) -> list[Delivery]:
    rows = connection.execute(query).mappings()
    return [Delivery(**{**row, "state": DeliveryState(row["state"])}) for row in rows]


def _row(delivery: Delivery) -> dict[str, Any]:
    recipient, error = tables.fitting(delivery.recipient, _RECIPIENT), tables.fitting(delivery.error)
    return {**asdict(delivery), "state": delivery.state.value, "recipient": recipient, "error": error}
