"""Mail through a real SMTP server on loopback, and every way in which it can refuse."""

import email
import socket
import threading
from datetime import UTC, datetime
from email.policy import default

import pytest
import trustme

from opsjobs.errors import DeliveryError, TooLarge
from tests.unit.notify.mailserver import AUTHORITY, Inbox, mail_server, tls
from tests.unit.notify.samples import OTHER, TO, channel, letter

AT = datetime(2026, 11, 19, 8, 0, tzinfo=UTC)


@pytest.fixture
def authority(tmp_path):
    path = tmp_path / "ca.pem"
    AUTHORITY.cert_pem.write_to_path(str(path))
    return str(path)


def composed(**changed):
    return channel(25).compose(letter(**changed), TO, "shop.daily.2026-11-18.abc", AT)


def parsed(message):
    return email.message_from_bytes(message, policy=default)


def refused(inbox, recipient=TO, **options):
    security = {key: options.pop(key) for key in list(options) if key in {"context", "login", "size"}}
    with mail_server(inbox, **security) as port, pytest.raises(DeliveryError) as caught:
        channel(port, **options).send(composed(), recipient)
    return caught.value


class TestTheMessage:
    def test_is_text_first_then_the_page_with_its_pictures_then_the_files(self):
        mail = parsed(composed())
        assert mail.get_content_type() == "multipart/mixed"
        body, file = mail.iter_parts()
        assert body.get_content_type() == "multipart/alternative"
        text, page = body.iter_parts()
        assert text.get_content().strip() == "Orders: 4, below 5"
        assert page.get_content_type() == "multipart/related"
        html, picture = page.iter_parts()
        assert "cid:chart-0" in html.get_content()
        assert picture["Content-ID"] == "<chart-0>"
        assert picture.get_content() == b"\x89PNG picture"
        assert file.get_filename() == "shop.pdf"

    def test_says_that_nobody_wrote_it_and_has_an_id_of_its_own(self):
        mail = parsed(composed())
        assert mail["Auto-Submitted"] == "auto-generated"
        assert mail["Message-ID"] == "<shop.daily.2026-11-18.abc@example.com>"
        assert (mail["From"], mail["To"]) == ("opsjobs@example.com", TO)

    def test_is_the_same_byte_for_byte_from_the_same_letter(self):
        assert composed() == composed()

    def test_without_its_files_says_where_they_are(self):
        mail = parsed(composed(files=()))
        assert "too large for this mail: /reports/shop" in mail.get_body(("plain",)).get_content()
        assert not list(mail.iter_attachments())

    def test_no_label_can_add_a_header_or_hide_in_one(self):
        mail = parsed(composed(subject="Orders\r\nBcc: thief@example.com\n\x1b[31m\u202e" + "x" * 500))
        assert mail["Bcc"] is None
        assert mail["Subject"].startswith("Orders Bcc: thief@example.com")
        assert len(mail["Subject"]) <= 150

    def test_has_no_line_that_a_server_may_cut(self):
        message = composed(text="x" * 5000 + "\n", html="<p>" + "y" * 5000 + "</p>")
        assert max(len(line) for line in message.split(b"\r\n")) <= 998


class TestTheServer:
    def test_takes_the_bytes_as_they_are(self):
        inbox = Inbox()
        with mail_server(inbox) as port:
            channel(port).send(composed(), TO)
        ((recipient, content),) = inbox.mails
        assert recipient == TO
        assert content.rstrip() == composed().rstrip()

    def test_over_starttls_with_a_login(self, authority):
        inbox = Inbox()
        with mail_server(inbox, context=tls(), login=True) as port:
            server = channel(port, security="starttls", ca_file=authority, username="u", password="right-password")
            said = server.check()
            server.send(composed(), TO)
        assert inbox.mails
        assert any(line.startswith("TLS: TLSv1.") and "verified" in line for line in said)
        assert "logged in as u" in said

    def test_whose_certificate_nobody_vouches_for_gets_no_password(self):
        error = refused(
            Inbox(),
            context=tls(authority=trustme.CA()),
            login=True,
            security="starttls",
            username="u",
            password="right-password",
        )
        assert not error.permanent, "it may be trusted tomorrow"
        assert "its TLS was not accepted" in str(error)
        assert "ca_file" in error.advice

    def test_whose_certificate_is_for_another_host_is_refused(self, authority):
        error = refused(Inbox(), context=tls("mail.example.com"), security="starttls", ca_file=authority)
        assert not error.permanent, "it may be trusted tomorrow"
        assert "its TLS was not accepted" in str(error)

    def test_that_offers_no_starttls_gets_neither_password_nor_mail(self):
        inbox = Inbox()
        error = refused(inbox, security="starttls", username="u", password="right-password")
        assert error.permanent
        assert "STARTTLS" in error.advice
        assert inbox.seen == []

    def test_that_refuses_the_login_is_not_asked_again_and_the_password_is_not_said(self, authority):
        error = refused(
            Inbox(),
            context=tls(),
            login=True,
            security="starttls",
            ca_file=authority,
            username="u",
            password="wrong-canary",
        )
        assert error.permanent
        assert "refused the login (code 535)" in str(error)
        assert "canary" not in str(error)

    def test_that_refuses_one_recipient_takes_the_other(self):
        inbox = Inbox(rcpt={TO: "550 no such user"})
        error = refused(inbox)
        assert error.permanent
        assert "550: no such user" in str(error)
        with mail_server(inbox) as port:
            channel(port).send(composed(), OTHER)
        assert [recipient for recipient, _ in inbox.mails] == [OTHER]

    @pytest.mark.parametrize(
        ("answer", "permanent"),
        [("451 try later", False), ("421 closing", False), ("554 no", True), ("450 busy", False)],
    )
    def test_that_answers_with_a_code_says_by_it_whether_to_come_again(self, answer, permanent):
        error = refused(Inbox(data=answer))
        assert error.permanent is permanent

    def test_that_finds_the_mail_too_large_would_take_it_without_its_files(self):
        assert isinstance(refused(Inbox(data="552 too much")), TooLarge)

    def test_that_names_a_limit_is_not_sent_more_than_that(self):
        inbox = Inbox()
        assert isinstance(refused(inbox, size=4000), TooLarge)
        assert inbox.seen == []

    def test_that_drops_the_connection_after_the_mail_is_asked_again(self):
        inbox = Inbox(drop=True)
        error = refused(inbox)
        assert not error.permanent
        assert len(inbox.mails) == 1

    def test_that_is_silent_is_left_after_the_time_that_was_set(self):
        error = refused(Inbox(silence=5), timeout=0.5)
        assert not error.permanent

    def test_that_accepts_connections_and_never_speaks_is_left_too(self):
        listener = socket.create_server(("127.0.0.1", 0))
        held = []
        accepting = threading.Thread(target=lambda: held.append(listener.accept()[0]), daemon=True)
        accepting.start()
        with pytest.raises(DeliveryError, match="no answer in time") as caught:
            channel(listener.getsockname()[1], timeout=0.5).send(composed(), TO)
        assert not caught.value.permanent
        accepting.join(5)
        for one in (*held, listener):
            one.close()

    def test_that_is_not_there_is_worth_another_attempt(self):
        with socket.create_server(("127.0.0.1", 0)) as listener:
            port = listener.getsockname()[1]
        with pytest.raises(DeliveryError, match="cannot be reached: Connection refused") as caught:
            channel(port).send(composed(), TO)
        assert not caught.value.permanent

    def test_keeps_its_password_out_of_its_repr(self):
        assert "canary" not in repr(channel(1, password="canary")._server)
