"""Mail in the background: how long a page takes tells nobody whether an address is known."""

import json

import structlog
from django.core.mail import EmailMessage
from django_tasks import task

from accounts.crypto import decrypt, encrypt

log = structlog.get_logger(__name__)


def sealed(message: EmailMessage | None) -> str:
    """Return a mail as the queue may hold it: a link in it sets a password."""
    facts = None
    if message is not None:
        facts = [message.subject, message.body, message.from_email, message.to]
    return encrypt(json.dumps(facts).encode()).decode()


@task()
def deliver(held: str) -> None:
    """Send one mail, or none: then it was asked for an address that nobody has."""
    facts = json.loads(decrypt(held.encode()))
    if facts is None:
        return
    subject, body, sender, to = facts
    try:
        EmailMessage(subject, body, sender, to).send()
    except OSError as error:
        log.error("mail.lost", subject=subject, problem=str(error)[:200])
