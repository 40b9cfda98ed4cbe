"""Looks at the network of a production and its stagings, on demand and on schedule.

An address is probed only where the administrator said so (`ProbeConsent`). Names are looked up, and
production's events are counted, without that: neither asks the address.
"""

import time
from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any, Final

import structlog
from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models.functions import Coalesce
from django.utils import timezone

from accounts.audit import Actor, record, system_actor
from accounts.authorising import authorise
from accounts.models import AuditEvent
from accounts.roles import Verb
from environments.addresses import BadAddressError, host_and_port
from environments.endpoints import CLOSED, COLLECTOR
from environments.findings import Severity
from environments.models import Environment, NetworkRun, ProbeConsent
from environments.network import exposure, judging
from environments.network.facts import Address, Asked, Check, Traces
from environments.network.models import GRACE, url_of
from environments.network.probing import Prober
from environments.network.traces import find_traces

log = structlog.get_logger(__name__)
ACTION: Final = "network.check"
Which = ProbeConsent.Which
DIED: Final = "Its worker stopped in the middle. Check again."
# So many earlier runs are searched for what a check said last.
_EARLIER: Final = 20
_NOT_COUNTED: Final = Traces(problem="Events were not counted: the time of this run was over.")
Found = dict[str, str]


class NetworkRefused(Exception):
    """A rule says no; nothing was asked. `str()` is fit for people."""


# --- Which addresses -----------------------------------------------------------------------------


def allow_probe(actor: Actor, environment: Environment, which: str, url: str) -> None:
    """Let the console probe one address of an environment, as long as it stays `url`.

    Raises:
        NotAllowedError: the actor may not.
        NetworkRefused: there is no such address, or it is another by now.
    """
    action = "network.probe-allowed"
    authorise(actor, Verb.MANAGE, action, environment)
    known = which in Which.values and not (which == Which.PUBLIC and not environment.is_production)
    if not known or not url or url != url_of(environment, which):
        words = "The address is another one by now. Nothing was changed. Look at it again."
        raise _refused(actor, action, environment, words)
    if actor.user is None:
        raise NetworkRefused("Only a person may allow it. Nothing was changed.")
    with transaction.atomic():
        ProbeConsent.drop_changed(environment)
        ProbeConsent.objects.get_or_create(
            environment=environment,
            which=which,
            defaults={"url": url, "given_by": actor.user},
        )
        record(actor, action, environment, detail={"which": which, "address": url})


def forbid_probe(actor: Actor, environment: Environment, which: str) -> None:
    """Let the console probe an address no more.

    Raises:
        NotAllowedError: the actor may not.
    """
    action = "network.probe-forbidden"
    authorise(actor, Verb.MANAGE, action, environment)
    if ProbeConsent.objects.filter(environment=environment, which=which).delete()[0]:
        record(actor, action, environment, detail={"which": which})


def _refused(actor: Actor, action: str, environment: Environment, words: str) -> NetworkRefused:
    record(actor, action, environment, outcome=AuditEvent.Outcome.REFUSED, reason=words)
    return NetworkRefused(words)


# --- When ----------------------------------------------------------------------------------------


def request_check(actor: Actor, environment: Environment) -> NetworkRun:
    """Ask for a look at the network of a production; `run_check` does it, or the worker.

    Raises:
        NotAllowedError: the actor may not.
        NetworkRefused: it is no production, or a look goes on or ended a moment ago.
    """
    authorise(actor, Verb.MANAGE, ACTION, environment)
    if not environment.is_production:
        words = f"{environment} is no production; check the one that it feeds. Nothing was asked."
        raise _refused(actor, ACTION, environment, words)
    end_stale()
    since = timezone.now() - timedelta(seconds=settings.NETWORK_PAUSE_SECONDS)
    last = NetworkRun.objects.filter(environment=environment).first()
    if last is not None and not last.is_active and (last.finished_at or last.asked_at) > since:
        words = (
            f"The last check ended less than {settings.NETWORK_PAUSE_SECONDS:g} seconds ago. "
            "Nothing was asked. Wait a moment."
        )
        raise _refused(actor, ACTION, environment, words)
    try:
        with transaction.atomic():
            made = NetworkRun.objects.create(environment=environment, requested_by=actor.user)
            record(actor, ACTION, made)
    except IntegrityError as error:
        words = "A check goes on. Nothing more was asked. Wait until it ends."
        raise _refused(actor, ACTION, environment, words) from error
    return made


