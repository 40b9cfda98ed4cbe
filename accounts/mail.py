"""Whether the console can send mail, and the link that an invitation or a reset carries."""

from allauth.account.utils import user_pk_to_url_str
from django.conf import settings
from django.core.mail import send_mail
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone

from accounts.models import User
from accounts.time_zones import zone_of
from accounts.tokens import LinkTokens


class MailError(Exception):
    """A mail could not be handed over. `str()` is fit for people."""


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
        MailError: there is no address, no mail server, or it took nothing.
    """
    if not is_configured():
        raise MailError("The console sends no mail: EMAIL_URL is not set.")
    if not (to or user.email):
        raise MailError(f"{user.label} has no e-mail address.")
    # By the clock of whoever reads it, not of whoever has it sent.
    with timezone.override(zone_of(user)):
        text = render_to_string(template, {"user": user, **context})
    subject, _, body = text.strip().partition("\n")
    try:
        send_mail(subject.strip(), body.strip() + "\n", None, [to or user.email])
    except OSError as error:
        raise MailError(f"The mail server did not take the mail: {error}.") from error
