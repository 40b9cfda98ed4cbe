"""Asks a cluster which Tracardi installations are in it, and which of them are connected."""

import difflib
import re
from typing import Final

import msgspec

from environments.discovery import Discovery, IndexFacts, IndexSet, discover
from environments.elastic import AnswerTooLargeError, Connection, ElasticError, NotJsonError
from environments.first_few import first_few
from environments.models import Cluster, Environment
from environments.naming import Naming

SECONDS: Final = 20
# A name with its alias has about a hundred bytes: some hundred thousand of them.
BYTES: Final = 16 * 1024 * 1024
_PATTERNS: Final = ("*.tracardi-*", "tracardi-console.*")
_WORD: Final = re.compile(r"[a-z0-9_.-]{1,60}")
LISTED: Final = 5


class OtherClusterError(ElasticError):
    """Another cluster answers than the one that is recorded."""


class TooManyError(ElasticError):
    """The cluster has more names than are read at once: ask for one tenant."""


class _Index(msgspec.Struct):
    state: str = ""
    aliases: list[str] = []


class _Metadata(msgspec.Struct):
    indices: dict[str, _Index] = {}


class _State(msgspec.Struct):
    cluster_uuid: str = ""
    metadata: _Metadata = msgspec.field(default_factory=_Metadata)


def look(cluster: Cluster, tenant: str = "") -> Discovery:
    """Return the installations in a cluster, or those whose tenant is called so. Reads alone.

    Raises:
        OtherClusterError: it is not the one that is recorded.
        TooManyError: it has more names than are read at once.
        ElasticError: it cannot be asked.
    """
    if tenant and not _WORD.fullmatch(tenant):
        # No index is called so.
        return Discovery(())
    patterns = (f"*.{tenant}.tracardi-*", f"{_PATTERNS[1]}.{tenant}.*") if tenant else _PATTERNS
    # Aliases of that tenant that lead elsewhere are a part of it.
    also = (f"{tenant}.tracardi-*", f"prod-{tenant}.tracardi-*") if tenant else ()
    connection = Connection(cluster, BYTES, 3 * SECONDS)
    try:
        text = connection.verbatim(
            "GET",
            f"/_cluster/state/metadata/{','.join((*patterns, *also))}",
            params={
                "expand_wildcards": "open,closed",
                "ignore_unavailable": "true",
                "allow_no_indices": "true",
                "filter_path": "cluster_uuid,metadata.indices.*.state,metadata.indices.*.aliases",
            },
            timeout=SECONDS,
        )
        state = msgspec.json.decode(text, type=_State)
    except AnswerTooLargeError as error:
        raise TooManyError(
            f"Cluster {cluster} has more indices and aliases than are read at once. Look for one "
            "tenant by its whole name."
        ) from error
    except (msgspec.DecodeError, UnicodeError) as error:
        raise NotJsonError(
            f"Cluster {cluster} answered what is no list of indices. Check its address."
        ) from error
    if cluster.uuid and state.cluster_uuid != cluster.uuid:
        raise OtherClusterError(
            f"Behind the address of {cluster} is another cluster than before. Nothing was read. "
            "Correct the address."
        )
    return discover(
        {
            name: IndexFacts(frozenset(one.aliases), one.state != "close")
            for name, one in state.metadata.indices.items()
        }
    )


def connected(cluster: Cluster) -> dict[str, Environment]:
    """Return the environments of a cluster by the key of their set.

    Those count too that reach the same cluster by another address or with other credentials.
    """
    same = Environment.objects.select_related("cluster").filter(cluster=cluster)
    if cluster.uuid:
        same |= Environment.objects.select_related("cluster").filter(cluster__uuid=cluster.uuid)
    return {one.naming.key: one for one in same}


def set_in(cluster: Cluster, naming: Naming) -> tuple[IndexSet | None, str]:
    """Return the set that a naming names and, where it is not there, in words what is instead.

    Raises:
        ElasticError: the cluster cannot be asked.
    """
    try:
        found = look(cluster)
    except TooManyError:
        found = look(cluster, naming.tenant)
    there = found.find(naming.key)
    return there, "" if there is not None else _instead(cluster, naming, found)


def _instead(cluster: Cluster, naming: Naming, found: Discovery) -> str:
    """Say what was looked for, and what is there: first what is called nearly so."""
    looked = (
        f"No index of tenant {naming.tenant}, version {naming.catalogue.version}, "
        f"{naming.side.value}, is in {cluster}: none is called "
        f"{naming.concrete('flow')} or alike."
    )
    all_of_them = {one.label: one for one in found.installations}
    if not all_of_them:
        return f"{looked} Nor is any other of Tracardi's."
    tenants = [one.tenant for one in found.installations]
    near = difflib.get_close_matches(naming.tenant, tenants, n=LISTED, cutoff=0.5)
    ordered = sorted(
        all_of_them.values(),
        key=lambda one: (near.index(one.tenant) if one.tenant in near else LISTED, one.tenant),
    )
    return f"{looked} There are: {first_few([one.label for one in ordered], LISTED)}."
