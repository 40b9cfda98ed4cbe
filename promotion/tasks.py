"""Background work. The queue only delivers; a dead worker's work is found by `recovery`.

The services enqueue these tasks, so the tasks import the services when they run.
"""

from collections.abc import Callable

from django_tasks import task

from promotion.engine.errors import PromotionError


@task()
def prepare_build(promotion_pk: int) -> None:
    """Prepare a build for a target."""
    from promotion.models import Promotion
    from promotion.preparing import run_preparation

    promotion = Promotion.objects.get(pk=promotion_pk)
    _run(lambda: run_preparation(promotion))


@task()
def clean_environment(target_pk: int) -> None:
    """Remove the indices of generations and preparations that are not kept any more."""
    from environments.models import Environment
    from promotion.cleaning import clean_up
    from promotion.planning import writer_for

    target = Environment.objects.get(pk=target_pk)
    # What is left is found by the next clean-up.
    _run(lambda: clean_up(writer_for(target), target))


@task()
def check_environment(environment_pk: int) -> None:
    """Check an environment for drift now, whatever was seen before."""
    from environments.models import Environment
    from promotion.drift import check

    check(Environment.objects.select_related("cluster").get(pk=environment_pk), close=True)


@task()
def finish_promotion(promotion_pk: int) -> None:
    """Verify and end a promotion that went live."""
    from promotion.live import finish
    from promotion.models import Promotion

    promotion = Promotion.objects.get(pk=promotion_pk)
    _run(lambda: finish(promotion))


@task()
def smoke_check(smoke_pk: int) -> None:
    """Look at what went live; it reads alone."""
    from promotion.models import SmokeCheck
    from promotion.smoke import run_smoke_check

    rows = SmokeCheck.objects.select_related("promotion__environment__cluster")
    run_smoke_check(rows.get(pk=smoke_pk))


@task()
def run_rehearsal(promotion_pk: int) -> None:
    """Rehearse a promotion or a rollback."""
    from promotion.models import Promotion
    from promotion.rehearsing import run_rehearsal as run

    promotion = Promotion.objects.get(pk=promotion_pk)
    _run(lambda: run(promotion))


@task()
def run_adoption(promotion_pk: int) -> None:
    """Adopt an environment."""
    from promotion.adoption import run_adopt
    from promotion.models import Promotion

    promotion = Promotion.objects.get(pk=promotion_pk)
    _run(lambda: run_adopt(promotion))


@task()
def run_release(promotion_pk: int) -> None:
    """Release an environment."""
    from promotion.models import Promotion
    from promotion.releasing import run_release as run

    promotion = Promotion.objects.get(pk=promotion_pk)
    _run(lambda: run(promotion))


@task()
def run_reconciliation(promotion_pk: int) -> None:
    """Record what the cluster holds."""
    from promotion.models import Promotion
    from promotion.reconciling import run_reconcile

    promotion = Promotion.objects.get(pk=promotion_pk)
    _run(lambda: run_reconcile(promotion))


@task()
def run_batch(batch_pk: int, run: int) -> None:
    """Do a batch; handed over twice with the same number, it begins once."""
    from promotion.batch_models import Batch
    from promotion.batches import run_batch as work

    work(Batch.objects.get(pk=batch_pk), run)


def _run(work: Callable[[], object]) -> None:
    """Run it; how it ended is in the promotion's own record, so the task itself succeeds."""
    try:
        work()
    except PromotionError:
        return
