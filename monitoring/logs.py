"""Logs as JSON, one object a line: ``time`` (UTC), ``level``, ``service``, ``logger``, ``event``, then what was given.

The standard library's loggers (uvicorn, kafka, feast, alembic) come out in the same form, masked in the same way. A
transaction id may be logged; a card number or a secret cannot (see `monitoring.masking`).
"""

import logging
import sys
from typing import TextIO

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from monitoring.masking import mask_entry

_FIRST = ("time", "level", "service", "logger", "event")
# They tell of every request, poll or schema step; only their warnings are news.
_CHATTY = ("kafka", "feast", "alembic", "uvicorn.access", "numba", "httpx", "httpcore", "asyncio")
_OWN_HANDLERS = ("uvicorn", "uvicorn.error", "uvicorn.access")


def configure_logging(service: str, *, level: str = "INFO", stream: TextIO | None = None) -> None:
    """Send every logger of the process to ``stream`` (standard error) as JSON lines; called once, from main.

    Args:
        service: name of the process, in every line.
        level: least severe level that is logged: DEBUG, INFO, WARNING or ERROR.
        stream: where lines go; standard output stays free for results.

    """
    threshold = logging.getLevelNamesMapping()[level.upper()]

    def name_service(_logger: WrappedLogger, _method: str, entry: EventDict) -> EventDict:
        entry["service"] = service
        return entry

    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
        name_service,
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(threshold),
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.StackInfoRenderer(),
                structlog.processors.format_exc_info,  # plain tracebacks: no values of local variables
                _mask,
                structlog.processors.JSONRenderer(),
            ],
        )
    )
    _take_over(handler, threshold)


def _mask(_logger: WrappedLogger, _method: str, entry: EventDict) -> EventDict:
    masked = mask_entry(entry)
    return {name: masked.pop(name) for name in _FIRST if name in masked} | masked


def _take_over(handler: logging.Handler, threshold: int) -> None:
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(threshold)
    for name in _OWN_HANDLERS:
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.propagate = True
    for name in _CHATTY:
        logging.getLogger(name).setLevel(max(threshold, logging.WARNING))
    logging.captureWarnings(True)
