"""Whole sets of indices as a real Tracardi 0.8.1 makes them, templates and partitions included."""

import json
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from devtools import demo
from devtools.elasticsearch.mappings import fitted
from environments.catalogue import Policy
from environments.elastic import Connection, Refused, connect
from environments.models import Cluster, Environment
from environments.naming import Naming
from promotion.writer import ClusterWriter
from tests.data import configuration, load
from tests.factories import make_index

MONTH: Final = "2026-11"
CONFIGURATION: Final = Path(demo.__file__).parent / "configuration"


def new_environment(
    cluster: Cluster, kind: str, tenant: str = "", *, version: str = "0.8.1", slug: str = ""
) -> Environment:
    """Set an environment up in the console; nothing of it is in the cluster."""
    tenant = tenant or f"t{uuid.uuid4().hex[:8]}"
    slug = slug or f"{kind}-{uuid.uuid4().hex[:8]}"
    return Environment.objects.create(
        name=slug.replace("-", " ").capitalize(),
        slug=slug,
        cluster=cluster,
        version=version,
        tenant=tenant,
        kind=kind,
    )


def new_cluster(url: str, name: str = "Test") -> Cluster:
    return Cluster.objects.create(name=f"{name} {uuid.uuid4().hex[:6]}", url=url)


def shape(naming: Naming, storage: str, engine: Connection) -> dict[str, Any]:
    """Return settings, mapping and alias of a resource, as Tracardi gives them to the engine."""
    found = load("0.8.1/indices.json")[storage]
    meta = {**found["mappings"]["_meta"], "name": naming.tenant}
    resource = naming.catalogue.by_storage(storage)
    assert resource is not None
    return fitted(
        engine,
        {
            "settings": found["settings"],
            "mappings": {**found["mappings"], "_meta": meta},
            "aliases": {naming.alias(resource.name): {}},
        },
    )


def install(environment: Environment, *, documents: bool = True, legacy: bool = False) -> None:
    """Make a set as Tracardi's own installation does; `legacy` by `_template`."""
    naming, engine = environment.naming, connect(environment.cluster)
    for resource in naming.catalogue.resources:
        body = shape(naming, resource.storage, engine)
        if resource.partitioned:
            template = naming.template(resource.name)
            patterns = {"index_patterns": [naming.template_pattern(resource.name)]}
            if legacy:
                engine.request("PUT", f"/_template/{template}", body={**patterns, **body})
            else:
                whole = {**patterns, "template": body}
                engine.request("PUT", f"/_index_template/{template}", body=whole)
            make_index(engine, naming.partition(resource.name, MONTH), body)
            continue
        try:
            make_index(engine, naming.concrete(resource.name), body)
        except Refused:
            assert resource.policy is Policy.SHARED
    if documents:
        fill(environment)


def fill(environment: Environment) -> None:
    """Write the real configuration into a set, and the bridges that an installation brings."""
    naming, writer = environment.naming, ClusterWriter(connect(environment.cluster))
    for resource in naming.catalogue.promoted:
        writer.load(naming.concrete(resource.name), configuration(resource.storage))
    bridges = json.loads((CONFIGURATION / "bridge.json").read_text())
    shared = naming.concrete("bridge")
    writer.load(shared, [(name, json.dumps(one).encode()) for name, one in bridges.items()])
    writer.refresh([shared])
    writer.refresh([naming.alias(resource.name) for resource in naming.catalogue.promoted])


def names_in(environment: Environment) -> set[str]:
    """Return the names of a set's indices and templates, both kinds."""
    naming, engine = environment.naming, connect(environment.cluster)
    found = set(ClusterWriter(engine).states(naming.search_patterns()))
    stem = naming.template("event").removesuffix("tracardi-event")
    state = engine.request("GET", "/_cluster/state/metadata")["metadata"]
    held = {*state["templates"], *state.get("index_template", {}).get("index_template", {})}
    return found | {name for name in held if name.startswith(stem)}


@contextmanager
def installed(url: str, kind: str, *, tenant: str = "", documents: bool = True) -> Iterator[str]:
    """Let a whole set be there for several tests, and yield its tenant; no database is needed."""
    tenant = tenant or f"t{uuid.uuid4().hex[:8]}"
    cluster = Cluster(name="Sets", url=url)
    unsaved = Environment(cluster=cluster, kind=kind, version="0.8.1", tenant=tenant)
    engine = connect(cluster)
    install(unsaved, documents=documents)
    try:
        yield tenant
    finally:
        uninstall(unsaved, engine, shared=True)


def uninstall(environment: Environment, engine: Connection, *, shared: bool = False) -> None:
    """Delete a set, templates and the console's own indices; and what is `shared` by both sides."""
    naming = environment.naming
    stem = naming.template("event").removesuffix("tracardi-event")
    for path in ("_index_template", "_template"):
        try:
            engine.request("DELETE", f"/{path}/{stem}*")
        except Refused as error:
            assert error.missing
    writer = ClusterWriter(engine)
    names = writer.states([*naming.search_patterns(), naming.marker_pattern])
    writer.delete([name for name in names if shared or not name.startswith("static-")])


def empty(environment: Environment) -> None:
    """Delete all documents of a set's configuration."""
    naming = environment.naming
    path = ",".join(naming.concrete(one.name) for one in naming.catalogue.promoted)
    query: dict[str, Any] = {"query": {"match_all": {}}}
    params = {"refresh": "true", "conflicts": "proceed"}
    engine = connect(environment.cluster)
    engine.request("POST", f"/{path}/_delete_by_query", params=params, body=query)
