"""`manage.py engine-role [ENVIRONMENT ...] [--engine elasticsearch|opensearch]`: the least role."""

import json
import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from environments.engine_role import CLUSTER, role
from environments.models import Environment

BAD_INPUT = 2


class Command(BaseCommand):
    help = (
        "Print the least role that the console needs at the search engine, for all environments or "
        "for some, as the engine's security takes it. Nothing is sent to any engine."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("environments", nargs="*", help="slugs; all environments otherwise")
        parser.add_argument("--engine", choices=list(CLUSTER), default="elasticsearch")

    def handle(self, *_args: Any, **options: Any) -> None:
        found = list(Environment.objects.order_by("slug"))
        wanted = options["environments"]
        known = {one.slug for one in found}
        if missing := [slug for slug in wanted if slug not in known]:
            self.stderr.write(f"There is no environment {missing[0]}.")
            sys.exit(BAD_INPUT)
        chosen = [one for one in found if not wanted or one.slug in wanted]
        if not chosen:
            self.stderr.write("There is no environment yet: add one first.")
            sys.exit(BAD_INPUT)
        made = role([one.naming for one in chosen], options["engine"])
        self.stdout.write(json.dumps(made, indent=2))
