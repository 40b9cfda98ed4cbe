"""That a licence ends: what pages and the command say of it, and one mail at each threshold."""

from datetime import date
from typing import Final

import structlog
from django.utils import formats, timezone

from accounts import mail
from accounts.audit import record, system_actor
from accounts.models import AuditEvent, User
from accounts.roles import Role
from environments.findings import Finding, Severity
from environments.licence_models import console_day
from environments.models import Licence

log = structlog.get_logger(__name__)
# So many days before the end; 0 is after it.
THRESHOLDS: Final = (60, 30, 7)
ENDED: Final = 0
_SEVERITY: Final = {
    60: Severity.INFO,
    30: Severity.WARNING,
    7: Severity.ERROR,
    ENDED: Severity.ERROR,
}
REMEDY: Final = (
    "Renew it, give the new key to staging and production alike as LICENSE, and start them again."
)


def threshold(licence: Licence, today: date) -> int | None:
    """Return the last threshold that was reached, in days; None: none yet, or there is no end."""
    left = licence.days_left(today)
    if left is None or left > max(THRESHOLDS):
        return None
    return ENDED if left < 0 else min(days for days in THRESHOLDS if left <= days)


def warning(licence: Licence) -> Finding | None:
    """Return what is to be said today of a licence's end, if anything."""
    today = console_day()
    reached = threshold(licence, today)
    if reached is None or licence.ends_on is None:
        return None
    zone = timezone.get_default_timezone_name()
    day = f"{formats.date_format(licence.ends_on, 'j F Y')} ({zone})"
    code = "licence.ended" if reached == ENDED else f"licence.ends-{reached}"
    return Finding(
        code, _SEVERITY[reached], _words(licence, today, day), REMEDY, subject=str(licence.pk)
    )


def _words(licence: Licence, today: date, day: str) -> str:
    left = (licence.ends_on or today) - today
    if left.days < 0:
        return (
            f"The licence of {licence.holder} ended on {day}. A Tracardi that checks its licence "
            "ends itself now, at its start or at its weekly look."
        )
    if left.days == 0:
        return f"The licence of {licence.holder} ends today, {day}, at midnight."
    days = "tomorrow" if left.days == 1 else f"in {left.days} days"
    return f"The licence of {licence.holder} ends {days}: its last day is {day}."


def warnings() -> list[Finding]:
    """Return what is to be said today of all licences, the most severe first."""
    found = [(licence.ends_on, warning(licence)) for licence in Licence.objects.all()]
    due = [(ends_on, one) for ends_on, one in found if ends_on is not None and one is not None]
    return [one for _, one in sorted(due, key=lambda pair: pair[0])]


def remind() -> list[Licence]:
    """Tell the administrator by mail of each threshold once; return the licences told of.

    Call it again and again. Of several thresholds that passed while nobody called it, the last one
    is told of. Of two workers one sends; where no mail can be sent, it is tried again, but not
    where the mail server may have taken it.
    """
    if not mail.is_configured():
        return []
    people = User.objects.filter(role=Role.ADMINISTRATOR.value, is_active=True)
    person = people.exclude(email="").first()
    return [one for one in Licence.objects.exclude(ends_on=None) if person and _told(one, person)]


def _told(licence: Licence, person: User) -> bool:
    reached, before = threshold(licence, console_day()), licence.told_days
    said = warning(licence)
    if reached is None or said is None or (before is not None and before <= reached):
        return False
    same = Licence.objects.filter(pk=licence.pk, ends_on=licence.ends_on)
    if not same.filter(told_days=before).update(told_days=reached):
        return False
    covered = [use.environment for use in licence.uses.select_related("environment")]
    try:
        facts = {"licence": licence, "finding": said, "covered": covered}
        mail.send(person, "mail/licence.txt", facts)
    except mail.UnsureMailError as error:
        # Not again: pages say the same until it is renewed, and each try may send one more.
        log.warning("licence.mail-unsure", licence=licence.pk, problem=str(error)[:200])
        _reminded(licence, reached, reason=str(error))
        return False
    except mail.MailError as error:
        log.error("licence.mail-lost", licence=licence.pk, problem=str(error)[:200])
        same.filter(told_days=reached).update(told_days=before)
        return False
    _reminded(licence, reached)
    return True


def _reminded(licence: Licence, reached: int, reason: str = "") -> None:
    outcome = AuditEvent.Outcome.FAILED if reason else AuditEvent.Outcome.DONE
    record(
        system_actor(),
        "licence.reminded",
        licence,
        outcome=outcome,
        reason=reason,
        detail={"days": reached},
    )
