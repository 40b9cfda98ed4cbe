"""Kubernetes manifests: a namespace a side, and nothing open that is not named. Pure."""

import re
from typing import Any, Final

from environments.endpoints import COLLECTOR
from environments.recipes.answers import Answers, Side
from environments.recipes.firewall import stores
from environments.recipes.proxy import GATE_PORT, gate
from environments.recipes.reading import engine_place, network, redis_place
from environments.recipes.text import as_yaml
from environments.recipes.variables import secrets, settings

# The name of an object, which is made by hand.
SECRET: Final = "tracardi-secrets"  # noqa: S105
REGISTRY: Final = "tracardi-registry"
CERTIFICATE: Final = "tracardi-collector-tls"
Object = dict[str, Any]
_LITERAL: Final = re.compile(r"[A-Za-z0-9/_-]+")


def namespaces(answers: Answers) -> str:
    """Return both namespaces: the first to apply."""
    made = [
        {
            "apiVersion": "v1",
            "kind": "Namespace",
            "metadata": {
                "name": side.namespace,
                "labels": {
                    "pod-security.kubernetes.io/enforce": "baseline",
                    "tracardi.console/side": side.name,
                },
            },
        }
        for side in answers.sides
    ]
    return as_yaml("The namespaces of staging and production.", *made)


def servers(answers: Answers, side: Side) -> str:
    """Return what runs on one side, with what each may talk to."""
    made: list[Object] = [*_policies(answers, side)]
    made += _tracardi(answers, side, "api", gui_api=True)
    if side.is_production:
        made += _tracardi(answers, side, "collector", gui_api=False)
        made += _gate(answers, side)
    made += _gui(answers, side)
    if side.own_redis:
        made += _redis(answers, side)
    return as_yaml(
        f"Tracardi {answers.version}, {side.name}. Its Secret is made by hand: see README.md.",
        *made,
    )


def ingress(answers: Answers) -> str:
    """Return the way in from the internet: the collector's addresses, by way of the gate.

    An ingress knows no methods, and reads addresses in its own way; what it lets through too much,
    the gate does not.
    """
    side = answers.production
    paths = []
    for one in COLLECTOR:
        found = _LITERAL.match(one.pattern)
        literal = found.group() if found else "/"
        exact = literal == one.pattern
        paths.append(
            {
                "path": literal if exact else literal.rstrip("/"),
                "pathType": "Exact" if exact else "Prefix",
                "backend": {"service": {"name": "gate", "port": {"number": GATE_PORT}}},
            }
        )
    made: Object = {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "Ingress",
        "metadata": _meta("collector", side),
        "spec": {
            "ingressClassName": answers.ingress_class,
            "tls": [{"hosts": [answers.public_name], "secretName": CERTIFICATE}],
            "rules": [{"host": answers.public_name, "http": {"paths": paths}}],
        },
    }
    return as_yaml("The collector's addresses, published.", made)


def _meta(name: str, side: Side) -> Object:
    return {
        "name": name,
        "namespace": side.namespace,
        "labels": {"app.kubernetes.io/part-of": "tracardi", "app.kubernetes.io/name": name},
    }


def _pods(name: str) -> Object:
    return {"matchLabels": {"app.kubernetes.io/name": name}}


def _deployment(name: str, side: Side, pod: Object, **more: Any) -> Object:
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": _meta(name, side),
        "spec": {
            "replicas": 1,
            **more,
            "selector": _pods(name),
            "template": {
                "metadata": {"labels": _meta(name, side)["labels"]},
                "spec": {
                    "automountServiceAccountToken": False,
                    "securityContext": {"seccompProfile": {"type": "RuntimeDefault"}},
                    **pod,
                },
            },
        },
    }


def _service(name: str, side: Side, port: int) -> Object:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": _meta(name, side),
        "spec": {
            "type": "ClusterIP",
            "selector": {"app.kubernetes.io/name": name},
            "ports": [{"name": "main", "port": port, "targetPort": port}],
        },
    }


def _resources(cpu: str, memory: str, most: str) -> Object:
    return {"requests": {"cpu": cpu, "memory": memory}, "limits": {"memory": most}}


_LEAST: Final = {"allowPrivilegeEscalation": False}