def check_networks() -> list[NetworkRun]:
    """Do the checks that wait, and those that are due; return them.

    Call it again and again. Of two workers that do, one does a check.
    """
    end_stale()
    waiting = NetworkRun.objects.filter(status=NetworkRun.Status.WAITING).order_by("id")
    done = [run_check(run) for run in waiting.select_related("environment__cluster")]
    for environment in _due():
        try:
            with transaction.atomic():
                run = NetworkRun.objects.create(environment=environment)
        except IntegrityError:
            # Another worker was quicker.
            continue
        done.append(run_check(run))
    return done


def _due() -> Iterator[Environment]:
    """Yield the productions that have an address to probe, and were looked at a while ago."""
    every = settings.NETWORK_CHECK_SECONDS
    if not every:
        return
    since = timezone.now() - timedelta(seconds=every)
    chosen = ProbeConsent.objects.values_list("environment_id", "environment__promotes_to_id")
    ids = {pk for pair in chosen for pk in pair if pk is not None}
    for environment in Environment.objects.production().filter(pk__in=ids):
        if not NetworkRun.objects.filter(environment=environment, asked_at__gt=since).exists():
            yield environment


def end_stale() -> None:
    """End the runs whose worker gave no sign of life for longer than any check takes."""
    since = timezone.now() - timedelta(seconds=settings.NETWORK_RUN_SECONDS) - GRACE
    running = NetworkRun.objects.filter(status=NetworkRun.Status.RUNNING)
    stale = running.alias(sign=Coalesce("beat_at", "started_at")).filter(sign__lt=since)
    # Asked first: the worker comes by each second, and a look takes no lock.
    if stale.exists():
        stale.update(status=NetworkRun.Status.ERRORED, finished_at=timezone.now())


def give_up_checks() -> int:
    """End all runs that wait or go on, as if their worker had died; return how many."""
    going = NetworkRun.objects.filter(status__in=NetworkRun.ACTIVE)
    return going.update(status=NetworkRun.Status.ERRORED, finished_at=timezone.now())


# --- One run -------------------------------------------------------------------------------------


def run_check(run: NetworkRun) -> NetworkRun:
    """Do a check that was asked for, and keep what it found; one that is another's is left."""
    now = timezone.now()
    mine = NetworkRun.objects.filter(pk=run.pk, status=NetworkRun.Status.WAITING).update(
        status=NetworkRun.Status.RUNNING, started_at=now, beat_at=now
    )
    run.refresh_from_db()
    if not mine:
        return run
    prober = Prober(
        seconds=settings.NETWORK_PROBE_SECONDS,
        deadline=time.monotonic() + settings.NETWORK_RUN_SECONDS,
        per_second=settings.NETWORK_REQUESTS_PER_SECOND,
    )
    checks: list[dict[str, Any]] = []
    for one in _checks(run.environment, prober):
        checks.append(one.to_dict())
        NetworkRun.objects.filter(pk=run.pk).update(beat_at=timezone.now())
    new, mended = _since(run, checks)
    found = [each["severity"] for check in checks for each in check["findings"]]
    with transaction.atomic():
        kept = NetworkRun.objects.filter(pk=run.pk, status=NetworkRun.Status.RUNNING).update(
            status=NetworkRun.Status.DONE,
            checks=checks,
            new=new,
            mended=mended,
            errors=found.count(Severity.ERROR.value),
            warnings=found.count(Severity.WARNING.value),
            is_partial=any(check["cut_short"] for check in checks),
            connections=prober.connections,
            finished_at=timezone.now(),
        )
        run.refresh_from_db()
        if kept and (new or mended):
            detail = {"new": [each["message"] for each in new][:_EARLIER], "mended": len(mended)}
            record(system_actor(), "network.changed", run, detail=detail)
    _prune(run.environment)
    log.info("network.checked", environment=run.environment.slug, errors=run.errors)
    return run


def _prune(environment: Environment) -> None:
    runs = NetworkRun.objects.filter(environment=environment)
    kept = list(runs.values_list("pk", flat=True)[: settings.NETWORK_KEPT_RUNS])
    runs.exclude(pk__in=kept).exclude(status__in=NetworkRun.ACTIVE).delete()


