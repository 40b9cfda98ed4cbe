"""Asks Elasticsearch which rights of the console's own role a user lacks.

OpenSearch has no such question, and an engine without security of its own no answer: then nothing
is said, and what is missing shows when it is needed.
"""

from collections.abc import Iterable
from typing import Any, Final

from environments.elastic import Connection, ElasticError
from environments.engine_role import role
from environments.engines import ELASTICSEARCH, Engine
from environments.models import Cluster
from environments.naming import Naming

_SECONDS: Final = 10
# A name has a line for each right.
_BYTES: Final = 8 * 1024 * 1024
_PATH: Final = "/_security/user/_has_privileges"


def lacking_rights(cluster: Cluster, engine: Engine, namings: Iterable[Naming]) -> str:
    """Return what a cluster's user lacks to work with some sets, in words, or nothing."""
    if engine.brand != ELASTICSEARCH or cluster.authentication == Cluster.Authentication.NONE:
        return ""
    wanted = role(namings, "elasticsearch")
    body = {
        "cluster": wanted["cluster"],
        "index": [
            {"names": row["names"], "privileges": row["privileges"]} for row in wanted["indices"]
        ],
    }
    try:
        answer = Connection(cluster, _BYTES).request("POST", _PATH, body=body, timeout=_SECONDS)
    except ElasticError:
        return ""
    parts = _missing(wanted, answer if isinstance(answer, dict) else {})
    if not parts:
        return ""
    return (
        f"This user lacks rights: {'; '.join(parts)}. Give it the role that manage.py engine-role "
        "prints (docs/connect.md)."
    )


def _missing(wanted: dict[str, Any], answer: dict[str, Any]) -> list[str]:
    """Return what was asked for and is not granted; nothing of what was not asked for is shown."""
    held, parts = _object(answer.get("cluster")), []
    if lacks := [right for right in wanted["cluster"] if held.get(right) is False]:
        parts.append(f"{', '.join(lacks)} in the cluster")
    indices = _object(answer.get("index"))
    names: dict[str, set[str]] = {}
    for row in wanted["indices"]:
        for name in row["names"]:
            granted = _object(indices.get(name))
            for right in row["privileges"]:
                if granted.get(right) is False:
                    names.setdefault(right, set()).add(name)
    for right, lack in names.items():
        first, more = min(lack), len(lack) - 1
        parts.append(f"{right} on {first}{f' and {more} more' if more else ''}")
    return parts


def _object(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
