"""The one console script, `slugline`. What a command needs is imported when the command is used."""

import asyncio
import importlib
import logging
import sys
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Annotated, Any, Final, NoReturn, get_type_hints

import typer
from rich.console import Console
from typer.core import TyperCommand, TyperGroup

from shared.errors import InvalidSetting, SluglineError, Unauthorised, Unreachable

EPILOG: Final = """
Examples:

`make run` starts everything on this machine; then, in another terminal of the same folder:

* slugline feeds add https://example.org/rss.xml

* slugline ingest replay articles.jsonl.gz --rate 50

* slugline stories list

* slugline topics check

* slugline local status

Settings are environment variables that begin with SLUGLINE_. Commands talk to the local instance of this folder while one runs
and SLUGLINE_KAFKA_BOOTSTRAP_SERVERS and SLUGLINE_DATABASE_URL say nothing else.
"""


@dataclass(frozen=True, slots=True)
class Mounted:
    """A command whose code lies elsewhere: its line in the help, and each `MODULE:ATTRIBUTE` that adds to it with the extra it needs.

    `examples` stand below the help of a group, in the order in which a newcomer would call them.
    """

    does: str
    parts: tuple[tuple[str, str], ...]
    examples: tuple[str, ...] = ()


MOUNTED: Final = {
    "local": Mounted(
        "Run everything on this machine: broker, database, services.",
        (("deploy.local.cli:app", "local"),),
        ("local run --port 8090", "local status", "local stop"),
    ),
    "status": Mounted("Show everything on one screen, live.", (("deploy.status:app", "local"),)),
    "topics": Mounted("Create the topics, and say how a broker's differ.", (("deploy.topics:app", ""),), ("topics check", "topics apply")),
    "feeds": Mounted(
        "Add, list, remove, import and export feeds.",
        (("services.ingest.cli:feeds_app", "ingest"),),
        ("feeds check https://outlet.example/rss", "feeds add https://outlet.example/rss", "feeds status"),
    ),
    "ingest": Mounted(
        "Replay files of articles.",
        (("services.ingest.cli:ingest_app", "ingest"),),
        ("ingest replay articles.jsonl.gz --rate 50", "ingest extract https://outlet.example/news/a"),
    ),
    "tokens": Mounted(
        "Give senders their tokens for POST /articles, and take them away.",
        (("services.ingest.commands.tokens:app", "ingest"),),
        ("tokens add wire-desk", "tokens list"),
    ),
    "stories": Mounted(
        "List and show stories; merge, split and move them.",
        (("services.publish.cli:stories_app", "publish"), ("services.cluster.cli:stories_app", "cluster")),
        ("stories list --feed language/en --limit 5", "stories show STORY_ID", "stories merge STORY_ID INTO_STORY_ID"),
    ),
    "views": Mounted(
        "Define the feeds that readers see.",
        (("services.publish.cli:views_app", "publish"),),
        ("views list", "views add harbours --words 'harbour or port' --min-publishers 2", "stories list --feed search/harbours"),
    ),
    "webhooks": Mounted(
        "Tell other programs of a feed's changes, signed.",
        (("services.publish.webhooks.cli:webhooks_app", "publish"),),
        ("webhooks add desk --feed top --url https://receiver.example/slugline", "webhooks test desk", "webhooks deliveries desk"),
    ),
    "evaluate": Mounted("Measure clustering on labelled articles.", (("services.cluster.evaluate.cli:evaluate_app", "cluster"),)),
    "db": Mounted(
        "Migrate the database and say how it stands.",
        (("services.publish.cli:db_app", "publish"), ("services.publish.roles_cli:db_app", "publish")),
        ("db version", "db migrate"),
    ),
    "offsets": Mounted(
        "Show where each stage stands in its source, and set it anew.",
        (("deploy.offsets:app", ""),),
        ("offsets show", "offsets reset assign --partition 0 --to earliest"),
    ),
    "deadletters": Mounted(
        "List, show, replay and drop inputs that could not be handled.",
        (("deploy.deadletters:app", ""),),
        ("deadletters list --stage fetch --since-hours 6", "deadletters show 3f2a91c0", "deadletters replay --reason fetch_failed"),
    ),
    "rebuild": Mounted(
        "Cluster the kept history again beside the live system, or fill the rows again.",
        (("services.cluster.rebuild.cli:rebuild_app", "cluster"), ("services.publish.rebuild.cli:rebuild_app", "publish")),
        ("rebuild start", "rebuild diff --html diff.html", "rebuild apply --why 'the model of release 1.4'", "rebuild views"),
    ),
    "erase": Mounted(
        "Erase an article or an outlet everywhere, with proof.",
        (("deploy.erase:app", "local"),),
        ("erase article https://outlet.example/a --why 'a court order'", "erase verify https://outlet.example/a --text article.txt"),
    ),
    "contracts": Mounted(
        "Export the schemas of messages, and check them.", (("deploy.contracts:app", ""),), ("contracts check", "contracts export")
    ),
}

SERVICES: Final = {
    "poll": ("services.ingest.poll.app", "ingest"),
    "fetch": ("services.ingest.fetch.app", "ingest"),
    "post": ("services.ingest.post.app", "ingest"),
    "enrich": ("services.cluster.enrich.app", "cluster"),
    "assign": ("services.cluster.assign.app", "cluster"),
    "link": ("services.cluster.link.app", "cluster"),
    "materialise": ("services.publish.materialise.app", "publish"),
    "brief": ("services.publish.brief.app", "publish"),
    "webhooks": ("services.publish.webhooks.app", "publish"),
    "web": ("services.publish.web.app", "publish"),
}
"""Each module has `async def run(settings, stop)`, which returns after a clean end once `stop` is set."""


