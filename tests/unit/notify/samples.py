"""Letters and channels for tests of delivery."""

from opsjobs.model import Attachment, Letter
from opsjobs.notify.email import EmailChannel, Server

TO = "alerts@example.com"
OTHER = "admin@example.com"


def letter(**changed):
    values = {
        "subject": "CRITICAL: Shop 2026-11-18: Orders: 4, below 5",
        "text": "Orders: 4, below 5\n",
        "html": '<p>Orders: 4, below 5</p><img src="cid:chart-0" alt="Orders">',
        "pictures": (Attachment(name="chart-0", media_type="image/png", content=b"\x89PNG picture"),),
        "files": (Attachment(name="shop.pdf", media_type="application/pdf", content=b"%PDF-" + b"x" * 5000),),
        "where": "/reports/shop",
    }
    return Letter(**{**values, **changed})


def channel(port, **changed):
    values = {"host": "127.0.0.1", "port": port, "security": "none", "sender": "opsjobs@example.com", "timeout": 3}
    return EmailChannel(Server(**{**values, **changed}))
