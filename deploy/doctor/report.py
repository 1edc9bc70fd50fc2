"""The examination as a whole, and how it is told: to people by colour and remedy, to programs as JSON."""

import asyncio
import json
from collections.abc import Mapping

from rich.console import Console
from rich.text import Text

from deploy.doctor import broker, configuration, machine
from deploy.doctor.findings import Finding, Level, well
from deploy.helm.generate import settings_of
from deploy.local.places import DataFolder
from shared.errors import InvalidSetting
from shared.health import running_version
from shared.settings import Settings

MARKS: Mapping[Level, tuple[str, str]] = {
    Level.WELL: ("✓", "green"),
    Level.WARNING: ("!", "yellow"),
    Level.PROBLEM: ("✗", "bold red"),
}


def examine(services: Mapping[str, object], folder: DataFolder) -> list[Finding]:
    """Look at everything that can be looked at from here."""
    findings = configuration.examine({name: lambda name=name: settings_of(name) for name in services})  # type: ignore[misc]
    return findings + asyncio.run(_examine_all(folder))


async def _examine_all(folder: DataFolder) -> list[Finding]:
    return [*await _broker(), *await _database(), *await machine.examine(folder)]


async def _broker() -> list[Finding]:
    try:
        return await broker.examine(Settings.load())
    except InvalidSetting:
        return []  # told with the settings


async def _database() -> list[Finding]:
    try:
        from deploy.doctor import database  # noqa: PLC0415 - publish is an extra
        from services.publish.config import PublishSettings  # noqa: PLC0415
    except ModuleNotFoundError as error:
        return [well("database", f"not looked at: the package {error.name} is not installed here (slugline[publish])")]
    try:
        return await database.examine(PublishSettings.load())
    except InvalidSetting:
        return []


def as_json(findings: list[Finding]) -> str:
    """Write the findings for programs."""
    return json.dumps(
        {
            "version": running_version(),
            "well": not any(finding.level is Level.PROBLEM for finding in findings),
            "findings": [{"area": one.area, "level": one.level.value, "what": one.what, "remedy": one.remedy or None} for one in findings],
        },
        ensure_ascii=False,
        indent=1,
    )


def show(console: Console, findings: list[Finding]) -> None:
    """Write the findings for people, what is wrong last, where the eye rests."""
    for level in (Level.WELL, Level.WARNING, Level.PROBLEM):
        for one in findings:
            if one.level is level:
                mark, style = MARKS[level]
                console.print(Text.assemble((f"{mark} {one.area:<9} ", style), one.what), soft_wrap=True)
                if one.remedy:
                    console.print(Text.assemble((f"  {'':<9} → ", style), one.remedy), soft_wrap=True)
    counts = {level: sum(one.level is level for one in findings) for level in Level}
    console.print(f"{counts[Level.PROBLEM]} problems, {counts[Level.WARNING]} warnings, {counts[Level.WELL]} well", highlight=False)
