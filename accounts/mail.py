"""Whether the console can send mail, how it does, and the link that sets a password."""

import smtplib
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from email.mime.image import MIMEImage
from typing import Final

from allauth.account.utils import user_pk_to_url_str
from django.conf import settings
from django.core.mail import EmailMessage, EmailMultiAlternatives, get_connection
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone

from accounts.models import User
from accounts.time_zones import zone_of
from accounts.tokens import LinkTokens

# What a server says of a mail that it does not take. Any other end may come after it took it.
_REFUSALS: Final = (
    smtplib.SMTPResponseException,
    smtplib.SMTPRecipientsRefused,
    smtplib.SMTPNotSupportedError,
)


class MailError(Exception):
    """A mail could not be handed over. `str()` is fit for people."""


class UnsureMailError(MailError):
    """The server answered no more while it was given the mail, which it may have taken.

    Whoever tries again may send it twice.
    """


@dataclass(frozen=True)
class Picture:
    """A PNG in a mail; its HTML shows it as `cid:` and the name."""

    name: str
    content: bytes


def is_configured() -> bool:
    """Answer whether the settings name a mail server, or another way for mail to go."""
    return bool(settings.MAIL_CONFIGURED)


def password_path(user: User) -> str:
    """Return the path where `user` sets a password, once and within `PASSWORD_RESET_TIMEOUT`."""
    key = LinkTokens().make_token(user)
    return reverse(
        "account_reset_password_from_key",
        kwargs={"uidb36": user_pk_to_url_str(user), "key": key},
    )


def send(user: User, template: str, context: dict[str, object], *, to: str = "") -> None:
    """Send one person a mail, or to another address; `template` has the subject in its first line.

    Raises:
        UnsureMailError: the server answered no more, and may have taken it.
        MailError: there is no address, no mail server, or it took nothing.
    """
    to = _address(user, to)
    # By the clock of whoever reads it, not of whoever has it sent.
    with timezone.override(zone_of(user)):
        text = render_to_string(template, {"user": user, **context})
    subject, _, body = text.strip().partition("\n")
    _hand_over(EmailMessage(subject.strip(), body.strip() + "\n", None, [to]))


def send_drawn(
    user: User, template: str, context: dict[str, object], pictures: Sequence[Picture] = ()
) -> None:
    """Send one person a mail as text and as HTML, which may show pictures.

    `template` is a path without its ending: `.txt`, with the subject in its first line, and
    `.html`.

    Raises:
        UnsureMailError: the server answered no more, and may have taken it.
        MailError: there is no address, no mail server, or it took nothing.
    """
    to, facts = _address(user), {"user": user, **context}
    with timezone.override(zone_of(user)):
        text = render_to_string(f"{template}.txt", facts)
        html = render_to_string(f"{template}.html", facts)
    subject, _, body = str(text).strip().partition("\n")
    # An answer that a machine writes to a machine helps nobody.
    headers = {"Auto-Submitted": "auto-generated"}
    message = EmailMultiAlternatives(
        subject.strip(), body.strip() + "\n", None, [to], headers=headers
    )
    message.attach_alternative(html, "text/html")
    # What is attached belongs to the HTML, and is listed nowhere else.
    message.mixed_subtype = "related"  # type: ignore[attr-defined]
    for picture in pictures:
        part = MIMEImage(picture.content, "png")
        part.add_header("Content-ID", f"<{picture.name}>")
        part.add_header("Content-Disposition", "inline", filename=f"{picture.name}.png")
        message.attach(part)
    _hand_over(message)


def _hand_over(message: EmailMessage) -> None:
    # Opened and closed here, because only what happens between the two can have sent the mail.
    connection = get_connection()
    try:
        connection.open()
    except OSError as error:
        raise _not_taken(error) from error
    message.connection = connection
    try:
        message.send()
    except _REFUSALS as error:
        raise _not_taken(error) from error
    except OSError as error:
        raise UnsureMailError(
            "It is not known whether the mail server took the mail: it was being handed over when "
            f"the server answered no more ({error})."
        ) from error
    finally:
        with suppress(OSError):
            connection.close()


def _not_taken(error: OSError) -> MailError:
    return MailError(f"The mail server did not take the mail: {error}.")


def _address(user: User, to: str = "") -> str:
    if not is_configured():
        raise MailError("The console sends no mail: EMAIL_URL is not set.")
    if not (to or user.email):
        raise MailError(f"{user.label} has no e-mail address.")
    return to or user.email