class MissingExtra(SluglineError):
    """A command's dependencies aren't installed. The message names the extra that brings them."""


class Deferred(TyperCommand):
    """Stands for a mounted command: listed by its line in the table, imported once it is the one to run."""

    def __init__(self, name: str, mounted: Mounted) -> None:
        """Keep where the command is."""
        super().__init__(name, callback=None, help=mounted.does)
        self._mounted = mounted

    def make_context(self, info_name: str | None, args: list[str], parent: Any = None, **extra: Any) -> Any:
        """Import the command and let it read its arguments."""
        command = typer.main.get_command(_load(str(self.name), self._mounted))
        command.name = self.name
        return command.make_context(info_name, args, parent=parent, **extra)


class LazyGroup(TyperGroup):
    """A group with the mounted commands, so that `--help` is quick and needs no extra."""

    def list_commands(self, ctx: Any) -> list[str]:
        """Give all names, those of the table too."""
        return [*super().list_commands(ctx), *MOUNTED]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Give a command by name."""
        mounted = MOUNTED.get(cmd_name)
        return Deferred(cmd_name, mounted) if mounted else super().get_command(ctx, cmd_name)


def _load(name: str, mounted: Mounted) -> typer.Typer:
    """Put a command together from its parts. A part whose extra isn't installed is left out, unless it is the only one."""
    told = "\n\n".join(["Examples:", *(f"• slugline {example}" for example in mounted.examples)]) if mounted.examples else None
    whole = typer.Typer(no_args_is_help=True, add_completion=False, help=mounted.does, epilog=told)
    missing: list[MissingExtra] = []
    for where, extra in mounted.parts:
        module, attribute = where.split(":")
        try:
            part: typer.Typer = getattr(_import(module, f"slugline {name}", extra), attribute)
        except MissingExtra as error:
            missing.append(error)
            continue
        whole.registered_commands += part.registered_commands
        whole.registered_groups += part.registered_groups
        whole.registered_callback = whole.registered_callback or part.registered_callback
    if len(missing) == len(mounted.parts):
        raise missing[0]
    if whole.registered_callback is None and not whole.registered_groups:
        whole.callback()(_nothing)
    return whole


def _nothing() -> None:
    """Do nothing: its presence keeps a group with one command a group."""


def _import(module: str, command: str, extra: str) -> Any:
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        missing = error.name or ""
        if missing.split(".")[0] in {"services", "shared", "deploy"}:
            raise
        raise MissingExtra(f"`{command}` needs the package {missing}: `pip install 'slugline[{extra or 'local'}]'`") from error


app = typer.Typer(
    cls=LazyGroup,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    help="Turns many outlets' feeds into stories: one event, told once, with every outlet that covered it.",
    epilog=EPILOG,
)


@app.callback(invoke_without_command=True)
def slugline(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Say which version this is.", is_eager=True)] = False,
) -> None:
    """Turn many outlets' feeds into stories: one event, told once, with every outlet that covered it."""
    if version:
        from shared.health import running_version

        typer.echo(f"slugline {running_version()}")
    elif context.invoked_subcommand is None:
        typer.echo(context.get_help())


@app.command(name="run", epilog="Example: SLUGLINE_HEALTH_PORT=9101 slugline run assign")
def run_service(
    name: Annotated[str, typer.Argument(help=f"One of: {', '.join(SERVICES)}.", metavar="NAME")],
) -> None:
    """Run one service until SIGTERM or SIGINT, after which it ends cleanly.

    It ends with an error where something unexpected happens, and is meant to be started again by what supervises it.
    """
    if name not in SERVICES:
        raise InvalidSetting(f"no service is called {name!r}; there are {', '.join(SERVICES)}")
    module, extra = SERVICES[name]
    service: Callable[[Any, asyncio.Event], Coroutine[Any, Any, None]] = _import(module, f"slugline run {name}", extra).run
    settings = get_type_hints(service)["settings"].load()

    from shared import service as process

    process.main(name, settings, service)


@app.command()
def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document, for programs.")] = False,
    strict: Annotated[bool, typer.Option("--strict", help="Exit code 1 for warnings, too.")] = False,
) -> None:
    """Examine settings, broker, topics, database, clocks, disk and permissions; say what is wrong and how to mend it.

    Exit code 1 if there is a problem. Nothing is changed.
    """
    from deploy.doctor import report
    from deploy.doctor.findings import Level
    from deploy.local.places import default_data_folder

    findings = report.examine(SERVICES, default_data_folder())
    if as_json:
        typer.echo(report.as_json(findings))
    else:
        report.show(Console(), findings)
    bad = {Level.PROBLEM, Level.WARNING} if strict else {Level.PROBLEM}
    if any(finding.level in bad for finding in findings):
        raise typer.Exit(1)


def main() -> None:
    """Run the command line. An error of ours is one line on stderr and exit code 1."""
    from deploy import trail
    from deploy.local.state import point_at_running_instance

    # A broker that does not answer is told in our words; services set this logger up anew.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    point_at_running_instance()
    try:
        trail.note(sys.argv[1:])
        app()
    except SluglineError as error:
        _fail(error)
    except BrokenPipeError:
        # The reader of our output (`| head`) has left.
        sys.stderr.close()
        sys.exit(141)
    except Exception as error:
        from shared.refusals import explain

        if (refusal := explain(error)) is None:
            raise
        _fail(refusal)


def _fail(error: SluglineError) -> NoReturn:
    from deploy.local.state import still_starting

    if isinstance(error, (Unauthorised, Unreachable)) and (why := still_starting()):
        error = SluglineError(f"{error}. {why}")
    Console(stderr=True).print(f"slugline: {error}", style="red", markup=False, highlight=False, soft_wrap=True)
    sys.exit(1)


if __name__ == "__main__":
    main()
