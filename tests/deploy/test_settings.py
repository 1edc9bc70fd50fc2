"""Wrong settings of any service: all are named at once, with what they allow, on one screen, before anything starts."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from deploy.cli import SERVICES
from deploy.helm.generate import settings_of
from shared.errors import InvalidSetting
from shared.settings import DatabaseSettings, Settings, masked

WRONG = {
    "SLUGLINE_LOG_LEVEL": "loud",
    "SLUGLINE_HEALTH_PORT": "99999",
    "SLUGLINE_KAFKA_BOOTSTRAP_SERVERS": "kafka",
    "SLUGLINE_KAFKA_SASL_MECHANISM": "GSSAPI",
    "SLUGLINE_KAFKA_USERNAME": "somebody",
    "SLUGLINE_KAFKA_CA_FILE": "/no/such/ca.pem",
}


@pytest.mark.parametrize("service", SERVICES)
def test_all_wrong_settings_of_a_service_are_named_at_once(service: str, monkeypatch: pytest.MonkeyPatch) -> None:
    kind = settings_of(service)
    wrong = dict(WRONG)
    if issubclass(kind, DatabaseSettings):
        wrong["SLUGLINE_DATABASE_URL"] = "mysql://somebody:hush@db/news?sslmode=maybe"
    for name, value in wrong.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(InvalidSetting) as told:
        kind.load()
    said = str(told.value)
    named = set(wrong) - {"SLUGLINE_KAFKA_USERNAME"} | {"SLUGLINE_KAFKA_SECURITY_PROTOCOL"}
    assert {line.split()[0] for line in said.splitlines()[1:]} >= named
    for allowed in ("'SCRAM-SHA-512', 'SCRAM-SHA-256' or 'PLAIN'", "^(debug|info|warning|error)$", "65535", "'kafka' is not host:port"):
        assert allowed in said
    assert "hush" not in said


def test_a_service_with_wrong_settings_ends_with_one_screen() -> None:
    told = subprocess.run(
        [sys.executable, "-m", "deploy.cli", "run", "materialise"], capture_output=True, text=True, check=False, env=os.environ | WRONG
    )
    assert told.returncode == 1
    assert told.stderr.startswith("slugline: 6 settings are wrong:\n  SLUGLINE_")
    assert "Traceback" not in told.stderr
    assert told.stdout == ""


@pytest.mark.parametrize(
    ("given", "named"),
    [
        (
            {"kafka_security_protocol": "SASL_SSL"},
            r"2 settings are wrong:\n  SLUGLINE_KAFKA_USERNAME is missing.*\n  SLUGLINE_KAFKA_PASSWORD is missing",
        ),
        (
            {"kafka_security_protocol": "SASL_SSL", "kafka_username": "a", "kafka_password": "b", "kafka_password_file": __file__},
            "SLUGLINE_KAFKA_PASSWORD_FILE is set and SLUGLINE_KAFKA_PASSWORD too",
        ),
        ({"kafka_username": "a"}, "SLUGLINE_KAFKA_SECURITY_PROTOCOL is PLAINTEXT, which takes no user"),
        ({"kafka_ca_file": __file__}, "SLUGLINE_KAFKA_SECURITY_PROTOCOL is PLAINTEXT, which uses no certificates"),
        ({"kafka_security_protocol": "SSL", "kafka_certificate_file": __file__}, "SLUGLINE_KAFKA_KEY_FILE and .* belong together"),
        ({"kafka_security_protocol": "SSL", "kafka_ca_file": __file__}, "SLUGLINE_KAFKA_CA_FILE is wrong: .* holds no certificate"),
        ({"kafka_security_protocol": "SSL", "kafka_ca_file": "/no/such"}, "SLUGLINE_KAFKA_CA_FILE names /no/such, which is no file"),
        ({"kafka_bootstrap_servers": "a:1,b"}, "SLUGLINE_KAFKA_BOOTSTRAP_SERVERS 'b' is not host:port"),
    ],
)
def test_settings_that_do_not_go_together_are_named(given: dict[str, str], named: str) -> None:
    with pytest.raises(InvalidSetting, match=named):
        Settings.load(**given)


@pytest.mark.parametrize(
    ("url", "named"),
    [
        ("mysql://u:hush@h/d", "does not begin with postgresql://"),
        ("postgresql://u:hu/sh@h:5432/d", "is no URL: in a password, write characters such as"),
        ("postgresql://u:hush@h:5432", "names no database"),
        ("postgresql://u:hush@h:5432/d?sslmode=maybe", "has sslmode=maybe; there are disable, allow"),
        ("postgresql://u:hush@h:5432/d?sslrootcert=/no/such", "names /no/such, which is no file"),
    ],
)
def test_a_wrong_database_url_is_told_without_its_password(url: str, named: str) -> None:
    with pytest.raises(InvalidSetting, match=named) as told:
        DatabaseSettings.load(database_url=url)
    assert "hush" not in str(told.value)
    assert "hu/sh" not in str(told.value)


def test_several_hosts_are_fine() -> None:
    DatabaseSettings.load(database_url="postgresql://u:p@a:5432,b:5432/d?sslmode=verify-full")


def test_both_kinds_of_database_password_are_one_too_many(tmp_path: Path) -> None:
    (tmp_path / "password").write_text("x")
    with pytest.raises(InvalidSetting, match="SLUGLINE_DATABASE_PASSWORD_FILE is set and the URL has a password too"):
        DatabaseSettings.load(database_url="postgresql://u:p@h/d", database_password_file=str(tmp_path / "password"))


def test_a_password_is_masked_wherever_it_stands() -> None:
    assert masked("postgresql://u:hush@h:5432/d?sslmode=require") == "postgresql://u:***@h:5432/d?sslmode=require"
    assert masked("postgresql://u@h/d?password=hush&x=1") == "postgresql://u@h/d?password=***&x=1"
    assert masked("postgresql://u:hu@sh@h:5432/d") == "postgresql://u:***@h:5432/d"
    assert masked("postgresql:///d") == "postgresql:///d"
    assert masked("https://outlet.example/rss?Token=hush&page=2") == "https://outlet.example/rss?Token=***&page=2"
    assert masked("https://outlet.example/rss?a=1&api_key=hush#top") == "https://outlet.example/rss?a=1&api_key=***#top"
    assert masked("https://outlet.example/rss?keyword=port&author=dana") == "https://outlet.example/rss?keyword=port&author=dana"
    assert "hush" not in repr(Settings(kafka_password="hush"))
