"""Settings: whether every service could start with them, and whether a name is misspelt."""

import os
from collections.abc import Callable, Mapping
from difflib import get_close_matches
from typing import Final

from deploy.doctor.findings import Finding, problem, warning, well
from shared.errors import InvalidSetting
from shared.settings import PREFIX, Settings

AREA: Final = "settings"
OUTSIDE: Final = frozenset(
    f"{PREFIX}{name}"
    for name in ("DATA", "TRAIL", "IMAGE", "DB_PASSWORD", "GRAFANA_PASSWORD", "WEB_BIND", "POST_BIND", "KAFKA_REPLICATION")
)
"""Names that are no setting of a service: the local mode's, the topics command's, and those of docker-compose.yml."""

OPTIONAL: Final[Mapping[str, str]] = {"post": f"{PREFIX}POST_"}
"""Services that need a setting and are off by default, with how their settings begin."""


def examine(services: Mapping[str, Callable[[], type[Settings]]], environment: Mapping[str, str] = os.environ) -> list[Finding]:
    """Load each service's settings as it would, and look at all names that begin as settings do."""
    faults: dict[str, list[str]] = {}
    known = set(OUTSIDE)
    for service, kind in services.items():
        try:
            settings = kind()
        except ModuleNotFoundError:
            continue  # its extra is not installed: it can't run here
        known |= {f"{PREFIX}{name.upper()}" for name in settings.model_fields}
        if service in OPTIONAL and not any(name.startswith(OPTIONAL[service]) for name in environment):
            continue
        try:
            settings.load()
        except InvalidSetting as error:
            for line in str(error).splitlines():
                if line.strip().startswith(PREFIX):
                    faults.setdefault(line.strip(), []).append(service)
    findings = [problem(AREA, fault, f"without it these do not start: {', '.join(concerned)}") for fault, concerned in faults.items()]
    for name in sorted(name for name in environment if name.startswith(PREFIX) and name not in known):
        near = get_close_matches(name, known, 1)
        findings.append(warning(AREA, f"{name} is no setting", f"did you mean {near[0]}?" if near else "unset it"))
    return findings or [well(AREA, "every service's settings are right")]
