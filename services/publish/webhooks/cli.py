"""The commands `slugline webhooks …`."""

import secrets
from datetime import UTC, datetime
from typing import Annotated
from uuid import uuid4

import typer

from services.publish.command import AsJson, connected, run_work, show_rows
from shared.errors import SluglineError

webhooks_app = typer.Typer(no_args_is_help=True, help="Tell other programs of a feed's changes, signed (docs/consuming.md).")

Name = Annotated[str, typer.Argument(help="As `slugline webhooks list` gives it.")]


class NotTaken(SluglineError):
    """The endpoint did not take what it was sent."""


@webhooks_app.command("add", epilog="Example: slugline webhooks add desk --feed search/harbours --url https://receiver.example/slugline")
def add_webhook(
    name: Annotated[str, typer.Argument(help="Lower-case letters, digits and hyphens.")],
    feed: Annotated[str, typer.Option(help="Such as search/harbours, section/science, top, language/en.")],
    url: Annotated[str, typer.Option(help="Where to post; https, and an address that is public.")],
    existing: Annotated[bool, typer.Option("--existing", help="Tell of the stories that stand in the feed now, too.")] = False,
) -> None:
    """Tell an address of each story that enters a feed, changes in it or leaves it. Shows the secret, once."""
    from services.publish.config import WebhookSettings
    from services.publish.webhooks.endpoints import add_endpoint, check_url
    from services.publish.webhooks.sign import SECRET_BYTES, secret_of
    from shared.addresses import AddressPolicy

    checked = check_url(url, AddressPolicy(WebhookSettings.load().webhook_allow, setting="SLUGLINE_WEBHOOK_ALLOW"))
    secret = secret_of(secrets.token_bytes(SECRET_BYTES))

    async def work() -> None:
        async with connected() as (connection, _):
            await add_endpoint(connection, uuid4(), name, feed, checked, secret, existing=existing)

    run_work(work())
    typer.echo(f"{name} is told of {feed}. Its secret, which is not shown again:\n{secret}")


@webhooks_app.command("list")
def list_webhooks(as_json: AsJson = False) -> None:
    """List the webhooks and how each does."""

    async def work() -> None:
        from services.publish.webhooks.endpoints import endpoints
        from services.publish.webhooks.queue import waiting

        async with connected() as (connection, _):
            counts = {row["name"]: row["waiting"] for row in await waiting(connection)}
            rows = [
                {
                    "name": one.name,
                    "feed": one.feed,
                    "url": one.url,
                    "state": one.state,
                    "waiting": counts.get(one.name, 0),
                    "last_success_at": one.last_success_at,
                    "failing_since": one.failing_since,
                    "why": one.disabled_reason or one.last_error,
                }
                for one in await endpoints(connection)
            ]
            show_rows(("name", "feed", "url", "state", "waiting", "last_success_at", "failing_since", "why"), rows, as_json=as_json)

    run_work(work())


@webhooks_app.command("remove")
def remove_webhook(name: Name) -> None:
    """Remove a webhook, and with it what waits for it."""

    async def work() -> None:
        from services.publish.webhooks.endpoints import remove_endpoint

        async with connected() as (connection, _):
            await remove_endpoint(connection, name)

    run_work(work())


@webhooks_app.command("test")
def test_webhook(name: Name) -> None:
    """Post an event of type webhook.test to the address now, from this machine, and say how it went."""

    async def work() -> None:
        from services.publish.config import WebhookSettings
        from services.publish.webhooks.endpoints import endpoint
        from services.publish.webhooks.event import probe_event
        from services.publish.webhooks.queue import log_delivery
        from services.publish.webhooks.send import Sender
        from shared.addresses import AddressPolicy

        settings = WebhookSettings.load()
        policy = AddressPolicy(settings.webhook_allow, setting="SLUGLINE_WEBHOOK_ALLOW")
        async with connected() as (connection, _), Sender(policy, settings.webhook_timeout_s) as sender:
            found = await endpoint(connection, name)
            event = probe_event(found.webhook_id, found.feed, datetime.now(UTC))
            answer = await sender.post(found.url, event, found.secrets)
            await log_delivery(
                connection,
                found.webhook_id,
                event,
                attempt=1,
                outcome=answer.outcome,
                status=answer.status,
                error=answer.error,
                took_ms=answer.took_ms,
            )
        if not answer.delivered:
            raise NotTaken(f"{found.url}: {answer.outcome}: {answer.error}")
        typer.echo(f"{found.url} answered {answer.status} within {answer.took_ms} ms")

    run_work(work())


@webhooks_app.command("deliveries")
def list_deliveries(name: Name, limit: Annotated[int, typer.Option(min=1, max=10_000)] = 20, as_json: AsJson = False) -> None:
    """List the last tries, newest first."""

    async def work() -> None:
        from services.publish.webhooks.endpoints import deliveries, endpoint

        columns = ("attempted_at", "kind", "story_id", "revision", "attempt", "outcome", "status", "took_ms", "event_id", "error")
        async with connected() as (connection, _):
            await endpoint(connection, name)
            show_rows(columns, [dict(row) for row in await deliveries(connection, name, limit)], as_json=as_json)

    run_work(work())


@webhooks_app.command("enable")
def enable_webhook(name: Name) -> None:
    """Try a webhook again now, one that was disabled too. It is told of all that changed meanwhile."""

    async def work() -> None:
        from services.publish.webhooks.endpoints import enable_endpoint

        async with connected() as (connection, _):
            await enable_endpoint(connection, name)

    run_work(work())


@webhooks_app.command("rotate")
def rotate_webhook(name: Name) -> None:
    """Give a webhook another secret and show it, once. For a day both secrets sign, so that the receiver can change over."""
    from services.publish.webhooks.sign import SECRET_BYTES, secret_of

    secret = secret_of(secrets.token_bytes(SECRET_BYTES))

    async def work() -> None:
        from services.publish.webhooks.endpoints import rotate_secret

        async with connected() as (connection, _):
            await rotate_secret(connection, name, secret)

    run_work(work())
    typer.echo(f"the new secret of {name}, which is not shown again:\n{secret}")
