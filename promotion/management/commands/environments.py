"""`manage.py environments`: what there is, and each one's latest build. Changes nothing."""

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from environments.models import Environment
from promotion.models import Build


class Command(BaseCommand):
    help = "List the environments, where they promote to, and their latest builds."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *_args: Any, **options: Any) -> None:
        rows = [_row(e) for e in Environment.objects.select_related("promotes_to", "cluster")]
        if options["json"]:
            self.stdout.write(json.dumps({"environments": rows}))
            return
        if not rows:
            self.stdout.write("There are no environments yet.")
        for row in rows:
            target = f" -> {row['promotes_to']}" if row["promotes_to"] else ""
            build = f", build {row['latest_build']}" if row["latest_build"] else ", no build"
            verdict = f" ({row['verdict']})" if row["verdict"] else ""
            self.stdout.write(f"{row['environment']} [{row['kind']}]{target}{build}{verdict}")


def _row(environment: Environment) -> dict[str, Any]:
    build = Build.objects.filter(environment=environment).order_by("-number").first()
    review = build.review if build is not None else None
    target = environment.promotes_to
    return {
        "environment": environment.slug,
        "name": environment.name,
        "kind": environment.kind,
        "version": environment.version,
        "tenant": environment.tenant,
        "cluster": environment.cluster.name,
        "promotes_to": target.slug if target is not None else None,
        "latest_build": build.number if build is not None else None,
        "verdict": review.verdict if review is not None else None,
    }
