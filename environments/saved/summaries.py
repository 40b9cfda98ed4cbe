"""Weekly summaries: a person asks for one, and ends it; the worker sends what is due."""

from datetime import datetime, timedelta
from typing import Final

import structlog
from django.db import transaction
from django.db.models import F, Q
from django.utils import timezone

from accounts import mail
from accounts.audit import Actor, record, system_actor
from accounts.models import AuditEvent, User
from environments.elastic import ElasticError
from environments.models import Environment, SavedView, Summary
from environments.saved.letters import Letter, for_mail, write
from environments.saved.services import DROPPED, SavedError, person_of
from environments.saved.weeks import Week, last_week, zone_of

log = structlog.get_logger(__name__)
MOST_SUMMARIES: Final = 10
# So many are tried in one call: each asks an engine and a mail server.
AT_ONCE: Final = 5
# So long nobody else takes on what a worker took on, which may have died since.
HELD: Final = timedelta(minutes=10)
# So many times a week that cannot be counted as a whole is left for later; then it goes as it is.
WHOLE_TRIES: Final = 6
# After a failure; twice as long after each further one.
_FIRST_PAUSE: Final = timedelta(minutes=5)
_LONGEST_PAUSE: Final = timedelta(hours=6)
ASKED: Final = "summary.asked-for"
ENDED: Final = "summary.ended"
SENT: Final = "summary.sent"
PICTURE: Final = "events-a-day"


def lacks(user: User) -> str:
    """Return what is missing before a mail can be sent to a person, and who adds it; or nothing."""
    if not mail.is_configured():
        return (
            "The console sends no mail: its administrator has to set EMAIL_URL first. Until then "
            "there are no weekly summaries."
        )
    if not user.email:
        return (
            "Your account has no e-mail address. The administrator can add one, on your page among "
            "the people."
        )
    return ""


def ask_for(actor: Actor, environment: Environment, view: SavedView | None, site: str) -> Summary:
    """Let the actor have a mail each Monday, about an environment or a view; again is harmless.

    `site` is where they have the console open, such as `https://console.example.com`.

    Raises:
        NotAllowedError: they may not see it.
        SavedError: no mail can be sent to them, or they have too many.
    """
    user = person_of(actor, ASKED, environment)
    if problem := lacks(user):
        raise SavedError(f"{problem} Nothing was changed.")
    with transaction.atomic():
        User.objects.select_for_update().get(pk=user.pk)
        own = Summary.objects.filter(user=user)
        kept = own.filter(environment=environment, view=view).first()
        if kept is not None:
            return kept
        if own.count() >= MOST_SUMMARIES:
            raise SavedError(
                f"You have {MOST_SUMMARIES} summaries, which is as many as one person gets. "
                "Nothing was changed. End one first."
            )
        made = Summary.objects.create(
            user=user, environment=environment, view=view, site=site, asked_at=timezone.now()
        )
        record(actor, ASKED, made, detail={"to": user.email})
    return made


def end(actor: Actor, summary: Summary) -> None:
    """Send no more mail of a summary, which is the actor's own.

    Raises:
        NotAllowedError: they look as somebody else, or may not see the environment any more.
    """
    person_of(actor, ENDED, summary.environment)
    with transaction.atomic():
        record(actor, ENDED, summary)
        summary.delete()


def pause(tries: int) -> timedelta:
    """Return how long to wait after so many failures, which is longer after each."""
    doubled: int = 2 ** min(tries - 1, 16)
    return min(_FIRST_PAUSE * doubled, _LONGEST_PAUSE)


def due_week(summary: Summary, now: datetime) -> Week | None:
    """Return the week that a summary is to be sent of; None where it was, or was asked for since.

    Of weeks that passed while nothing could be sent, only the last one is.
    """
    week = last_week(now, zone_of(summary.user))
    if summary.sent_week is not None and summary.sent_week >= week.first:
        return None
    return week if summary.asked_at < week.due else None