def _since(run: NetworkRun, checks: list[dict[str, Any]]) -> tuple[list[Found], list[Found]]:
    """Return what is there and was not, and what was and is not, when each check last told."""
    before: dict[str, Mapping[tuple[str, str], Found]] = {}
    earlier = NetworkRun.objects.filter(
        environment=run.environment, status=NetworkRun.Status.DONE, pk__lt=run.pk
    )
    for old in earlier[:_EARLIER]:
        for check in old.checks:
            if check["told"]:
                before.setdefault(check["key"], _problems(check))
    new: list[Found] = []
    mended: list[Found] = []
    for check in checks:
        was = before.get(check["key"])
        if was is None:
            continue
        now = _problems(check)
        new += [one for key, one in now.items() if key not in was]
        if check["told"]:
            mended += [one for key, one in was.items() if key not in now]
    return new, mended


def _problems(check: Mapping[str, Any]) -> Mapping[tuple[str, str], Found]:
    return {
        (one["code"], one["subject"]): one
        for one in check["findings"]
        if one["severity"] != Severity.INFO.value
    }


def _checks(production: Environment, prober: Prober) -> Iterator[Check]:
    api = prober.address_of(production, production.api_url)
    public = prober.address_of(production, production.public_url)
    stagings = list(production.fed_by.select_related("cluster"))
    for staging in stagings:
        there = prober.address_of(staging, staging.api_url)
        yield judging.apart(there, api, public)
        yield judging.private(there)
        yield _identity(staging, there, prober, shares=_share(staging, production))
    yield judging.production_private(api)
    yield _identity(production, api, prober, shares=False)
    yield from _public(production, public, prober)
    for staging in stagings:
        found = _NOT_COUNTED if prober.is_over else find_traces(staging, production)
        yield judging.traces(staging.name, staging.slug, found)


def _share(staging: Environment, production: Environment) -> bool:
    one, other = staging.cluster, production.cluster
    same = one.pk == other.pk or bool(one.uuid and one.uuid == other.uuid)
    return same and staging.tenant == production.tenant


def _identity(environment: Environment, address: Address, prober: Prober, *, shares: bool) -> Check:
    consent = ProbeConsent.of(environment, Which.API)
    side = environment.kind
    key, title = f"identity:{environment.slug}", f"{environment} says that it is {side}"
    if (words := _unasked(address, consent)) is not None:
        return Check(key, title, words, asked=False)
    return judging.identity(
        address,
        prober.details(address),
        is_production=environment.is_production,
        version=environment.version,
        shares=shares,
    )


def _unasked(address: Address, consent: ProbeConsent | None) -> str | None:
    """Return why an address is not probed, or None where it is."""
    if not address.url:
        return address.problem
    if consent is None:
        return "Not asked: the administrator has not allowed this address to be probed."
    return None


def _public(production: Environment, address: Address, prober: Prober) -> Iterator[Check]:
    words = _unasked(address, ProbeConsent.of(production, Which.PUBLIC))
    if words is not None:
        for key, title in (
            ("collector", "The public address answers the collector's endpoints"),
            ("closed", "The public address refuses everything else"),
            ("tls", "TLS of the public address"),
            ("ports", "No database answers at the public address"),
        ):
            yield Check(key, title, words, asked=False)
        return
    yield exposure.collector(address, prober.endpoints(address, COLLECTOR))
    yield exposure.closed(address, prober.endpoints(address, CLOSED))
    shown = prober.certificate(address) if address.is_secure else judging.NO_TLS
    yield judging.tls(address, shown, timezone.now())
    if address.is_secure and address.port == 443:
        track = COLLECTOR[0]
        answer = prober.ask((address.host, 80), track.asked_by, track.sample, secure=False)
        yield exposure.plain_port(address, Asked(track, answer))
    yield exposure.ports(address, prober.ports(address, _numbers(production, address)))


def _numbers(production: Environment, address: Address) -> list[int]:
    """Return the ports where no database may answer: the usual ones, and that of the cluster."""
    numbers = [int(one) for one in settings.NETWORK_CLOSED_PORTS]
    try:
        numbers.append(host_and_port(production.cluster.url)[1])
    except BadAddressError:
        log.warning("network.cluster-address", environment=production.slug)
    return [one for one in dict.fromkeys(numbers) if one != address.port]
