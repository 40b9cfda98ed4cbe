"""What staging's and production's addresses say of themselves. Pure: no Django, no I/O.

Each function takes what was found and returns one check. What nobody could see is never claimed.
"""

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from environments.findings import Finding, Severity
from environments.flowgraph import shown
from environments.network.facts import Address, Answer, Certificate, Check, Flaw, Traces
from environments.network.private import Reach, is_public_name, reach_of

ERROR, WARNING, INFO = Severity.ERROR, Severity.WARNING, Severity.INFO
# So many days before the end of a certificate.
SOON, VERY_SOON = 30, 7
_LONGEST: Final = 60
# Of an address that has no TLS to look at.
NO_TLS: Final = Certificate()


def finding(code: str, severity: Severity, message: str, remedy: str, subject: str) -> Finding:
    return Finding(f"network.{code}", severity, message, remedy, subject)


def apart(staging: Address, production: Address, public: Address | None) -> Check:
    """Judge that staging's and production's API are at different IP addresses, and ports."""
    key, title = f"apart:{staging.slug}", f"{staging.who} and {production.who} are apart"
    for one in (staging, production):
        if not one.is_known:
            return Check(key, title, one.problem or f"{one.who} has no address.", told=False)
    found: list[Finding] = []
    places = [("API", production)]
    if public is not None and public.is_known and public.url != production.url:
        places.append(("public address", public))
    for what, other in places:
        shared = sorted(str(ip) for ip in {*staging.ips} & {*other.ips})
        subject = f"{staging.slug}:{what}"
        if shared and staging.port == other.port:
            found.append(
                finding(
                    "same-server",
                    ERROR,
                    f"{staging.who}'s API and {other.who}'s {what} are the same server: "
                    f"{shared[0]}, port {staging.port}.",
                    "Run staging and production as servers of their own, and correct the address "
                    "that is wrong.",
                    subject,
                )
            )
        elif shared:
            found.append(
                finding(
                    "same-address",
                    WARNING,
                    f"{staging.who}'s API and {other.who}'s {what} are at one IP address, "
                    f"{shared[0]}, at ports {staging.port} and {other.port}.",
                    "Give staging an address of its own, so that a firewall can tell them apart "
                    "and a busy staging does not slow production down.",
                    subject,
                )
            )
    if staging.port == production.port and not found:
        found.append(
            finding(
                "same-port",
                INFO,
                f"{staging.who}'s and {production.who}'s API are at one port, {staging.port}, of "
                "different hosts.",
                "Give them different ports, so that a mistyped host meets nothing.",
                staging.slug,
            )
        )
    words = f"{_where(staging)} and {_where(production)}."
    return Check(key, title, words, tuple(found))


def _where(address: Address) -> str:
    ips = ", ".join(str(ip) for ip in address.ips)
    return f"{address.who}: {ips}, port {address.port}"


def private(address: Address) -> Check:
    """Judge that a staging's API is at private IP addresses alone, and on no public name."""
    key, title = f"private:{address.slug}", f"{address.who} is private"
    if not address.is_known:
        return Check(key, title, address.problem or f"{address.who} has no address.", told=False)
    found: list[Finding] = []
    reaches = {ip: reach_of(ip) for ip in address.ips}
    public = [str(ip) for ip, reach in reaches.items() if reach is Reach.PUBLIC]
    local = [str(ip) for ip, reach in reaches.items() if reach is Reach.LINK_LOCAL]
    named = is_public_name(address.host)
    if public:
        name = f"the public name {address.host} leads to " if named else "its address is "
        found.append(
            finding(
                "staging-public",
                ERROR,
                f"{address.who} is not private: {name}{', '.join(public)}.",
                "Move it to a private network (10/8, 172.16/12, 192.168/16, 100.64/10 or fc00::/7) "
                "and let a firewall keep everybody else out.",
                address.slug,
            )
        )
    if local:
        found.append(
            finding(
                "staging-link-local",
                ERROR,
                f"{address.who} is at {', '.join(local)}, which is link-local: it is given to "
                "whoever asks for it, and is no address of a server.",
                "Give it a fixed private address.",
                address.slug,
            )
        )
    if named and not public and not local:
        found.append(
            finding(
                "staging-public-name",
                INFO,
                f"{address.who} has the public name {address.host}, which leads to a private "
                "address: whoever looks it up learns your network's numbers.",
                "A name that only your own resolver knows tells nobody.",
                address.slug,
            )
        )
    return Check(key, title, f"{_where(address)}.", tuple(found))


