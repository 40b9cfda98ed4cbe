"""What to do with a recipe, in which order, and how to see that it holds. Pure."""

import re

from environments.endpoints import CLOSED, COLLECTOR, Endpoint
from environments.recipes.answers import Answers, Side
from environments.recipes.firewall import data_servers, stores
from environments.recipes.kubernetes import CERTIFICATE, REGISTRY, SECRET
from environments.recipes.variables import LICENCE, secrets


def readme(answers: Answers) -> str:
    """Return the recipe's own instructions."""
    return (
        "\n\n".join(
            [
                _about(answers),
                _docker(answers),
                _data(answers),
                _clusters(answers),
                _checks(answers),
            ]
        )
        + "\n"
    )


def _about(answers: Answers) -> str:
    tenant = f"tenant `{answers.tenant}`" if answers.tenant else "the tenant that Tracardi derives"
    rows = "\n".join(
        f"| {side.name} | {', '.join(side.addresses)} | {side.api_port} | {side.gui_port} | "
        f"`PRODUCTION={'yes' if side.is_production else 'no'}` |"
        for side in answers.sides
    )
    licence = (
        f"One licence covers both sides: `{LICENCE}` has the same value in both files of secrets.\n"
        "  No second one is needed."
        if answers.licensed
        else "No licence key is asked for."
    )
    return f"""# Tracardi {answers.version}: staging and production

Made by Tracardi Console for {tenant}. Change the answers there, and download again: what
is changed in these files is lost with the next download.

| server | private addresses | API | GUI | says of itself |
|---|---|---|---|---|
{rows}

- The public reaches https://{answers.public_name} alone, and there the collector alone:
  {_listed(COLLECTOR)}.
  Everything else is answered 404 by the proxy; Tracardi never sees it.
- The staff ({", ".join(answers.staff_networks)}) reach the GUI, its API and SSH, on both servers.
- Staging reaches nothing of production but what both share: {_shared(answers)}.
- {licence}
- No secret is in these files. Where they are kept: staging, {_kept(answers.staging)}; production,
  {_kept(answers.production)}."""


def _listed(table: tuple[Endpoint, ...]) -> str:
    # What all of its addresses begin with.
    begin = (re.split(r"[(?\[]", one.pattern)[0].rstrip("/") for one in table)
    return ", ".join(f"`{one}`" for one in begin)


def _shared(answers: Answers) -> str:
    both = [
        f"{host}:{port}"
        for (host, port), who in stores(answers).items()
        if all(set(side.addresses) & set(who) for side in answers.sides)
    ]
    return ", ".join(both) if both else "nothing"


def _kept(side: Side) -> str:
    return side.secrets or "not said yet"


def _docker(answers: Answers) -> str:
    guis = "\n".join(f"   - {side.name}: {_gui(side)}, {_api(side)}" for side in answers.sides)
    return f"""## On two servers, with Docker

First staging, then production. Each step can be done again.

1. Install Docker with its compose plugin, and `nftables`; on production `nginx` too.
2. Copy this side's folder to `/opt/tracardi`, and fill in the secrets:

       cd /opt/tracardi
       cp .env.example .env && chmod 600 .env
       editor .env

3. The firewall comes before anything listens. On the server, as root:

       nft -c -f nftables.conf
       systemd-run --on-active=5m --unit=way-back nft delete table inet tracardi
       nft -f nftables.conf

   Sign in by SSH once more, in a second window. If that works, `systemctl stop way-back.timer`; if
   not, wait: after five minutes the rules are gone by themselves. SSH, port {answers.ssh_port}, is
   open to the staff's networks alone. To keep the rules over a restart:

       install -D -m 644 nftables.conf /etc/nftables.d/tracardi.conf
       echo 'include "/etc/nftables.d/tracardi.conf"' >> /etc/nftables.conf
       systemctl enable nftables

4. Start Tracardi. It refuses while a secret is missing, and names it:

       docker compose --file docker-compose.yaml up --detach
       docker compose ps

5. On production, the proxy. The certificate for {answers.public_name} lies in
   `{answers.tls_certificate}`, its key in `{answers.tls_key}`, readable by root alone:

       cp /etc/nginx/nginx.conf /etc/nginx/nginx.conf.before
       nginx -t -c /opt/tracardi/nginx.conf
       cp nginx.conf /etc/nginx/nginx.conf && systemctl reload nginx

   The way back: `cp /etc/nginx/nginx.conf.before /etc/nginx/nginx.conf && systemctl reload nginx`.
6. Open each GUI from the staff's network, give it its API's address, and let Tracardi install
   itself:

{guis}

   Keep one admin on each side, with different passwords.

The firewall drops what other programs on these servers publish, other containers too."""


def _gui(side: Side) -> str:
    return f"http://{_host(side)}:{side.gui_port}/"


def _api(side: Side) -> str:
    return f"http://{_host(side)}:{side.api_port}"


def _host(side: Side) -> str:
    first = side.addresses[0]
    return f"[{first}]" if ":" in first else first


