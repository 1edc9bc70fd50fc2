"""What docs/consuming.md says of topics, reasons and ids is what the code has."""

import re
from pathlib import Path

from services.publish.config import WebhookSettings
from shared.contracts.story_updated import Reason
from shared.ids import NAMESPACE
from shared.topics import ALL, DAY_MS, Topic

PAGE = (Path(__file__).parents[2] / "docs" / "consuming.md").read_text(encoding="utf-8")


def cleanup(topic: Topic) -> str:
    policies = " and ".join(topic.config["cleanup.policy"].split(","))
    return f"{policies}, {int(topic.config['retention.ms']) // DAY_MS} days" if "delete" in policies else policies


def test_the_table_of_topics_is_that_of_the_code() -> None:
    """Every public topic, with its partitions and how long it keeps what."""
    told = {
        name: (int(partitions), kept)
        for name, partitions, kept in re.findall(r"^\| `([\w.]+)` \| [^|]+ \| (\d+) \| ([^|]+) \| \w+:", PAGE, re.MULTILINE)
    }
    assert told == {topic.name: (topic.partitions, cleanup(topic)) for topic in ALL if topic.contract is not None}


def test_reasons_and_numbers_are_those_of_the_code() -> None:
    """Whoever adds a reason, or changes how long webhooks are tried, says so."""
    assert all(f"`{reason.value}`" in PAGE for reason in Reason)
    assert str(NAMESPACE) in PAGE
    settings = {name: field.default for name, field in WebhookSettings.model_fields.items()}
    assert f"within {settings['webhook_timeout_s']} seconds" in PAGE
    assert f"after {settings['webhook_retry_first_s']} seconds" in PAGE
    assert settings["webhook_retry_longest_s"] == 3_600
    assert f"After {settings['webhook_disable_after_days']} days" in PAGE


def test_links_lead_somewhere() -> None:
    """Pages and folders that are named are there."""
    root = Path(__file__).parents[2]
    for target in re.findall(r"\]\(([^)#]+)\)", PAGE):
        if not target.startswith("https://"):
            assert (root / "docs" / target).resolve().exists(), target
