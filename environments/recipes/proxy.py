"""The reverse proxy that publishes production's collector, and nothing else. Pure.

What is open is read from `environments.endpoints`. A request passes only if its address, as it was
sent, is one of the table's, and as the proxy understands it too: then it is the same address to
everybody behind, however it may be read there. The rest is answered here.
"""

from typing import Final

from environments.endpoints import COLLECTOR
from environments.recipes.answers import Answers
from environments.recipes.text import head
from environments.recipes.variables import CLIENT_HEADER

# In an address as it was sent: what some program reads as another address. A dot, a slash, a
# backslash, a percent sign or a control character in disguise; dots and slashes that are resolved;
# what is a parameter of a path to some servers.
_CROOKED: Final = (
    r"~*%(?:2e|2f|5c|25|3b|3f|23|[01][0-9a-f]|7f)",
    r"~//",
    r"~/\.\.?(?:/|\z)",
    r"~[\x5c;#]",
    r"~[^\x21-\x7e]",
)
# Headers that name another address or method than the request's own.
_STRIPPED: Final = (
    "Forwarded",
    "X-Forwarded-Host",
    "X-Forwarded-Prefix",
    "X-HTTP-Method",
    "X-HTTP-Method-Override",
    "X-Method-Override",
    "X-Original-URL",
    "X-Original-URI",
    "X-Rewrite-URL",
)
GATE_PORT: Final = 8080


def nginx(answers: Answers) -> str:
    """Return the whole configuration of production's nginx."""
    name = answers.public_name
    port = answers.production_collector_port
    return (
        head(
            f"The proxy before production's collector, {name}. It replaces /etc/nginx/nginx.conf.",
            "Check it by: nginx -t -c FILE",
        )
        + _PROCESS.replace("@user", "user www-data;\n")
        + "http {\n"
        + _common(answers, f"127.0.0.1:{port}")
        + _FRONT.replace("@name", name)
        .replace("@certificate", answers.tls_certificate)
        .replace("@key", answers.tls_key)
        .replace("@gate", _gate())
        + "}\n"
    )


def gate(answers: Answers) -> str:
    """Return the configuration of the same gate in Kubernetes, behind an ingress that ends TLS.

    Only the ingress controller reaches it, which says who the visitor is.
    """
    return (
        head(f"The gate before production's collector, {answers.public_name}.")
        + _PROCESS.replace("@user", "pid /tmp/nginx.pid;\n")
        + "http {\n"
        + _TEMPORARY
        + _common(answers, "collector:80")
        + _BEHIND.replace("@name", answers.public_name)
        .replace("@port", str(GATE_PORT))
        .replace("@gate", _gate())
        + "}\n"
    )


def _open() -> str:
    """Return the table's lines: methods and addresses that pass."""
    lines = []
    for one in COLLECTOR:
        methods = "|".join(one.methods)
        lines.append(f'        "~^(?:{methods}) {one.pattern}\\z" 1; # {one.why}')
    return "\n".join(lines)


def _common(answers: Answers, upstream: str) -> str:
    crooked = "\n".join(f'        "{one}" 1;' for one in _CROOKED)
    return (
        _HTTP.replace("@rate", str(answers.requests_per_second))
        .replace("@upstream", upstream)
        .replace("@body", str(answers.body_kib))
        .replace("@crooked", crooked)
        .replace("@open", _open())
    )


def _gate() -> str:
    stripped = "\n".join(f'            proxy_set_header {one} "";' for one in _STRIPPED)
    return _GATE.replace("@client", CLIENT_HEADER).replace("@stripped", stripped)


