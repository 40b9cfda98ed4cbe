"""Ends what waited when a backup was made: people may have stopped it since, or seen it through.

What ran is left to the worker, which reads in the cluster what became of it (docs/recovery.md).
"""

from typing import Final

from django_tasks_db.models import DBTaskResult

from accounts.audit import Actor
from environments.network.running import give_up_checks
from environments.saved.summaries import pass_over
from promotion.batches import give_up_batches
from promotion.journal import conclude
from promotion.models import Promotion, SuiteRun
from promotion.smoke import give_up_smoke_checks
from promotion.suite_runs import end_run

WORDS: Final = (
    "It had not begun when the backup was made that the console was restored from. It was not "
    "begun by this console. Ask for it again if it is still wanted."
)
CUT: Final = (
    "It was under way when the backup was made that the console was restored from. What it came "
    "to is not known. Run it again."
)


def stop_what_waited(actor: Actor) -> dict[str, int]:
    """End what nobody began, and what no worker has any more; return how many, by what they are."""
    pending = list(Promotion.objects.filter(status=Promotion.Status.PENDING))
    promotions = [conclude(actor, one, Promotion.Status.ABORTED, WORDS) for one in pending]
    runs = SuiteRun.objects.filter(status__in=SuiteRun.ACTIVE)
    suites = [
        end_run(one, SuiteRun.Status.CANCELLED, WORDS)
        if one.status == SuiteRun.Status.WAITING
        else end_run(one, SuiteRun.Status.ERRORED, CUT)
        for one in runs.select_related("suite", "environment")
    ]
    # A task does nothing that is not in one of these, or due again by itself, but for mail.
    tasks, _ = DBTaskResult.objects.filter(status__in=("READY", "RUNNING")).delete()
    stopped = {
        "promotions and preparations": sum(promotions),
        "targets of batches": give_up_batches(WORDS),
        "runs of workflow tests": sum(suites),
        "network checks": give_up_checks(),
        "smoke checks": give_up_smoke_checks(CUT),
        "tasks and mails": tasks,
        "weekly summaries": pass_over(),
    }
    return {words: count for words, count in stopped.items() if count}
