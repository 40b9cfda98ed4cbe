"""What a look at the network found, before anybody judges it. Pure: no Django, no I/O."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from environments.addresses import IP
from environments.endpoints import Endpoint
from environments.findings import Finding, Severity


class Trouble(StrEnum):
    """Why an address gave no answer; each value continues the sentence "it …"."""

    REFUSED = "refuses the connection"
    LATE = "did not answer in time"
    BROKEN = "closed the connection without an answer"
    UNREACHABLE = "is out of reach"
    TLS = "has no usable TLS"
    UNKNOWN_NAME = "has a name that cannot be looked up"
    FORBIDDEN = "is not in ALLOWED_TARGETS"
    NOT_ASKED = "was not asked: the time of this run was over"

    @property
    def cut_short(self) -> bool:
        """Whether nothing is known only because it took too long."""
        return self in {Trouble.LATE, Trouble.NOT_ASKED}


@dataclass(frozen=True)
class Address:
    """Where one environment is reached. `problem` says why nobody knows, else there are `ips`."""

    who: str
    slug: str
    url: str
    host: str = ""
    port: int = 0
    ips: tuple[IP, ...] = ()
    problem: str = ""

    @property
    def is_known(self) -> bool:
        return not self.problem and bool(self.ips)

    @property
    def is_secure(self) -> bool:
        return self.url.lower().startswith("https:")


@dataclass(frozen=True)
class Answer:
    """What one request was answered: a status with what its headers say, or trouble."""

    status: int = 0
    trouble: Trouble | None = None
    # Whether it has a header that Tracardi alone sets.
    from_tracardi: bool = False
    allows_origin: bool = False
    location: str = ""
    # What X-Context says: Tracardi repeats what it was asked with, and the console asks with none.
    context: str = ""
    body: bytes = b""

    @property
    def words(self) -> str:
        return self.trouble.value if self.trouble is not None else f"answered HTTP {self.status}"


@dataclass(frozen=True)
class Asked:
    """One endpoint, and what it answered."""

    endpoint: Endpoint
    answer: Answer


class Flaw(StrEnum):
    """What is wrong with a certificate; each value continues "the certificate …"."""

    EXPIRED = "has expired"
    NOT_YET = "is not valid yet"
    SELF_SIGNED = "is signed by itself, so no browser believes it"
    UNKNOWN_ISSUER = "is signed by an authority that the console does not know"
    WRONG_HOST = "is for another host"
    OTHER = "is not accepted"


@dataclass(frozen=True)
class Certificate:
    """What a TLS handshake showed. Without `trouble` and `flaw` the certificate was accepted."""

    trouble: Trouble | None = None
    flaw: Flaw | None = None
    ends: datetime | None = None
    names: tuple[str, ...] = ()


class Speaks(StrEnum):
    """What answers at a port."""

    NOTHING = "nothing"
    REDIS = "Redis"
    ELASTICSEARCH = "Elasticsearch"
    # It takes the connection, and says nothing that is known.
    SOMETHING = "something"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Port:
    number: int
    speaks: Speaks
    # The IP address that took the connection.
    ip: str = ""
    trouble: Trouble | None = None


@dataclass(frozen=True)
class Traces:
    """What of staging is in production's events. `problem` says why nobody knows."""

    # Servers of Tracardi that took events of staging lately.
    servers: int = 0
    has_test_events: bool = False
    marked: int = 0
    marked_last: datetime | None = None
    foreign: int = 0
    foreign_last: datetime | None = None
    days: int = 0
    problem: str = ""


class State(StrEnum):
    OK = "ok"
    BAD = "bad"
    WARNING = "warning"
    # It was looked at, and cannot be told.
    UNKNOWN = "cannot tell"
    NOT_ASKED = "not asked"


@dataclass(frozen=True)
class Check:
    """One thing that was judged, in words. `told` is False where nobody can tell, or not all."""

    key: str
    title: str
    words: str
    findings: tuple[Finding, ...] = ()
    told: bool = True
    asked: bool = True
    # Whether that is because something took too long, or did not answer.
    cut_short: bool = False
    rows: tuple[Mapping[str, str], ...] = field(default=())

    @property
    def state(self) -> State:
        worst = {one.severity for one in self.findings}
        if Severity.ERROR in worst:
            return State.BAD
        if Severity.WARNING in worst:
            return State.WARNING
        if not self.asked:
            return State.NOT_ASKED
        return State.OK if self.told else State.UNKNOWN

    def to_dict(self) -> dict[str, Any]:
        """Return it as a run keeps it."""
        return {
            "key": self.key,
            "title": self.title,
            "state": self.state.value,
            "words": self.words,
            "told": self.told and self.asked,
            "cut_short": self.cut_short,
            "findings": [one.to_dict() for one in self.findings],
            "rows": [dict(one) for one in self.rows],
        }
