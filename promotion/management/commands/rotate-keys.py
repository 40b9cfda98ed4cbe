"""`manage.py rotate-keys --as USER`: everything that is encrypted, under the newest key."""

import time
from argparse import ArgumentParser
from typing import Any

from accounts.models import User
from accounts.rotation import Survey, look, rotate
from promotion.bundling import own_fingerprint
from promotion.commands import ActingCommand, command_actor

# How often a line says how far it is.
TELL_SECONDS = 1.0
RUN_IT = "Run `manage.py rotate-keys`, with web and worker started on the newest key."


class Command(ActingCommand):
    help = (
        "Encrypt all that is kept encrypted with the newest of ENCRYPTION_KEYS, and prove by "
        "reading it that the others may be dropped. The console goes on meanwhile, and a run that "
        "was cut off is simply begun again. Exits with 1 where anything is under an older key "
        "afterwards, or no key opens it."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        what = parser.add_mutually_exclusive_group()
        what.add_argument(
            "--plan", action="store_true", help="say what is under which key, and change nothing"
        )
        what.add_argument(
            "--check",
            action="store_true",
            help="as --plan, and exit with 1 where anything is under an older key",
        )
        what.add_argument(
            "--new-signing-secret",
            action="store_true",
            help="also make another secret to sign bundles with, where an old key became known",
        )
        super().add_arguments(parser)

    def act(self, user: User, options: dict[str, Any]) -> dict[str, Any]:
        self._said, self._quiet = time.monotonic(), options["json"]
        actor = command_actor(user)
        found = look(actor, self._progress)
        if options["plan"] or options["check"]:
            ready = found.is_done or (options["plan"] and not found.unreadable)
            return {**_facts(found), "status": "done" if ready else "failed"}
        if not options["json"]:
            self.stdout.write(f"{_table(found)}\n")
        renews = options["new_signing_secret"]
        done = rotate(actor, new_secret=renews, progress=self._progress)
        facts = _facts(done.after)
        words = f"Put under the newest key: {done.renewed:,}. {facts['message']}"
        if renews:
            words = (
                f"This console signs bundles as {own_fingerprint()} from now on. Those from before "
                f"are imported with --trust and the fingerprint that they had. {words}"
            )
        status = "done" if done.after.is_done else "failed"
        return {**facts, "status": status, "renewed": done.renewed, "message": words}

    def tell(self, outcome: dict[str, Any], options: dict[str, Any]) -> None:
        if options["plan"] or options["check"]:
            self.stdout.write(outcome["table"])
        self.stdout.write(outcome["message"])

    def _progress(self, what: str, done: int, of: int) -> None:
        # A line for each second, and none of what is quick.
        now = time.monotonic()
        if now - self._said >= TELL_SECONDS and not self._quiet:
            self._said = now
            self.stderr.write(f"{what}: {done:,} of {max(done, of):,}")


def _facts(found: Survey) -> dict[str, Any]:
    return {
        "message": _words(found),
        "table": _table(found),
        "keys": found.keys,
        "values": found.total,
        "older": found.older,
        "unreadable": found.unreadable,
        "places": found.places,
        "kinds": [one.to_dict() for one in found.held],
    }


def _words(found: Survey) -> str:
    if found.is_done:
        others = "the others may be dropped" if found.keys > 1 else "there is no other one"
        return f"All {found.total:,} values are under the newest key: {others}."
    said = []
    if found.older:
        said.append(
            f"{found.older:,} of {found.total:,} values are under an older key: drop none. {RUN_IT}"
        )
    if found.unreadable:
        more = found.unreadable - len(found.places)
        places = [*found.places, *([f"and {more:,} more"] if more else [])]
        said.append(
            f"No key opens {found.unreadable:,} of {found.total:,} values; they were left alone. "
            "Put the key back that they were encrypted with, as the last one of ENCRYPTION_KEYS, "
            "and begin again:\n" + "\n".join(f"  {place}" for place in places)
        )
    return "\n".join(said)


def _table(found: Survey) -> str:
    """Return how many values of each kind are under which key; of no key more than its number."""
    lines = [f"Values by key; 1 is the newest of {found.keys}."]
    width = max((len(one.label) for one in found.held), default=0)
    for one in found.held:
        counts = [f"key {number}: {count:,}" for number, count in sorted(one.under.items())]
        if one.unreadable:
            counts.append(f"no key: {one.unreadable:,}")
        lines.append(f"  {one.label:<{width}}  {'   '.join(counts) or 'none'}")
    return "\n".join(lines)
