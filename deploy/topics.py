"""`slugline topics`: the table of topics, and how a broker's differ from it."""

import asyncio
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from shared import topics
from shared.access import ACCESS
from shared.errors import InvalidSetting
from shared.kafka import acls as kafka_acls
from shared.kafka import admin as kafka_admin
from shared.kafka.admin import REPARTITIONING, Difference, TopicSettings
from shared.retention import RetentionSettings, topics_kept
from shared.settings import Settings

app = typer.Typer(no_args_is_help=True, add_completion=False, help="Create the topics, and say how a broker's differ.")
Replication = Annotated[
    int | None,
    typer.Option(
        min=1, max=10, help="Replicas of each topic. Else SLUGLINE_KAFKA_REPLICATION, else three, or one a broker where there are fewer."
    ),
]


@app.command()
def apply(replication: Replication = None) -> None:
    """Create what is missing and set the settings that differ. Applied twice, it does nothing the second time.

    Partitions are never changed; exit code 1 if a topic needs that. Example: slugline topics apply --replication 3
    """
    settings = TopicSettings.load()

    async def work() -> kafka_admin.Applied:
        async with kafka_admin.connected(settings) as admin:
            return await kafka_admin.apply(
                admin, topics_kept(RetentionSettings.load()), replication=replication or settings.kafka_replication
            )

    applied = asyncio.run(work())
    console = Console()
    for verb, names in (("created", applied.created), ("changed", applied.changed)):
        for name in names:
            console.print(f"{verb} {name}", highlight=False)
    if not applied.created and not applied.changed:
        console.print(f"{len(topics.ALL)} topics are as they should be" if not applied.left else "nothing that can be applied differs")
    if applied.left:
        _print_differences(console, list(applied.left))
        raise typer.Exit(1)


@app.command()
def check(
    replication: Replication = None,
    service: Annotated[
        str | None,
        typer.Option(
            "--for", metavar="SERVICE", help="Look only whether this service's topics are there, for which its own user suffices."
        ),
    ] = None,
) -> None:
    """Say how the broker's topics differ from the table; exit code 1 if they do. Nothing is changed.

    Example: slugline topics check --for fetch
    """
    settings = TopicSettings.load()
    if service is not None and service not in ACCESS:
        raise InvalidSetting(f"--for is one of {', '.join(ACCESS)}, not {service!r}; other services have nothing to do with Kafka")
    wanted = list(
        topics.ALL if service is None else {topic.name: topic for topic in (*ACCESS[service].reads, *ACCESS[service].writes)}.values()
    )

    async def work() -> list[Difference]:
        async with kafka_admin.connected(settings) as admin:
            if service is not None:
                return await kafka_admin.check_presence(admin, wanted)
            return await kafka_admin.check(
                admin, topics_kept(RetentionSettings.load()), replication=replication or settings.kafka_replication
            )

    differences = asyncio.run(work())
    console = Console()
    if differences:
        _print_differences(console, differences)
        raise typer.Exit(1)
    console.print(f"{len(wanted)} topics are as they should be")


@app.command()
def acls(
    do_apply: Annotated[bool, typer.Option("--apply", help="Give the broker what it lacks, as an administrator of the cluster.")] = False,
    do_check: Annotated[
        bool, typer.Option("--check", help="Say how the broker's permissions differ; exit code 1 if some are missing.")
    ] = False,
    principal: Annotated[
        str, typer.Option(help="How a user is called; {name} stands for poll, fetch, …, operator, reader.")
    ] = kafka_acls.PRINCIPALS,
) -> None:
    """Print who needs which permission in Kafka, as commands of its own tool; or apply or check it.

    Nothing is taken away: what the broker has beyond the table is told.

    Example: slugline topics acls --apply --principal 'User:CN={name}.slugline'
    """
    if "{name}" not in principal or ":" not in principal:
        raise InvalidSetting(f"--principal is like {kafka_acls.PRINCIPALS!r}, not {principal!r}")
    settings = Settings.load()
    if not (do_apply or do_check):
        for line in kafka_acls.commands(settings.kafka_bootstrap_servers, principal):
            typer.echo(line)
        return

    async def work() -> kafka_acls.Standing:
        async with kafka_admin.connected(settings) as admin:
            return await (kafka_acls.apply if do_apply else kafka_acls.compare)(admin, principal)

    standing = asyncio.run(work())
    for rule in standing.missing:
        typer.echo(f"{'gave' if do_apply else 'missing'}: {rule}")
    for rule in standing.surplus:
        typer.echo(f"not in the table, take it away unless you gave it on purpose: {rule}")
    if not standing.missing and not standing.surplus:
        typer.echo("permissions are as they should be")
    if standing.missing and not do_apply:
        raise typer.Exit(1)


@app.command(name="list")
def list_topics() -> None:
    """Show the table of topics as this version wants them. Nothing is asked of a broker."""
    table = Table(box=None, pad_edge=False)
    for column in ("topic", "partitions", "cleanup", "key", "holds"):
        table.add_column(column)
    for topic in topics_kept(RetentionSettings.load()):
        table.add_row(topic.name, str(topic.partitions), topic.config["cleanup.policy"], topic.key, topic.holds)
    Console().print(table, highlight=False)


def _print_differences(console: Console, differences: list[Difference]) -> None:
    table = Table(box=None, pad_edge=False)
    for column in ("topic", "setting", "is", "should be", "mended by"):
        table.add_column(column, overflow="fold")
    for difference in differences:
        remedy = "slugline topics apply" if difference.remedy == "apply" else "an operation"
        table.add_row(difference.topic, difference.setting, difference.found, difference.wanted, remedy)
    console.print(table, highlight=False)
    if any(difference.remedy == "operation" for difference in differences):
        console.print(f"{REPARTITIONING}.", style="yellow", highlight=False)
