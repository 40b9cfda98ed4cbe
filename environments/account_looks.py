"""Looks at Tracardi's own accounts in the background, so that no page waits for each production."""

from collections.abc import Iterable
from datetime import timedelta
from typing import Final

import structlog
from django.utils import timezone

from environments.due import take_on
from environments.elastic import ElasticError
from environments.findings import Severity
from environments.models import AccountsLook, Environment
from environments.tracardi_accounts import accounts_of

log = structlog.get_logger(__name__)
# How often each production is looked at.
EVERY: Final = timedelta(minutes=1)


def look_at_accounts() -> list[Environment]:
    """Look at the productions whose last look is a while ago; return those that were tried.

    Call it again and again. Of two workers that do, one looks at a production.
    """
    limit = timezone.now() - EVERY
    tried = []
    for environment in Environment.objects.production().select_related("cluster"):
        if not take_on(AccountsLook, limit, environment=environment):
            continue
        try:
            look(environment)
        except Exception:
            # One production that cannot be read must not keep the others from it.
            log.exception("accounts.defect", environment=environment.slug)
        tried.append(environment)
    return tried


def look(environment: Environment) -> None:
    """Look at one production, and keep how many things ought not to be so.

    What was found last stays, with its age, while the cluster does not answer: that is told where
    it is asked for more than this.
    """
    # Of the beginning: what is done from now on is for the next look.
    now = timezone.now()
    try:
        findings = accounts_of(environment).findings
    except ElasticError:
        return
    things = sum(1 for one in findings if one.severity is not Severity.INFO)
    AccountsLook.objects.filter(environment=environment).update(things=things, looked_at=now)


def to_look_at(environments: Iterable[Environment]) -> list[AccountsLook]:
    """Return the last looks that found something, by the environments' order; asks no cluster."""
    wanted = {one.pk: place for place, one in enumerate(environments)}
    found = AccountsLook.objects.filter(environment__in=wanted, things__gt=0)
    return sorted(found.select_related("environment"), key=lambda one: wanted[one.environment_id])
