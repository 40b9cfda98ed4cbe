"""`manage.py provision ENV --like OTHER | --from PRODUCTION --as USER`."""

import sys
from argparse import ArgumentParser
from typing import Any

from django.conf import settings

from accounts.authorising import authorise
from accounts.models import User
from accounts.roles import Verb
from environments.findings import Finding, errors
from environments.models import Environment
from environments.provisioning import Plan, Step
from environments.visible import visible
from promotion import provisioning, refreshing
from promotion.claim import PAUSE_SECONDS
from promotion.commands import ActingCommand, BadInputError, command_actor, find_environment
from promotion.engine.errors import PreflightFailed
from promotion.engine.refresh import Refresh


class Command(ActingCommand):
    help = (
        "Make a missing set of indices like another one, without documents; or copy what a "
        "production serves to a fresh staging. The plan is printed first."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("environment", help="the slug of what is to be made or filled")
        which = parser.add_mutually_exclusive_group(required=True)
        which.add_argument("--like", metavar="OTHER", help="make its indices like this one's")
        which.add_argument(
            "--from", dest="source", metavar="PRODUCTION", help="copy its configuration"
        )
        parser.add_argument("--plan", action="store_true", help="print the plan, and do nothing")
        parser.add_argument("--yes", action="store_true", help="do it without asking")
        parser.add_argument("--digest", help="only if this is the plan: the digest that it prints")
        parser.add_argument(
            "--without-production-secrets",
            action="store_true",
            help="with --from: leave the production halves of credentials out",
        )
        parser.add_argument(
            "--consent",
            action="append",
            default=[],
            metavar="CODE",
            help="with --from: agree to losing what the staging holds, as the plan names it",
        )
        parser.add_argument("--reason", default="", help="why; kept in the audit trail")
        super().add_arguments(parser)

    def act(self, user: User, options: dict[str, Any]) -> dict[str, Any]:
        target = find_environment(user, options["environment"])
        other = find_environment(user, options["like"] or options["source"])
        action = provisioning.ACTION if options["like"] else refreshing.ACTION
        authorise(command_actor(user), Verb.MANAGE, action, target)
        if options["like"] and (options["without_production_secrets"] or options["consent"]):
            raise BadInputError(
                "--without-production-secrets and --consent go with --from: no document is copied "
                "with --like. Nothing was done."
            )
        if options["plan"] and (options["yes"] or options["digest"]):
            raise BadInputError("--plan only looks: leave out --yes and --digest.")
        if not options["plan"] and not options["yes"] and not self._can_ask(options):
            raise BadInputError("Look at it with --plan first, then say --yes. Nothing was done.")
        if options["like"]:
            return self._make(user, target, other, options)
        return self._copy(user, target, other, options)

    def _make(
        self, user: User, target: Environment, like: Environment, options: dict[str, Any]
    ) -> dict[str, Any]:
        found = provisioning.plan(target, like)
        if options["plan"]:
            return _planned(found.to_dict(), found.findings, _made_words(found, target, like))
        digest = self._confirmed(options, found.digest, _made_words(found, target, like))

        def told(step: Step) -> None:
            if not options["json"]:
                self.stdout.write(f"made {step.kind} {step.name}")

        done = provisioning.provision(
            command_actor(user),
            target,
            like,
            digest=digest,
            reason=options["reason"],
            progress=told,
            patience=patience(),
        )
        words = f"{len(done.due)} made" if done.due else "nothing was missing"
        message = f"{target} is like {like}: {words}, and all of it was read back."
        return {"message": message, "made": [s.name for s in done.due], "plan": done.to_dict()}

    def _copy(
        self, user: User, target: Environment, source: Environment, options: dict[str, Any]
    ) -> dict[str, Any]:
        halves = not options["without_production_secrets"]
        found = refreshing.plan(target, source, halves=halves)
        words = _copied_words(found, target, source)
        if options["plan"]:
            return _planned(found.to_dict(), found.findings, words)
        digest = self._confirmed(options, found.digest, words)
        done, kept = refreshing.refresh(
            command_actor(user),
            target,
            source,
            digest=digest,
            halves=halves,
            consents=options["consent"],
            reason=options["reason"],
            patience=patience(),
        )
        message = f"{target} holds what {source} serves: {done.due} documents were changed."
        if kept is not None:
            message += f" What it held is {kept}."
        if remains := refreshing.remains_words(done):
            message += f" {remains}"
        return {
            "message": message,
            "kept": kept.number if kept is not None else None,
            "plan": done.to_dict(),
        }

    def _can_ask(self, options: dict[str, Any]) -> bool:
        return not options["json"] and sys.stdin.isatty()

    def _confirmed(self, options: dict[str, Any], digest: str, words: list[str]) -> str:
        """Return the digest of the plan that was confirmed."""
        if not options["yes"]:
            self.stdout.write("\n".join(words))
            if input("Do just that? Type yes: ").strip() != "yes":
                raise BadInputError("Nothing was done.")
        return str(options["digest"] or digest)

    def tell(self, outcome: dict[str, Any], _options: dict[str, Any]) -> None:
        self.stdout.write("\n".join([*outcome.get("lines", []), outcome["message"]]))


def patience() -> float:
    """Return for how many seconds another's work is waited for: a dead one's claim ends by then."""
    return float(settings.LEASE_SECONDS) + 2 * PAUSE_SECONDS


def _planned(
    facts: dict[str, Any], findings: tuple[Finding, ...], lines: list[str]
) -> dict[str, Any]:
    if wrong := errors(findings):
        words = [f"{one.message} {one.remedy}" for one in wrong]
        raise PreflightFailed("\n".join([*words, "Nothing was done."]), findings)
    message = f"The plan's digest is {facts['digest']}. Nothing was done."
    return {"message": message, "plan": facts, "lines": lines}


def _made_words(found: Plan, target: Environment, like: Environment) -> list[str]:
    lines = [f"{target} like {like}: {len(found.due)} to make, no documents."]
    for step in found.steps:
        what = "there" if step.is_there else "make"
        lines.append(f"  {what:5}  {step.kind:15}  {visible(step.name)}")
    return lines


def _copied_words(found: Refresh, target: Environment, source: Environment) -> list[str]:
    lines = [f"What {source} serves, to {target}:"]
    for part in found.resources:
        lines.append(
            f"  {part.resource:24} {part.added} added, {part.replaced} written over, "
            f"{part.deleted} deleted, {part.same} so already"
        )
    for finding in found.findings:
        lines.append(f"{finding.message} {finding.remedy} Its name is {finding.code}.")
    if remains := refreshing.remains_words(found):
        lines.append(remains)
    return lines
