"""The task queue in the database; a task keeps the number of the request that asked for it."""

from typing import Any, Final

from django.db import transaction
from django_tasks.signals import task_finished, task_started
from django_tasks_db.backend import DatabaseBackend
from django_tasks_db.models import DBTaskResult

from accounts import tracing

# Beside the arguments, where whoever runs the task does not look.
_KEY: Final = "request_id"


class Queue(DatabaseBackend):
    """django-tasks' own queue in the database, with the number of the request in each row."""

    def _task_to_db_task(self, task: Any, args: Any, kwargs: Any) -> DBTaskResult[Any, Any]:
        number = tracing.current()
        # No worker sees the row before its number is there.
        with transaction.atomic():
            row = super()._task_to_db_task(task, args, kwargs)
            if number:
                row.args_kwargs = {**row.args_kwargs, _KEY: number}
                row.save(update_fields=["args_kwargs"])
        return row


def _begin(sender: Any, task_result: Any, **_kwargs: Any) -> None:
    # What another backend runs at once has no row, and is still the request's own doing.
    row = getattr(task_result, "db_result", None)
    if row is not None:
        tracing.begin(row.args_kwargs.get(_KEY, ""), task=task_result.id)


def _end(sender: Any, task_result: Any, **_kwargs: Any) -> None:
    if hasattr(task_result, "db_result"):
        tracing.end()


def connect() -> None:
    """Let what a task logs and records carry the number of the request."""
    task_started.connect(_begin, dispatch_uid="accounts.queue.begin")
    task_finished.connect(_end, dispatch_uid="accounts.queue.end")
