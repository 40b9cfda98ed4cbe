"""Whether an endpoint is open or closed, by what it answered. Pure: no Django, no I/O."""

from enum import StrEnum
from typing import Final
from urllib.parse import SplitResult, urljoin, urlsplit

from environments.network.facts import Answer, Asked, Trouble


class Verdict(StrEnum):
    OPEN = "open"
    CLOSED = "closed"
    # Tracardi itself said no: what stands before it passed the request on.
    CLOSED_BEHIND = "closed by Tracardi"
    # It answers, and a page of another origin may not ask.
    NO_PREFLIGHT = "open, but not to pages"
    ELSEWHERE = "leads elsewhere"
    BROKEN = "broken"
    UNKNOWN = "cannot tell"


# What a proxy or a firewall answers that lets nobody through.
REFUSED: Final = frozenset({403, 404, 410, 421, 444, 451})
# What only the program behind answers: who is asked for a password or a body has got through.
REACHED: Final = frozenset({401, 402, 405, 406, 409, 411, 415, 422, 500})
# A gateway that found nothing behind.
_GATEWAY: Final = frozenset({502, 503, 504})
# What has the shape of a refusal, and is one: no answer was sent.
_NO_ANSWER: Final = frozenset({Trouble.REFUSED, Trouble.BROKEN})


def closed_verdict(asked: Asked, url: str) -> Verdict:
    """Say of an endpoint that must be closed whether it is. `url` is the address of the host."""
    answer = asked.answer
    if answer.trouble is not None:
        return Verdict.CLOSED if answer.trouble in _NO_ANSWER else Verdict.UNKNOWN
    if answer.status in REFUSED:
        return Verdict.CLOSED_BEHIND if answer.from_tracardi else Verdict.CLOSED
    if 200 <= answer.status < 300 or answer.status in REACHED or answer.from_tracardi:
        return Verdict.OPEN
    if 300 <= answer.status < 400:
        # Tracardi leads from /deploy to /deploy/: that is itself.
        return Verdict.OPEN if _is_itself(asked, url) else Verdict.ELSEWHERE
    return Verdict.UNKNOWN


def open_verdict(asked: Asked, url: str) -> Verdict:
    """Say of a collector's endpoint whether the public reaches it."""
    answer = asked.answer
    preflight = asked.endpoint.asked_by == "OPTIONS"
    if answer.trouble is not None:
        unseen = answer.trouble.cut_short or answer.trouble is Trouble.FORBIDDEN
        return Verdict.UNKNOWN if unseen else Verdict.BROKEN
    if answer.status >= 500:
        return Verdict.BROKEN
    if 200 <= answer.status < 300:
        return Verdict.NO_PREFLIGHT if preflight and not answer.allows_origin else Verdict.OPEN
    if 300 <= answer.status < 400:
        return Verdict.OPEN if _is_itself(asked, url) else Verdict.ELSEWHERE
    if answer.from_tracardi or answer.status in {400, 405, 406, 411, 415, 422}:
        return Verdict.NO_PREFLIGHT if preflight else Verdict.OPEN
    return Verdict.UNKNOWN if answer.status in {408, 425, 429} else Verdict.CLOSED


def is_gateway(answer: Answer) -> bool:
    """Answer whether what stands before Tracardi found it not."""
    return answer.status in _GATEWAY and not answer.from_tracardi


def to_secure(asked: Asked, url: str) -> bool:
    """Answer whether it leads to itself, by https."""
    there, here = _target(asked, url), urlsplit(url)
    return there.scheme == "https" and there.hostname == here.hostname and here.scheme == "http"


def _is_itself(asked: Asked, url: str) -> bool:
    there, here = _target(asked, url), urlsplit(_asked_at(asked, url))
    return there.hostname == here.hostname and there.path.startswith(here.path)


def _asked_at(asked: Asked, url: str) -> str:
    return f"{url.rstrip('/')}{asked.endpoint.sample}"


def _target(asked: Asked, url: str) -> SplitResult:
    # What cannot be read leads elsewhere.
    try:
        return urlsplit(urljoin(_asked_at(asked, url), asked.answer.location))
    except ValueError:
        return urlsplit("")