def production_private(address: Address) -> Check:
    """Judge that the API that staff use is not reached from everywhere."""
    key, title = "production-api", f"{address.who}'s API is for the staff"
    if not address.is_known:
        return Check(key, title, address.problem or f"{address.who} has no address.", told=False)
    public = [str(ip) for ip in address.ips if reach_of(ip) is not Reach.PRIVATE]
    found: tuple[Finding, ...] = ()
    if public:
        found = (
            finding(
                "production-api-public",
                WARNING,
                f"{address.who}'s API is at {', '.join(public)}, which is not private.",
                "Give the staff an API at a private address, and the public the collector alone.",
                address.slug,
            ),
        )
    return Check(key, title, f"{_where(address)}.", found)


# --- What a server says that it is ---------------------------------------------------------------


def identity(
    address: Address, answer: Answer, *, is_production: bool, version: str, shares: bool
) -> Check:
    """Judge by /info/version/details which side a server is; it answers that without credentials.

    `production` in it is the setting PRODUCTION. A server of staging (PRODUCTION=no) serves
    production's indices to each request with `X-Context: production`, and one of production heeds
    no such header. `shares` says whether both sides are in one cluster, where that matters.
    """
    side = "production" if is_production else "staging"
    key, title = f"identity:{address.slug}", f"{address.who} says that it is {side}"
    if answer.trouble is not None or answer.status != 200:
        words = f"Its API {answer.words}, so nobody can tell which side it is."
        late = answer.trouble is not None
        return Check(key, title, words, told=False, cut_short=late)
    facts = _details(answer.body)
    says = facts.get("production")
    if not isinstance(says, bool):
        words = "Its answer to /info/version/details does not name a side, so nobody can tell."
        return Check(key, title, words, told=False)
    found = list(_sides(address, answer, is_production=is_production, says=says))
    told = facts.get("version")
    if isinstance(told, str) and not told.startswith(version):
        found.append(
            finding(
                "version",
                WARNING,
                f"{address.who}'s API is Tracardi {shown(told[:_LONGEST])}, not {version}.",
                "Correct its address, or the version of the environment.",
                address.slug,
            )
        )
    if not is_production and not says and shares and not found:
        found.append(
            finding(
                "context-header",
                INFO,
                f"Whoever sends {address.who} the header X-Context: production is served from "
                "production's indices, as Tracardi means it to be.",
                "Keep staging private. Where nobody uses the switch of Tracardi's GUI, which sends "
                "it, let what stands before staging drop that header.",
                address.slug,
            )
        )
    words = f"It says PRODUCTION={'yes' if says else 'no'}."
    return Check(key, title, words, tuple(found))


def _sides(
    address: Address, answer: Answer, *, is_production: bool, says: bool
) -> Sequence[Finding]:
    # As Tracardi compares it: "Production" is not heeded.
    forced = answer.context == "production"
    if not is_production and says:
        return [
            finding(
                "staging-is-production",
                ERROR,
                f"{address.who}'s API says that it is production (PRODUCTION=yes).",
                "Set PRODUCTION=no on staging and start it again, or correct the address.",
                address.slug,
            )
        ]
    if not is_production and forced:
        return [
            finding(
                "context-forced",
                ERROR,
                f"What stands before {address.who} adds X-Context: production, so staging works "
                "on production's indices.",
                "Take the header out of that proxy.",
                address.slug,
            )
        ]
    if is_production and not says:
        why = (
            "is production only because what stands before it adds X-Context: production"
            if forced
            else "says that it is staging (PRODUCTION=no)"
        )
        return [
            finding(
                "production-is-staging",
                ERROR,
                f"{address.who}'s API {why}.",
                "Set PRODUCTION=yes on production and start it again, or correct the address.",
                address.slug,
            )
        ]
    return []


def _details(body: bytes) -> dict[str, Any]:
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


# --- TLS -----------------------------------------------------------------------------------------


