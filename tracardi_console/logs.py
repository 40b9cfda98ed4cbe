"""How the console logs: lines of names and values, to standard error."""

from typing import Any

import structlog


def logging_at(level: str) -> dict[str, Any]:
    """Return what Python's logging is told; `level` is the least severe that is logged."""
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
                    structlog.processors.KeyValueRenderer(
                        key_order=["timestamp", "level", "logger", "event"], drop_missing=True
                    ),
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