def _asked(path: str, port: int) -> Object:
    asked = {"httpGet": {"path": path, "port": port}, "timeoutSeconds": 5}
    return {
        "startupProbe": {**asked, "periodSeconds": 5, "failureThreshold": 60},
        "readinessProbe": {**asked, "periodSeconds": 10},
        "livenessProbe": {**asked, "periodSeconds": 30, "failureThreshold": 5},
    }


def _of_secret(name: str) -> Object:
    return {"name": name, "valueFrom": {"secretKeyRef": {"name": SECRET, "key": name}}}


def _tracardi(answers: Answers, side: Side, name: str, *, gui_api: bool) -> list[Object]:
    plain = settings(answers, side, gui_api=gui_api)
    pod: Object = {
        "containers": [
            {
                "name": name,
                "image": answers.api_image,
                "ports": [{"containerPort": 80}],
                "env": [
                    *({"name": key, "value": value} for key, value in plain.items()),
                    *(_of_secret(one.name) for one in secrets(answers, side)),
                ],
                **_asked("/healthcheck", 80),
                "resources": _resources("500m", "512Mi", "1Gi"),
                "securityContext": _LEAST,
            }
        ]
    }
    if answers.licensed:
        pod["imagePullSecrets"] = [{"name": REGISTRY}]
    return [_deployment(name, side, pod), _service(name, side, 80)]


def _gui(answers: Answers, side: Side) -> list[Object]:
    container = {
        "name": "gui",
        "image": answers.gui_image,
        "ports": [{"containerPort": 80}],
        **_asked("/", 80),
        "resources": _resources("50m", "64Mi", "128Mi"),
        "securityContext": _LEAST,
    }
    return [_deployment("gui", side, {"containers": [container]}), _service("gui", side, 80)]


def _redis(answers: Answers, side: Side) -> list[Object]:
    alive = ["sh", "-c", 'REDISCLI_AUTH="$REDIS_PASSWORD" redis-cli ping | grep -q PONG']
    asked = {"exec": {"command": alive}, "timeoutSeconds": 5}
    container = {
        "name": "redis",
        "image": answers.redis_image,
        "command": [
            "sh",
            "-c",
            'printf "requirepass %s\\nappendonly yes\\n" "$REDIS_PASSWORD" | exec redis-server -',
        ],
        "env": [_of_secret("REDIS_PASSWORD")],
        "ports": [{"containerPort": 6379}],
        "readinessProbe": {**asked, "periodSeconds": 10},
        "livenessProbe": {**asked, "periodSeconds": 30},
        "resources": _resources("100m", "128Mi", "512Mi"),
        "securityContext": _LEAST,
        "volumeMounts": [{"name": "data", "mountPath": "/data"}],
    }
    pod = {
        "containers": [container],
        "volumes": [{"name": "data", "persistentVolumeClaim": {"claimName": "redis"}}],
    }
    claim: Object = {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": _meta("redis", side),
        "spec": {
            "accessModes": ["ReadWriteOnce"],
            "resources": {"requests": {"storage": "1Gi"}},
        },
    }
    # Two at once would share a file.
    made = _deployment("redis", side, pod, strategy={"type": "Recreate"})
    return [claim, made, _service("redis", side, 6379)]


