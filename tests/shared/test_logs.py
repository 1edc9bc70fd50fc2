"""What logs may hold."""

import pytest

from shared.logs import without_passwords


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://reader:s3cret@outlet.example/rss", "https://reader:***@outlet.example/rss"),
        ("https://outlet.example/@desk?to=a@b.example", "https://outlet.example/@desk?to=a@b.example"),
        ("http://[reader:s3cret@", "***"),
    ],
)
def test_no_password_of_a_url_is_logged(url: str, shown: str) -> None:
    assert without_passwords(None, "info", {"event": "feed_failed", "url": url}) == {"event": "feed_failed", "url": shown}
