"""What the public reaches at production's address, and what it must not. Pure: no Django, no I/O.

The table is environments/endpoints.py.
"""

from collections.abc import Sequence

from environments.findings import Finding
from environments.network.facts import Address, Answer, Asked, Check, Port, Speaks, Trouble
from environments.network.judging import ERROR, INFO, WARNING, finding
from environments.network.verdicts import (
    Verdict,
    closed_verdict,
    is_gateway,
    open_verdict,
    to_secure,
)


def _row(asked: Asked, verdict: Verdict, *, is_right: bool | None) -> dict[str, str]:
    one = asked.endpoint
    return {
        "name": one.name,
        "asked": f"{one.asked_by} {one.sample}",
        "why": one.why,
        "answer": asked.answer.words,
        "verdict": verdict.value,
        "right": {True: "yes", False: "no", None: "unknown"}[is_right],
    }


def collector(address: Address, asked: Sequence[Asked]) -> Check:
    """Judge that the public reaches what shops and their visitors need."""
    key, title = "collector", f"{address.host} answers the collector's endpoints"
    judged = [(one, open_verdict(one, address.url)) for one in asked]
    good = {Verdict.OPEN, Verdict.NO_PREFLIGHT}
    rows = tuple(
        _row(one, v, is_right=None if v is Verdict.UNKNOWN else v in good) for one, v in judged
    )
    unknown = [one for one, verdict in judged if verdict is Verdict.UNKNOWN]
    bad = [(one, verdict) for one, verdict in judged if verdict not in {*good, Verdict.UNKNOWN}]
    silent = [one.answer for one, _verdict in judged if one.answer.trouble is not None]
    found: list[Finding] = []
    if judged and len(silent) == len(judged) and len(unknown) < len(judged):
        found.append(_unreachable(address, silent[0]))
    elif judged and not unknown and all(to_secure(one, address.url) for one, _verdict in judged):
        found.append(
            finding(
                "collector-redirects",
                WARNING,
                f"{address.url} leads everything to https. Nothing more was judged.",
                "Enter the https address, which is what shops ought to have.",
                address.slug,
            )
        )
    else:
        found += [_not_open(address, one, verdict) for one, verdict in bad]
        found += _preflight(address, [one for one, v in judged if v is Verdict.NO_PREFLIGHT])
    answered = len(judged) - len(bad) - len(unknown)
    words = f"{answered} of {len(judged)} answer."
    return Check(
        key,
        title,
        words,
        tuple(found),
        told=not unknown,
        cut_short=any(one.answer.trouble is not None for one in unknown),
        rows=rows,
    )


def _unreachable(address: Address, answer: Answer) -> Finding:
    return finding(
        "collector-unreachable",
        ERROR,
        f"{address.host}:{address.port} {answer.words}, so no shop's event arrives there.",
        "Start what serves the public address, or correct it. If the console itself may not go "
        "there, let it, or the check tells nothing.",
        address.slug,
    )


def _not_open(address: Address, asked: Asked, verdict: Verdict) -> Finding:
    one, answer = asked.endpoint, asked.answer
    if verdict is Verdict.ELSEWHERE:
        code, severity, why = "collector-elsewhere", WARNING, "leads elsewhere, which nobody asked"
        remedy = "Let the public address answer by itself: a redirect loses what a shop sent."
    elif is_gateway(answer):
        code, severity, why = "collector-broken", ERROR, f"{answer.words}: nothing is behind it"
        remedy = "Start Tracardi, or correct where the proxy passes requests to."
    elif verdict is Verdict.BROKEN:
        code, severity, why = "collector-broken", ERROR, answer.words
        remedy = "Look at Tracardi's log."
    else:
        code, severity, why = "collector-closed", ERROR, answer.words
        remedy = "Let the proxy pass it on: shops need it."
    words = f"{one.asked_by} {one.sample} {why}. It is for {one.why}."
    return finding(code, severity, words, remedy, one.name)


def _preflight(address: Address, refused: Sequence[Asked]) -> list[Finding]:
    if not refused:
        return []
    paths = ", ".join(one.endpoint.sample for one in refused)
    return [
        finding(
            "collector-preflight",
            WARNING,
            f"{address.host} answers {paths}, and does not allow pages of other origins to send "
            "there: it refuses the question (OPTIONS) that browsers ask first.",
            "Let the proxy pass OPTIONS on, with its Origin header.",
            address.slug,
        )
    ]