def _gate(answers: Answers, side: Side) -> list[Object]:
    text = gate(answers)
    settled: Object = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": _meta("gate", side),
        "data": {"nginx.conf": text},
    }
    container = {
        "name": "gate",
        "image": answers.proxy_image,
        "command": ["nginx", "-c", "/etc/gate/nginx.conf", "-g", "daemon off;"],
        "ports": [{"containerPort": GATE_PORT}],
        **_asked("/gate-is-alive", GATE_PORT),
        "resources": _resources("100m", "64Mi", "256Mi"),
        "securityContext": {
            **_LEAST,
            "runAsNonRoot": True,
            "runAsUser": 101,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "volumeMounts": [
            {"name": "settings", "mountPath": "/etc/gate", "readOnly": True},
            {"name": "temporary", "mountPath": "/tmp"},  # noqa: S108
        ],
    }
    pod = {
        "containers": [container],
        "volumes": [
            {"name": "settings", "configMap": {"name": "gate"}},
            {"name": "temporary", "emptyDir": {"sizeLimit": "256Mi"}},
        ],
    }
    made = _deployment("gate", side, pod)
    made["spec"]["replicas"] = 2
    return [settled, made, _service("gate", side, GATE_PORT)]


def _policies(answers: Answers, side: Side) -> list[Object]:
    """Return what may talk to what: nothing that is not said."""
    staff = [{"ipBlock": {"cidr": one}} for one in answers.staff_networks]
    console = [{"ipBlock": {"cidr": _single(one)}} for one in answers.console_addresses]
    names = ["api", "collector"] if side.is_production else ["api"]
    made = [
        _policy("default-deny", side, {}, {"ingress": [], "egress": []}),
        _policy("names", side, {}, {"egress": [_names()]}),
        _policy("staff-to-api", side, _pods("api"), {"ingress": [_in([*staff, *console], 80)]}),
        _policy("staff-to-gui", side, _pods("gui"), {"ingress": [_in(staff, 80)]}),
    ]
    made += [
        _policy(f"{name}-out", side, _pods(name), {"egress": _out(answers, side)}) for name in names
    ]
    if side.own_redis:
        peers = [{"podSelector": _pods(name)} for name in names]
        made.append(_policy("redis-in", side, _pods("redis"), {"ingress": [_in(peers, 6379)]}))
    if side.is_production:
        controller = {
            "namespaceSelector": {
                "matchLabels": {"kubernetes.io/metadata.name": answers.ingress_namespace}
            }
        }
        to = [{"to": [{"podSelector": _pods("collector")}], "ports": [_tcp(80)]}]
        rules = {"ingress": [_in([controller], GATE_PORT)], "egress": to}
        made.append(_policy("gate", side, _pods("gate"), rules))
        peers = [{"podSelector": _pods("gate")}]
        made.append(
            _policy("gate-to-collector", side, _pods("collector"), {"ingress": [_in(peers, 80)]})
        )
    return made


def _policy(name: str, side: Side, pods: Object, rules: Object) -> Object:
    kinds = [word.capitalize() for word in ("ingress", "egress") if word in rules]
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": _meta(name, side),
        "spec": {"podSelector": pods, "policyTypes": kinds, **rules},
    }


def _tcp(port: int) -> Object:
    return {"protocol": "TCP", "port": port}


def _in(peers: list[Object], port: int) -> Object:
    return {"from": peers, "ports": [_tcp(port)]}


def _names() -> Object:
    """Return the way to the cluster's own resolver."""
    resolver = {
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "kube-system"}},
        "podSelector": {"matchLabels": {"k8s-app": "kube-dns"}},
    }
    return {"to": [resolver], "ports": [{"protocol": "UDP", "port": 53}, _tcp(53)]}


def _out(answers: Answers, side: Side) -> list[Object]:
    """Return where Tracardi may go: its stores, and the web, but not what is the other side's."""
    found: list[Object] = []
    elsewhere = _elsewhere(answers, side)
    places = [engine_place(side.elasticsearch)]
    if side.own_redis:
        found.append({"to": [{"podSelector": _pods("redis")}], "ports": [_tcp(6379)]})
    else:
        places.append(redis_place(side.redis))
    for host, port in places:
        # One that is known by its name alone may be anywhere, but not at the other side.
        to = [{"ipBlock": {"cidr": _single(host)}}] if _ip(host) else elsewhere
        found.append({"to": to, "ports": [_tcp(port)]})
    found.append({"to": elsewhere, "ports": [_tcp(443), _tcp(80)]})
    return found


def _elsewhere(answers: Answers, side: Side) -> list[Object]:
    """Return all addresses but the other side's, and those of stores that are known."""
    closed = [
        *answers.other(side).networks,
        *(_single(host) for host, _ in stores(answers) if _ip(host)),
    ]
    if not side.is_production:
        closed += [_single(one) for one in answers.public_addresses]
    made = []
    for cidr, version, never in (("0.0.0.0/0", 4, "169.254.0.0/16"), ("::/0", 6, "fe80::/10")):
        rest = [one for one in dict.fromkeys(closed) if network(one).version == version]
        made.append({"ipBlock": {"cidr": cidr, "except": [never, *rest]}})
    return made


def _single(address: str) -> str:
    return str(network(address))


def _ip(host: str) -> bool:
    try:
        network(host)
    except ValueError:
        return False
    return True