def _data(answers: Answers) -> str:
    lines = ["## Elasticsearch and Redis", ""]
    for (host, port), who in stores(answers).items():
        lines.append(f"- {host}:{port} is open to {', '.join(who)}, and to nobody else.")
    for side in answers.sides:
        if side.own_redis:
            lines.append(
                f"- Redis of {side.name} runs beside it, and has no port outside of Docker."
            )
    for host in data_servers(answers):
        lines.append(f"- `data/{file_name(host)}/nftables.conf` is for the server {host}.")
    named = [host for host, _ in stores(answers) if not _numeric(host)]
    for host in dict.fromkeys(named):
        lines.append(f"- {host} is known by its name alone: close it in its own firewall.")
    lines += [
        "- An Elasticsearch of several nodes needs its transport port (9300) open among them; "
        "these rules do not open it.",
        "- The console needs an account of its own there: `manage.py engine-role` prints the role.",
    ]
    return "\n".join(lines)


def _numeric(host: str) -> bool:
    return ":" in host or host.replace(".", "").isdigit()


def file_name(host: str) -> str:
    """Return an address as the name of a folder."""
    return host.replace(":", "-")


def _clusters(answers: Answers) -> str:
    made = []
    for side in answers.sides:
        names = dict.fromkeys(one.name for one in secrets(answers, side))
        create = f"       kubectl --namespace {side.namespace} create secret"
        made.append(f"       # {side.name}.env: {', '.join(names)}")
        made.append(f"{create} generic {SECRET} --from-env-file={side.name}.env")
        if answers.licensed:
            made.append(
                f"{create} docker-registry {REGISTRY} --docker-username=… --docker-password=…"
            )
        if side.is_production:
            made.append(f"{create} tls {CERTIFICATE} --cert=… --key=…")
    secret_lines = "\n".join(made)
    staff = f"kubectl --namespace {answers.staging_namespace} port-forward service/gui 8080:80"
    controller = f"(`{answers.ingress_class}`, namespace `{answers.ingress_namespace}`)"
    return f"""## In Kubernetes, instead

The network policies need a network plugin that enforces them.

1. `kubectl apply -f kubernetes/namespaces.yaml`
2. The secrets, which no file here holds:

{secret_lines}

3. `kubectl apply -f kubernetes/staging.yaml`, and try staging: nothing of it is published. The
   staff come by `{staff}`.
4. `kubectl apply -f kubernetes/production.yaml`
5. `kubectl apply -f kubernetes/ingress.yaml`, the last: now the collector is public. Behind the
   ingress controller {controller} stands a gate,
   which passes what the proxy on a server passes. The controller has to say who the visitor is, in
   `X-Real-IP`.{_by_name(answers)}"""


def _by_name(answers: Answers) -> str:
    """Return what the policies cannot know of stores that have a name and no address."""
    named = dict.fromkeys(host for host, _ in stores(answers) if not _numeric(host))
    if not named:
        return ""
    return f"""

A network policy takes addresses. What is known by its name alone may be reached, at its port, at
any address but those in the other side's networks and those of stores above:
{", ".join(named)}.
If one lies in the other side's networks, give its address in the console. What runs in the other
side's namespace is closed by that namespace, which denies all that it does not name; for a store in
a third namespace, add a policy there that lets in its own side alone."""


def _checks(answers: Answers) -> str:
    closed = ", ".join(f"`{one.sample}`" for one in CLOSED[:6])
    name, staging, production = answers.public_name, answers.staging, answers.production
    return f"""## See that it holds

From the internet:

    curl -i https://{name}/tracker/    # Tracardi answers
    curl -i https://{name}/flows       # 404 of the proxy
    curl -i http://{name}/track        # 404: nothing is tracked by GET
    curl -m 5 {_api(production)}/healthcheck    # nobody answers

From the staff's network both GUIs answer. From staging, `curl -m 5 {_api(production)}` does not.

Then let the console look, too. In its *Set-up of environments* enter

| environment | address of Tracardi's API | public address |
|---|---|---|
| staging | {_api(staging)} | none |
| production | {_api(production)} | https://{name} |

and on production's page, as the administrator, open *Network*: *Allow* each of these addresses to
be probed, for none is before, then *Check now*. From then on the console checks by itself, on
schedule; `manage.py check-network PRODUCTION --as USER` does the same. It looks whether

- the two APIs are apart: not one server, not at one IP address, not at one port;
- staging's API is at private IP addresses alone, and so is production's;
- staging says that it is staging, and production that it is production, each of version
  {answers.version};
- the public address answers each of the collector's endpoints;
- it refuses the rest ({closed} …);
- its certificate is valid, and stays so for a while;
- nothing takes an event by plain http, at port 80;
- neither Elasticsearch nor Redis answers at the public address;
- no event of staging's servers, or of the console's workflow tests, is in production's indices.

It sees what is open from where it runs, which is seldom the internet: ask from there too, as
above."""