def closed(address: Address, asked: Sequence[Asked]) -> Check:
    """Judge that the public reaches nothing of what the table closes."""
    key, title = "closed", f"{address.host} refuses everything else"
    judged = [(one, closed_verdict(one, address.url)) for one in asked]
    right = {
        Verdict.CLOSED: True,
        Verdict.CLOSED_BEHIND: True,
        Verdict.UNKNOWN: None,
    }
    if judged and all(to_secure(one, address.url) for one, _verdict in judged):
        judged = [(one, Verdict.ELSEWHERE) for one, _verdict in judged]
        rows = tuple(_row(one, verdict, is_right=None) for one, verdict in judged)
        return Check(key, title, "All of it leads to https.", told=False, rows=rows)
    rows = tuple(_row(one, v, is_right=right.get(v, False)) for one, v in judged)
    found: list[Finding] = []
    for one, verdict in judged:
        if verdict is Verdict.OPEN:
            found.append(_open(one))
        elif verdict is Verdict.ELSEWHERE:
            found.append(_redirected(one))
    behind = [one for one, verdict in judged if verdict is Verdict.CLOSED_BEHIND]
    if behind:
        paths = ", ".join(one.endpoint.sample for one in behind)
        found.append(
            finding(
                "closed-by-tracardi",
                INFO,
                f"{paths}: Tracardi itself refuses; the request gets as far as that.",
                "Let the proxy refuse what it does not know, before Tracardi sees it.",
                address.slug,
            )
        )
    unknown = [one for one, verdict in judged if verdict is Verdict.UNKNOWN]
    shut = sum(1 for _one, verdict in judged if right.get(verdict))
    return Check(
        key,
        title,
        f"{shut} of {len(judged)} are closed.",
        tuple(found),
        told=not unknown,
        cut_short=any(one.answer.trouble is not None for one in unknown),
        rows=rows,
    )


def _open(asked: Asked) -> Finding:
    one = asked.endpoint
    return finding(
        "reachable",
        ERROR,
        f"{one.sample} must be closed and is open: {one.asked_by} {asked.answer.words}. It is "
        f"{one.why}.",
        "Let the proxy pass on the collector's endpoints alone; the recipes have one that does.",
        one.name,
    )


def _redirected(asked: Asked) -> Finding:
    one = asked.endpoint
    return finding(
        "closed-elsewhere",
        WARNING,
        f"{one.sample} must be closed and leads elsewhere (HTTP {asked.answer.status}), where the "
        "console did not go.",
        "Answer 404: a redirect tells that something is there.",
        one.name,
    )


def plain_port(address: Address, asked: Asked | None) -> Check:
    """Judge what the host of an https address answers by plain http, where that was asked."""
    key, title = "plain", f"{address.host} by plain http"
    if asked is None:
        return Check(key, title, "It was not asked.", told=False, asked=False)
    answer, url = asked.answer, f"http://{address.host}"
    if answer.trouble is not None:
        if answer.trouble in {Trouble.NOT_ASKED, Trouble.FORBIDDEN}:
            return Check(key, title, f"It {answer.words}.", told=False, cut_short=True)
        # Dropped by a firewall is as good as refused.
        return Check(key, title, f"It {answer.words}: no event goes in the clear.")
    if 300 <= answer.status < 400:
        words = "leads to https, as it should" if to_secure(asked, url) else "leads elsewhere"
        return Check(key, title, f"It {words}.")
    if open_verdict(asked, url) in {Verdict.OPEN, Verdict.NO_PREFLIGHT}:
        plain = finding(
            "plain-collector",
            WARNING,
            f"http://{address.host}{asked.endpoint.sample} {answer.words}: events may be sent in "
            "the clear.",
            "Let port 80 lead to https and do nothing else.",
            address.slug,
        )
        return Check(key, title, f"It {answer.words}.", (plain,))
    return Check(key, title, f"It {answer.words}, and takes no event.")


def ports(address: Address, found: Sequence[Port]) -> Check:
    """Judge that neither Elasticsearch nor Redis answers where the public may go."""
    key, title = "ports", f"No database answers at {address.host}"
    findings: list[Finding] = []
    for one in found:
        if one.speaks in {Speaks.REDIS, Speaks.ELASTICSEARCH}:
            findings.append(
                finding(
                    "database-open",
                    ERROR,
                    f"{one.speaks.value} answers at {one.ip or address.host}, port {one.number}: "
                    "whoever gets so far can read or change everything in it.",
                    "Close the port in the firewall, and let the database listen on a private "
                    "address alone.",
                    str(one.number),
                )
            )
        elif one.speaks is Speaks.SOMETHING:
            findings.append(
                finding(
                    "port-open",
                    WARNING,
                    f"Something answers at {one.ip or address.host}, port {one.number}, which is a "
                    "database's; it did not say what it is.",
                    "Close the port in the firewall unless it must be open.",
                    str(one.number),
                )
            )
    unknown = [one for one in found if one.speaks is Speaks.UNKNOWN]
    names = ", ".join(str(one.number) for one in found)
    words = f"Asked: port{'s' if len(found) != 1 else ''} {names}."
    if unknown:
        why = unknown[0].trouble.value if unknown[0].trouble is not None else "said nothing"
        words = f"{words} Not told: {', '.join(str(one.number) for one in unknown)}, which {why}."
    return Check(key, title, words, tuple(findings), told=not unknown, cut_short=bool(unknown))
