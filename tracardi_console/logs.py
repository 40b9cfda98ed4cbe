"""How the console logs: one line an event, of names and values, to standard error.

As JSON for programs that collect logs, or as text for people who read along.
"""

from typing import Any, Final

import structlog
from django.core.exceptions import ImproperlyConfigured

LEVELS: Final = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
_FIRST: Final = ("timestamp", "level", "logger", "event")
_RENDERERS: Final[dict[str, Any]] = {
    # What JSON does not know is written as Python shows it: a line must never fail.
    "json": structlog.processors.JSONRenderer(default=repr, ensure_ascii=True),
    "text": structlog.processors.KeyValueRenderer(key_order=_FIRST, drop_missing=True),
}


def _ordered(_logger: Any, _name: str, facts: Any) -> dict[str, Any]:
    """Put what every line has first."""
    known = {name: facts.pop(name) for name in _FIRST if name in facts}
    return {**known, **facts}


def logging_at(level: str, form: str) -> dict[str, Any]:
    """Return what Python's logging is told.

    `level` is the least severe that is logged, `form` is `json` or `text`.

    Raises:
        ImproperlyConfigured: there is no such level or form.
    """
    if level not in LEVELS:
        raise ImproperlyConfigured(f"LOG_LEVEL is none of {', '.join(LEVELS)}.")
    if form not in _RENDERERS:
        raise ImproperlyConfigured(f"LOG_FORMAT is none of {', '.join(_RENDERERS)}.")
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {
            "plain": {
                "()": structlog.stdlib.ProcessorFormatter,
                "foreign_pre_chain": [
                    structlog.contextvars.merge_contextvars,
                    structlog.processors.TimeStamper(fmt="iso", utc=True),
                    structlog.stdlib.add_log_level,
                    structlog.stdlib.add_logger_name,
                ],
                "processors": [
                    structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                    structlog.processors.format_exc_info,
                    _ordered,
                    _RENDERERS[form],
                ],
            }
        },
        "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "plain"}},
        "root": {"handlers": ["console"], "level": level},
        "loggers": {
            # The client logs whole request bodies at DEBUG, and every request at INFO.
            "elasticsearch": {"level": "ERROR"},
            # Statements with their values, sessions among them.
            "django.db.backends": {"level": "INFO"},
            # Django's own handlers are dropped: one sends what was posted to ADMINS by e-mail.
            "django": {"handlers": [], "level": level},
            "django.server": {"handlers": ["console"], "level": "WARNING", "propagate": False},
        },
    }


def configure_structlog() -> None:
    """Let structlog log by Python's logging."""
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.stdlib.filter_by_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.stdlib.add_log_level,
            structlog.stdlib.add_logger_name,
            structlog.processors.format_exc_info,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
