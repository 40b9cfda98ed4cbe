"""Asks each cluster now and then, so that whoever watches knows how long an answer takes."""

import time
from datetime import timedelta
from typing import Final

import structlog
from django.utils import timezone

from environments.due import take_on
from environments.elastic import ElasticError, connect
from environments.models import Cluster
from promotion.models import EngineLook

EVERY: Final = timedelta(seconds=15)
# Longer than that is no answer: the next cluster waits its turn.
_PATIENCE_SECONDS: Final = 5.0
log = structlog.get_logger(__name__)


def look_at_engines() -> list[Cluster]:
    """Ask each cluster whose last look is a while ago for its name; return those that were asked.

    Call it again and again. Of two workers that do, one asks a cluster.
    """
    limit = timezone.now() - EVERY
    asked = []
    # Each secret by itself: one that cannot be decrypted must not keep the others from their turn.
    for cluster in Cluster.objects.defer("secret").order_by("pk"):
        if not take_on(EngineLook, limit, cluster=cluster):
            continue
        began = time.monotonic()
        try:
            connect(cluster).request("GET", "/", timeout=_PATIENCE_SECONDS)
            answered = True
        except ElasticError:
            answered = False
        except Exception:
            log.exception("engine_look.defect", cluster=cluster.pk)
            answered = False
        EngineLook.objects.filter(cluster=cluster).update(
            looked_at=timezone.now(), answered=answered, seconds=time.monotonic() - began
        )
        asked.append(cluster)
    return asked
