"""Logs: events with fields, JSON in production. One line an outcome, ids bound, never the text of articles."""

import logging
import sys

import structlog
from structlog.tracebacks import ExceptionDictTransformer

from shared.settings import Settings


def configure(settings: Settings, *, service: str) -> None:
    """Set up structlog and the standard library's logging (for aiokafka, Faust, uvicorn) to one stream on stderr."""
    shared_processors: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
    ]
    json = settings.log_format == "json"
    # Without the frames' local variables: those hold passwords and articles.
    renderers: list[structlog.typing.Processor] = (
        [structlog.processors.ExceptionRenderer(ExceptionDictTransformer(show_locals=False)), structlog.processors.JSONRenderer()]
        if json
        else [structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())]
    )
    structlog.configure(
        processors=[*shared_processors, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.add_logger_name, *shared_processors],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *renderers],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(settings.log_level.upper())
    for chatty in ("aiokafka", "kafka", "faust", "mode", "aiohttp.access", "trafilatura", "asyncio"):
        logging.getLogger(chatty).setLevel(max(logging.WARNING, root.level))
    structlog.contextvars.bind_contextvars(service=service)


def get_logger(**bound: object) -> structlog.stdlib.BoundLogger:
    """Give a logger with fields bound to every line."""
    logger: structlog.stdlib.BoundLogger = structlog.stdlib.get_logger(**bound)
    return logger
