"""Logs: events with fields, JSON in production. One line an outcome, ids bound, never the text of articles."""

import logging
import sys
import time

import structlog
from structlog.tracebacks import ExceptionDictTransformer

from shared.settings import Settings, masked

LIBRARIES = ("aiokafka", "kafka", "faust", "mode", "aiohttp.access", "trafilatura", "asyncio", "opentelemetry", "urllib3")
"""Loggers of which only warnings are wanted, each kind now and then."""
structlog.configure(logger_factory=lambda *_: structlog.PrintLogger(sys.stderr))  # until `configure`: a command's stdout is its answer
REPEAT_S = 60.0
KINDS = 1_000


class Seldom(logging.Filter):
    """Lets a library say the same thing once a minute: while a broker is away, aiokafka says so a hundred times a second."""

    def __init__(self) -> None:
        """Begin with nothing said."""
        super().__init__()
        self._said_at: dict[tuple[str, str], float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Say whether a record is to be told. Kinds are told apart by their text before values are put in; tracebacks always are."""
        if record.exc_info or not record.name.startswith(LIBRARIES):
            return True
        kind = (record.name, str(record.msg)[:200])
        now = time.monotonic()
        if now - self._said_at.get(kind, -REPEAT_S) < REPEAT_S:
            return False
        if len(self._said_at) >= KINDS:
            self._said_at.clear()
        self._said_at[kind] = now
        return True


def configure(settings: Settings, *, service: str) -> None:
    """Set up structlog and the standard library's logging (for aiokafka, Faust, uvicorn) to one stream on stderr."""
    shared_processors: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        without_passwords,
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
    handler.addFilter(Seldom())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(settings.log_level.upper())
    for library in LIBRARIES:
        logging.getLogger(library).setLevel(max(logging.WARNING, root.level))
    # It says with a traceback, at every try, what our services say once: the database is away.
    logging.getLogger("asyncpg.pool").setLevel(logging.ERROR)
    structlog.contextvars.bind_contextvars(service=service)


def without_passwords(_logger: object, _method: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """Mask the secret that an event's `url` may hold, as a feed's of a paying reader does."""
    url = event.get("url")
    if isinstance(url, str) and ("@" in url or "=" in url):
        event["url"] = masked(url)
    return event


def get_logger(**bound: object) -> structlog.stdlib.BoundLogger:
    """Give a logger with fields bound to every line."""
    logger: structlog.stdlib.BoundLogger = structlog.stdlib.get_logger(**bound)
    return logger
