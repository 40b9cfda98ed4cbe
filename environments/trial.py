"""Tries a cluster's address and credentials, and says what is wrong with which of them.

What is behind an address that somebody typed is not known yet: it gets few seconds, little of its
answer is read, and nothing of what it says is shown but an engine's version and the right that it
names. Where it is asked twice to tell one fault from another, no credentials are sent.
"""

import time
from dataclasses import dataclass
from typing import Any, Final

from environments.credentials import check_ca, check_credentials
from environments.elastic import (
    Connection,
    ElasticError,
    Unreachable,
)
from environments.engines import SUPPORTED_WORDS, Engine, engine_of
from environments.faults import CORRECT, Fault, TrialError, judged, too_slow
from environments.models import Cluster
from environments.visible import visible

SECONDS: Final = 10
# All three requests together, for a server that answers a byte now and then.
WHOLE_SECONDS: Final = 30
BYTES: Final = 64 * 1024
# What each request asks for, beside `/`: the least that a look into the cluster needs.
_LOOKS: Final = ("/_cluster/health", "/_cluster/state/version")


@dataclass(frozen=True)
class Proof:
    """What answered: the cluster's own id, and its engine."""

    uuid: str
    engine: Engine


def try_out(cluster: Cluster, pinned: str = "") -> Proof:
    """Ask what is behind a cluster's address, and whether the console can look around there.

    `pinned` is the id that it must have, if any is known. Reads alone, by a connection of its own:
    what was typed is not kept among the shared ones.

    Raises:
        TrialError: it cannot be used so.
    """
    check_ca(cluster.ca_certificate)
    check_credentials(cluster.authentication, cluster.username, cluster.secret)
    connection = Connection(cluster, BYTES, WHOLE_SECONDS)
    about = _ask(cluster, connection, "/")
    uuid = about.get("cluster_uuid") if isinstance(about, dict) else None
    if not isinstance(uuid, str) or not 0 < len(uuid) <= 40:
        raise TrialError(
            Fault.OTHER_SERVER,
            "What is behind this address is no Elasticsearch and no OpenSearch.",
            f"{CORRECT} An engine's own port is 9200 as a rule; 5601 is that of its dashboards.",
        )
    engine = engine_of(about)
    if not engine.is_supported:
        raise TrialError(
            Fault.ENGINE,
            f"Behind this address is {visible(str(engine))}, which the console was never tested "
            "with.",
            f"It works with {SUPPORTED_WORDS}.",
        )
    if uuid == "_na_":
        raise TrialError(
            Fault.NOT_FORMED,
            "Behind this address is an engine that has not found its cluster yet.",
            "Look at its log: its nodes have to elect a master. Then try again.",
        )
    if pinned and uuid != pinned:
        raise TrialError(
            Fault.OTHER_CLUSTER,
            "Behind this address is another cluster than before.",
            "Add it as a cluster of its own.",
        )
    for path in _LOOKS:
        _ask(cluster, connection, path)
    return Proof(uuid, engine)


def _ask(cluster: Cluster, connection: Connection, path: str) -> Any:
    began = time.monotonic()
    try:
        answer = connection.request("GET", path, timeout=SECONDS)
    except ElasticError as error:
        if isinstance(error, Unreachable) and time.monotonic() - began >= SECONDS:
            # Ended for its slowness, in whatever words.
            raise too_slow(cluster, SECONDS) from error
        raise judged(cluster, error, SECONDS) from error
    except (ValueError, OSError) as error:
        # What the library that sends it refuses of credentials, before it sends anything.
        raise TrialError(
            Fault.BAD_KEY, "The credentials cannot be sent.", "Type them again.", "new_secret"
        ) from error
    if time.monotonic() - began >= SECONDS:
        # It was cut off, and what there was of it passes for the whole.
        raise too_slow(cluster, SECONDS)
    return answer
