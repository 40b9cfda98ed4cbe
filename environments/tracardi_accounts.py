"""Tracardi's own accounts: who can do what in an installation, and what ought not to be so.

Read from its *user* index (docs/tracardi.md), which is never written. Hashes of passwords are
compared here, and never leave this module.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import quote

from environments.elastic import connect
from environments.findings import Finding, Severity
from environments.first_few import first_few
from environments.flowgraph import shown
from environments.models import Environment

ADMIN, MARKETER = "admin", "marketer"
# An installation has a handful.
MOST: Final = 1_000
_SECONDS: Final = 5.0
_NAMED: Final = 5


@dataclass(frozen=True)
class TracardiAccount:
    """One account; `is_on` says that it can be signed in with."""

    id: str
    email: str
    name: str
    roles: tuple[str, ...]
    is_disabled: bool
    expires: datetime | None
    is_expired: bool

    @property
    def is_on(self) -> bool:
        return not (self.is_disabled or self.is_expired)

    @property
    def label(self) -> str:
        return self.email or self.name or self.id


@dataclass(frozen=True)
class Accounts:
    """The accounts of an installation, by name, and what ought not to be so.

    `is_whole` is False where there are more than are read.
    """

    rows: tuple[TracardiAccount, ...]
    findings: tuple[Finding, ...]
    is_whole: bool = True


_Hashes = dict[str, str]


def accounts_of(environment: Environment) -> Accounts:
    """Return an installation's accounts, and what ought not to be so.

    Raises:
        ElasticError: the cluster refused, or does not answer.
    """
    rows, hashes, is_whole = _read(environment)
    findings: list[Finding] = []
    if environment.is_production:
        findings += _of_production(environment, rows)
        for staging in Environment.objects.filter(promotes_to=environment).select_related(
            "cluster"
        ):
            _rows, others, _whole = _read(staging)
            findings += _reused(staging, rows, hashes, others)
    return Accounts(tuple(rows), tuple(findings), is_whole)


def _read(environment: Environment) -> tuple[list[TracardiAccount], _Hashes, bool]:
    path = f"/{quote(environment.naming.alias('user'))}/_search"
    body = {"size": MOST, "track_total_hits": True, "sort": ["_doc"]}
    answer = connect(environment.cluster).request(
        "POST", path, params={"ignore_unavailable": "true"}, body=body, timeout=_SECONDS
    )
    rows, hashes = [], {}
    for hit in answer["hits"]["hits"]:
        source = hit.get("_source") or {}
        one = _account(str(hit["_id"]), source)
        rows.append(one)
        if isinstance(known := source.get("password"), str) and known:
            hashes[one.id] = known
    rows.sort(key=lambda one: (not one.is_on, one.label.casefold()))
    return rows, hashes, int(answer["hits"]["total"]["value"]) <= len(rows)


def _account(doc_id: str, source: Mapping[str, Any]) -> TracardiAccount:
    roles = source.get("roles")
    held = [roles] if isinstance(roles, str) else roles if isinstance(roles, list) else []
    expires = _moment(source.get("expiration_timestamp"))
    return TracardiAccount(
        id=shown(doc_id),
        email=shown(str(source.get("email") or "")),
        name=shown(str(source.get("full_name") or "")),
        roles=tuple(shown(str(one)) for one in held),
        is_disabled=source.get("disabled") is True,
        expires=expires,
        is_expired=expires is not None and expires <= datetime.now(UTC),
    )


def _moment(value: object) -> datetime | None:
    """Return the time of a Unix timestamp in seconds; None where there is none that can be one."""
    if not isinstance(value, int) or isinstance(value, bool):
        return None
    try:
        return datetime.fromtimestamp(value, UTC)
    except (ValueError, OverflowError, OSError):
        return None


def _of_production(environment: Environment, rows: Sequence[TracardiAccount]) -> Iterator[Finding]:
    on = [one for one in rows if one.is_on]
    admins = [one for one in on if ADMIN in one.roles]
    if len(admins) > 1:
        yield Finding(
            "accounts.admins",
            Severity.ERROR,
            f"{len(admins)} accounts of {environment}'s Tracardi are admins: {_named(admins)}.",
            "Keep one, and disable the others, or make them marketers, in Tracardi.",
        )
    others = [one for one in on if one not in admins and set(one.roles) - {MARKETER}]
    if others:
        yield Finding(
            "accounts.roles",
            Severity.ERROR,
            f"{_named(others, roles=True)} can change {environment} in Tracardi itself.",
            "Whoever is not the admin needs no role there but marketer; or disable the account.",
        )
    marketers = [one for one in on if one not in admins and set(one.roles) == {MARKETER}]
    if marketers:
        yield Finding(
            "accounts.marketers",
            Severity.INFO,
            f"{_named(marketers)} may write rules and segments of {environment}: Tracardi's "
            "marketer is no mere onlooker.",
            "Who only looks is better off with an account of this console, as marketing.",
        )


def _reused(
    staging: Environment, rows: Sequence[TracardiAccount], hashes: _Hashes, others: _Hashes
) -> Iterator[Finding]:
    known = set(others.values())
    same = [one for one in rows if one.is_on and hashes.get(one.id) in known]
    if same:
        yield Finding(
            "accounts.passwords",
            Severity.ERROR,
            f"{_named(same)}: the password is one of {staging}'s too.",
            "Choose another one in production's Tracardi: who knows staging's must not get in.",
        )


def _named(rows: Sequence[TracardiAccount], *, roles: bool = False) -> str:
    words = [f"{one.label} ({', '.join(one.roles)})" if roles else one.label for one in rows]
    return first_few(words, _NAMED)