_PROCESS: Final = """
@userworker_processes auto;

events {
    worker_connections 4096;
}

"""
_TEMPORARY: Final = """\
    client_body_temp_path /tmp/body;
    proxy_temp_path /tmp/proxy;
    fastcgi_temp_path /tmp/fastcgi;
    uwsgi_temp_path /tmp/uwsgi;
    scgi_temp_path /tmp/scgi;
    access_log /dev/stdout;
    error_log /dev/stderr warn;

"""
_HTTP: Final = """\
    # No version of anything is told.
    server_tokens off;
    default_type application/octet-stream;

    # Each visitor has so many requests and connections; what is more is answered 429.
    limit_req_zone $binary_remote_addr zone=requests:20m rate=@rater/s;
    limit_conn_zone $binary_remote_addr zone=connections:20m;
    limit_req_status 429;
    limit_conn_status 429;

    # A visit is small and quick.
    client_max_body_size @bodyk;
    client_body_buffer_size 64k;
    client_header_buffer_size 2k;
    large_client_header_buffers 4 16k;
    client_header_timeout 10s;
    client_body_timeout 10s;
    send_timeout 10s;
    keepalive_timeout 30s;
    reset_timedout_connection on;
    ignore_invalid_headers on;
    underscores_in_headers off;

    # The address as it was sent, without its query.
    map $request_uri $sent {
        "~^(?<path_sent>[^?]*)" $path_sent;
        default "";
    }
    # An address that another program might read as another one.
    map $sent $crooked {
        default 0;
@crooked
    }
    # What the public may reach, by method and address: as it was sent, and as it is understood.
    map "$request_method $sent" $open_as_sent {
        default 0;
@open
    }
    map "$request_method $uri" $open_as_read {
        default 0;
@open
    }
    map "$crooked$open_as_sent$open_as_read" $passes {
        default 0;
        "011" 1;
    }

    upstream collector {
        server @upstream;
        keepalive 32;
    }

"""
_GATE: Final = """\
        # Everything else ends here: Tracardi never sees it.
        if ($passes = 0) {
            return 404;
        }

        location / {
            limit_req zone=requests burst=100 nodelay;
            limit_conn connections 50;
            proxy_pass http://collector;
            proxy_http_version 1.1;
            proxy_redirect off;
            proxy_connect_timeout 5s;
            proxy_send_timeout 10s;
            proxy_read_timeout 30s;
            proxy_next_upstream off;
            proxy_set_header Connection "";
            proxy_set_header Host $server_name;
            # Who asks, and nobody whom they name.
            proxy_set_header @client $remote_addr;
            proxy_set_header X-Forwarded-For $remote_addr;
            proxy_set_header X-Forwarded-Proto https;
            proxy_set_header X-Forwarded-Port 443;
@stripped
            proxy_hide_header Server;
            proxy_hide_header X-Powered-By;
        }
"""
_FRONT: Final = """\
    ssl_protocols TLSv1.2 TLSv1.3;
    ssl_session_cache shared:tls:10m;
    ssl_session_timeout 1d;
    ssl_session_tickets off;

    # Whoever asks for another name, or for none, gets no certificate and no answer of Tracardi's.
    server {
        listen 80 default_server;
        listen [::]:80 default_server;
        listen 443 ssl default_server;
        listen [::]:443 ssl default_server;
        server_name _;
        ssl_reject_handshake on;
        return 404;
    }

    server {
        listen 80;
        listen [::]:80;
        server_name @name;
        # Of what is published alone: the rest is nowhere, with TLS or without.
        if ($passes = 0) {
            return 404;
        }
        return 308 https://@name$request_uri;
    }

    server {
        listen 443 ssl;
        listen [::]:443 ssl;
        server_name @name;
        ssl_certificate @certificate;
        ssl_certificate_key @key;
        add_header Strict-Transport-Security "max-age=31536000" always;
        add_header X-Content-Type-Options nosniff always;

@gate    }
"""
_BEHIND: Final = """\
    set_real_ip_from 0.0.0.0/0;
    set_real_ip_from ::/0;
    real_ip_header X-Real-IP;

    server {
        listen @port default_server;
        server_name _;
        location = /gate-is-alive {
            access_log off;
            return 204;
        }
        location / {
            return 404;
        }
    }

    server {
        listen @port;
        server_name @name;
        add_header X-Content-Type-Options nosniff always;

@gate    }
"""
