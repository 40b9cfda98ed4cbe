"""`manage.py licence --as USER`: until when the licences last; never their keys."""

from typing import Any

from django.utils import timezone

from accounts.authorising import authorise
from accounts.models import User
from accounts.roles import Verb
from environments.licence_warnings import warning
from environments.models import Licence
from promotion.commands import ActingCommand, command_actor


class Command(ActingCommand):
    help = (
        "Print who holds each licence of Tracardi, until when and what it covers, and never a key. "
        "Exits with 1 where one ends within 60 days, or ended."
    )

    def act(self, user: User, options: dict[str, Any]) -> dict[str, Any]:
        authorise(command_actor(user), Verb.MANAGE, "licence.print", None)
        rows = [_facts(one) for one in Licence.objects.all()]
        due = any(row["warning"] for row in rows)
        lines = [_line(row) for row in rows] or ["No licence is recorded. Add it on Licence."]
        return {
            "status": "failed" if due else "done",
            "message": "\n".join(lines),
            "licences": rows,
        }


def _facts(licence: Licence) -> dict[str, Any]:
    said = warning(licence)
    covered = licence.uses.values_list("environment__slug", flat=True)
    return {
        "id": licence.pk,
        "holder": licence.holder,
        "ends_on": licence.ends_on.isoformat() if licence.ends_on is not None else None,
        "days_left": licence.days_left(timezone.localdate()),
        "environments": sorted(covered),
        "warning": said.to_dict() if said is not None else None,
    }


def _line(row: dict[str, Any]) -> str:
    covers = ", ".join(row["environments"]) or "nothing yet"
    if row["warning"]:
        return f"{row['warning']['message']} {row['warning']['remedy']} It covers {covers}."
    until = f"until {row['ends_on']}" if row["ends_on"] else "without end"
    return f"Licence of {row['holder']}, {until}; it covers {covers}."