def tls(address: Address, certificate: Certificate, now: datetime) -> Check:
    """Judge the certificate of production's public address, and how long it holds."""
    key, title = "tls", f"TLS of {address.host}"
    if not address.is_secure:
        plain = finding(
            "plain-http",
            ERROR,
            f"The public address of {address.who} is http:// alone: whoever is on the way reads "
            "and changes what visitors send.",
            "Put TLS before it and enter its https:// address.",
            address.slug,
        )
        return Check(key, title, "The address is not one of TLS.", (plain,))
    if certificate.trouble is not None:
        words = f"It {certificate.trouble.value}, so its certificate was not seen."
        late = certificate.trouble.cut_short
        return Check(key, title, words, told=False, cut_short=late)
    if certificate.flaw is not None:
        found: tuple[Finding, ...] = (_flawed(address, certificate),)
    else:
        found = tuple(_ending(address, certificate, now))
    until = f"It ends {certificate.ends:%-d %b %Y %H:%M UTC}." if certificate.ends else ""
    return Check(key, title, until or "Nothing says when it ends.", found)


_FLAWS: Final = {
    Flaw.EXPIRED: ("tls-expired", "Renew it, and let something renew it by itself from now on."),
    Flaw.NOT_YET: ("tls-not-yet", "Look at the server's clock, or at the certificate's dates."),
    Flaw.SELF_SIGNED: ("tls-self-signed", "Take one of an authority that browsers know."),
    Flaw.UNKNOWN_ISSUER: (
        "tls-unknown-issuer",
        "Let the server send the whole chain, or take one of an authority that browsers know.",
    ),
    Flaw.WRONG_HOST: ("tls-wrong-host", "Take one for this host, or correct the address."),
    Flaw.OTHER: ("tls-invalid", "Look at it with openssl s_client, and renew it."),
}


def _flawed(address: Address, certificate: Certificate) -> Finding:
    flaw = certificate.flaw or Flaw.OTHER
    code, remedy = _FLAWS[flaw]
    more = ""
    if flaw is Flaw.EXPIRED and certificate.ends is not None:
        more = f", on {certificate.ends:%-d %b %Y}"
    if flaw is Flaw.WRONG_HOST and certificate.names:
        names = ", ".join(shown(name[:_LONGEST]) for name in certificate.names[:5])
        more = f": it is for {names}"
    return finding(
        code,
        ERROR,
        f"{address.host}: the certificate {flaw.value}{more}. Visitors' browsers refuse it.",
        remedy,
        address.slug,
    )


def _ending(address: Address, certificate: Certificate, now: datetime) -> Sequence[Finding]:
    if certificate.ends is None:
        return []
    days = (certificate.ends - now).days
    if days >= SOON:
        return []
    left = "less than a day" if days < 1 else f"{days} day{'s' if days > 1 else ''}"
    return [
        finding(
            "tls-ends",
            ERROR if days < VERY_SOON else WARNING,
            f"{address.host}: the certificate ends in {left}.",
            "Renew it now, and look why nothing renewed it by itself.",
            address.slug,
        )
    ]


# --- What the engine tells -----------------------------------------------------------------------


def traces(who: str, slug: str, found: Traces) -> Check:
    """Judge by production's own events whether any came from staging."""
    key, title = f"traces:{slug}", f"{who}'s events stay out of production"
    if found.problem:
        return Check(key, title, found.problem, told=False, cut_short=True)
    findings: list[Finding] = []
    if found.marked:
        findings.append(
            finding(
                "test-events",
                ERROR,
                f"{found.marked} event{'s' if found.marked > 1 else ''} of this console's workflow "
                f"tests on {who} are in production, the last {_when(found.marked_last)}.",
                "Look whether staging's address leads to production, or its server runs with "
                "PRODUCTION=yes; then delete those events in Tracardi.",
                slug,
            )
        )
    if found.foreign:
        findings.append(
            finding(
                "staging-events",
                ERROR,
                f"{found.foreign} event{'s' if found.foreign > 1 else ''} in production were taken "
                f"by a server that takes {who}'s events too, the last {_when(found.foreign_last)}.",
                "A staging server was sent X-Context: production, or the switch of its GUI stood "
                "on production. Keep staging private, and drop that header before it.",
                slug,
            )
        )
    if not found.servers and not found.has_test_events:
        words = f"{who} had no event in {found.days} days, so nobody can tell where they would go."
        return Check(key, title, words, tuple(findings), told=bool(findings))
    number = found.marked + found.foreign
    words = (
        f"Of {found.days} days: {found.servers} server{'s' if found.servers != 1 else ''} took "
        f"{who}'s events; events in production that are theirs or of its tests: {number}."
    )
    return Check(key, title, words, tuple(findings))


def _when(moment: datetime | None) -> str:
    return f"{moment:%-d %b %Y %H:%M UTC}" if moment is not None else "at an unknown time"