def send_summaries() -> list[Summary]:
    """Send the summaries that are due, a few at a time; return those that were sent.

    Call it again and again. A worker that dies while it hands a mail over leaves it unsent: one
    that came twice would be worse than one that did not come.
    """
    if not mail.is_configured():
        return []
    now = timezone.now()
    rows = (
        Summary.objects.filter(Q(next_try_at=None) | Q(next_try_at__lte=now))
        .filter(Q(begun_at=None) | Q(begun_at__lte=now - HELD))
        .select_related("user", "environment__cluster", "view__environment")
        # Said, because not every database has those first that nobody took on yet.
        .order_by(F("begun_at").asc(nulls_first=True), "pk")
    )
    due = [(one, week) for one in rows if (week := due_week(one, now)) is not None]
    return [one for one, week in due[:AT_ONCE] if _take_on(one, now) and _sent(one, week, now)]


def pass_over() -> int:
    """Take the mails that are due now for sent, and return how many; a restore calls it.

    The console that the backup was made of may have sent them.
    """
    now, passed = timezone.now(), 0
    for one in Summary.objects.select_related("user"):
        if (week := due_week(one, now)) is not None:
            passed += Summary.objects.filter(pk=one.pk).update(sent_week=week.first)
    return passed


def _take_on(summary: Summary, now: datetime) -> bool:
    # Not `due.take_on`, which makes the row anew where the person ended it meanwhile.
    same = Summary.objects.filter(pk=summary.pk, begun_at=summary.begun_at)
    return same.update(begun_at=now) == 1


def _sent(summary: Summary, week: Week, now: datetime) -> bool:
    if problem := _not_theirs(summary):
        with transaction.atomic():
            record(system_actor(), DROPPED, summary, reason=problem)
            summary.delete()
        return False
    before = summary.sent_week
    try:
        letter = write(summary, week, now, whole=summary.tries < WHOLE_TRIES)
        # Before it is handed over: whatever happens then, it is not sent again by another.
        kept = Summary.objects.filter(pk=summary.pk, sent_week=before)
        if not kept.update(sent_week=week.first):
            return False
        _hand_over(summary, letter)
    except mail.UnsureMailError as error:
        _unsure(summary, week, f"{error} It is not sent again, so that none comes twice.")
        return False
    except (ElasticError, mail.MailError) as error:
        _failed(summary, for_mail(str(error)))
        return False
    except Exception as error:
        # One summary: those behind it must not wait, and its week must not pass for sent.
        log.exception("summary.defect", summary=summary.pk)
        _failed(
            summary,
            f"Something that nobody foresaw stopped it ({type(error).__name__}). The worker's log "
            "has the details, for whoever looks after the console.",
        )
        return False
    Summary.objects.filter(pk=summary.pk).update(
        sent_at=timezone.now(), problem="", tries=0, next_try_at=None
    )
    record(system_actor(), SENT, summary, detail={"week": week.first.isoformat()})
    return True


def _not_theirs(summary: Summary) -> str:
    """Return why a person gets a summary no more, or nothing."""
    user, view = summary.user, summary.view
    if not user.is_active:
        return f"{user.label}'s account is switched off."
    if not Environment.objects.visible_to(user).filter(pk=summary.environment_id).exists():
        return f"{user.label} may not see {summary.environment} any more."
    if view is not None and not SavedView.objects.visible_to(user).filter(pk=view.pk).exists():
        return f"{view} is not shared with {user.label} any more."
    return ""


def _hand_over(summary: Summary, letter: Letter) -> None:
    pictures = [mail.Picture(PICTURE, letter.picture)] if letter.picture else []
    facts: dict[str, object] = {"letter": letter, "picture": PICTURE}
    mail.send_drawn(summary.user, "mail/summary", facts, pictures)


def _unsure(summary: Summary, week: Week, problem: str) -> None:
    """Leave a week for sent that may have been, and say so."""
    log.warning("summary.unsure", summary=summary.pk, problem=problem[:200])
    Summary.objects.filter(pk=summary.pk).update(problem=problem[:1000], tries=0, next_try_at=None)
    record(
        system_actor(),
        SENT,
        summary,
        outcome=AuditEvent.Outcome.FAILED,
        reason=problem,
        detail={"week": week.first.isoformat()},
    )


def _failed(summary: Summary, problem: str) -> None:
    tries = summary.tries + 1
    log.warning("summary.failed", summary=summary.pk, tries=tries, problem=problem[:200])
    Summary.objects.filter(pk=summary.pk).update(
        sent_week=summary.sent_week,
        begun_at=None,
        problem=problem[:1000],
        tries=tries,
        next_try_at=timezone.now() + pause(tries),
    )
