"""Settings from the environment, prefix `SLUGLINE_`. All wrong ones are named at once, with what they allow, before anything starts."""

import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self
from urllib.parse import parse_qs, urlsplit

from pydantic import Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict, SettingsError

from shared.errors import InvalidSetting
from shared.tls import client_context

PREFIX = "SLUGLINE_"
SSL_MODES: Final = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")
_SHOWN_CHARACTERS: Final = 60
_FILES: Final = ("kafka_password_file", "kafka_ca_file", "kafka_certificate_file", "kafka_key_file")


class Settings(BaseSettings):
    """What every service needs. A service's own settings derive from it (in its `config.py`)."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, extra="ignore", frozen=True)

    kafka_bootstrap_servers: str = Field(default="127.0.0.1:9092", description="host:port, comma-separated")
    kafka_security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = Field(
        default="PLAINTEXT", description="as the broker's listener; SASL_SSL outside a trusted network"
    )
    kafka_sasl_mechanism: Literal["SCRAM-SHA-512", "SCRAM-SHA-256", "PLAIN"] = Field(
        default="SCRAM-SHA-512", description="for the SASL protocols"
    )
    kafka_username: str = Field(default="", description="for the SASL protocols")
    kafka_password: SecretStr = Field(default=SecretStr(""), description="for the SASL protocols; or kafka_password_file")
    kafka_password_file: str = Field(default="", description="a file that holds the password; read again at each connection")
    kafka_ca_file: str = Field(
        default="", description="PEM file of the authority that signed the brokers' certificates; empty: those the system trusts"
    )
    kafka_certificate_file: str = Field(default="", description="PEM file of a client's certificate, where brokers ask for one")
    kafka_key_file: str = Field(default="", description="PEM file of that certificate's key, not encrypted")
    log_format: Annotated[str, NoDecode] = Field(
        default="json", pattern="^(json|console)$", description="json in production, console for people"
    )
    log_level: str = Field(default="info", pattern="^(debug|info|warning|error)$")
    health_host: str = Field(default="127.0.0.1", description="address of /live, /ready and /metrics; 0.0.0.0 in a container")
    health_port: int = Field(default=0, ge=0, le=65_535, description="0: none is served")
    trace_endpoint: str | None = Field(
        default=None,
        pattern=r"^(https?://[^\s/]+(/\S*)?)?$",
        description="where traces go by OTLP over HTTP, such as http://collector:4318; absent: none are made",
    )
    trace_ratio: float = Field(default=1.0, ge=0, le=1, description="share of articles that are traced: 1 costs some 3 % of the throughput")

    @property
    def kafka_uses_tls(self) -> bool:
        """Whether connections to brokers are encrypted."""
        return self.kafka_security_protocol.endswith("SSL")

    @property
    def kafka_uses_sasl(self) -> bool:
        """Whether brokers ask for a user and a password."""
        return self.kafka_security_protocol.startswith("SASL")

    def faults(self) -> Iterator[tuple[str, str]]:
        """Give what is wrong with settings that are right by themselves: (name, what is wrong and what would be right)."""
        for server in self.kafka_bootstrap_servers.split(","):
            host, _, port = server.strip().rpartition(":")
            if not host or not port.isdigit() or not 0 < int(port) <= 65_535:
                yield "kafka_bootstrap_servers", f"{server.strip()!r} is not host:port"
        if self.kafka_uses_sasl:
            if not self.kafka_username:
                yield "kafka_username", f"is missing: {self.kafka_security_protocol} needs a user"
            if not self.kafka_password.get_secret_value() and not self.kafka_password_file:
                yield "kafka_password", f"is missing: {self.kafka_security_protocol} needs it, or SLUGLINE_KAFKA_PASSWORD_FILE"
            if self.kafka_password.get_secret_value() and self.kafka_password_file:
                yield "kafka_password_file", "is set and SLUGLINE_KAFKA_PASSWORD too: unset one of them"
        elif self.kafka_username or self.kafka_password.get_secret_value() or self.kafka_password_file:
            yield (
                "kafka_security_protocol",
                f"is {self.kafka_security_protocol}, which takes no user and password: set SASL_SSL, or unset those",
            )
        if not self.kafka_uses_tls and (self.kafka_ca_file or self.kafka_certificate_file):
            yield (
                "kafka_security_protocol",
                f"is {self.kafka_security_protocol}, which uses no certificates: set SASL_SSL or SSL, or unset them",
            )
        if bool(self.kafka_certificate_file) != bool(self.kafka_key_file):
            yield "kafka_key_file", "and SLUGLINE_KAFKA_CERTIFICATE_FILE belong together: set both or none"
        missing = [fault for name in _FILES for fault in unreadable(name, getattr(self, name))]
        yield from missing
        if self.kafka_uses_tls and not missing and bool(self.kafka_certificate_file) == bool(self.kafka_key_file):
            try:
                client_context(self.kafka_ca_file, self.kafka_certificate_file, self.kafka_key_file)
            except InvalidSetting as error:
                yield (
                    ("kafka_certificate_file" if str(error).startswith(self.kafka_certificate_file or "\0") else "kafka_ca_file"),
                    f"is wrong: {error}",
                )

    @classmethod
    def load(cls, **values: Any) -> Self:
        """Read the environment. Raises `InvalidSetting` that names all wrong settings and what they allow."""
        wrong: dict[str, str] = {}
        try:
            settings = cls(**values)
        except ValidationError as error:
            for fault in error.errors(include_url=False):
                wrong.setdefault(str(fault["loc"][0]), f"is {_shown(cls, fault)}: {fault['msg']}{_described(cls, str(fault['loc'][0]))}")
            # The others are looked at with the defaults in place of those that are wrong.
            settings = cls(**values | {name: cls.model_fields[name].get_default(call_default_factory=True) for name in wrong})
        except SettingsError as error:
            raise InvalidSetting(str(error)) from error
        for name, what in settings.faults():
            wrong.setdefault(name, what)
        if wrong:
            lines = [f"{PREFIX}{name.upper()} {what}" for name, what in wrong.items()]
            raise InvalidSetting(lines[0] if len(lines) == 1 else f"{len(lines)} settings are wrong:\n  " + "\n  ".join(lines))
        return settings


class DatabaseSettings(Settings):
    """Settings of what talks to Postgres."""

    database_url: str = Field(
        default="postgresql://127.0.0.1:5432/slugline",
        description="postgresql://user:password@host:port/name; over a network with ?sslmode=verify-full&sslrootcert=/path/ca.pem",
    )
    database_password_file: str = Field(
        default="", description="a file that holds the password, in place of one in the URL; read again at each connection"
    )

    def faults(self) -> Iterator[tuple[str, str]]:
        """Look at the URL and at the files that it names, too."""
        yield from super().faults()
        yield from unreadable("database_password_file", self.database_password_file)
        try:
            url = urlsplit(self.database_url)
            query = parse_qs(url.query)
            _ = None if "," in url.netloc else url.port
        except ValueError:
            # Without the value and the error, which may hold a part of the password.
            yield "database_url", "is no URL: in a password, write characters such as / # ? @ as %2F %23 %3F %40"
            return
        if url.scheme not in ("postgresql", "postgres"):
            yield "database_url", "does not begin with postgresql://; it looks like postgresql://user@host:5432/name"
        elif not url.path.strip("/"):
            yield "database_url", "names no database; it looks like postgresql://user@host:5432/name"
        if url.password and self.database_password_file:
            yield "database_password_file", "is set and the URL has a password too: take one of them away"
        if (mode := query.get("sslmode", ["prefer"])[-1]) not in SSL_MODES:
            yield "database_url", f"has sslmode={mode}; there are {', '.join(SSL_MODES)}"
        for option in ("sslrootcert", "sslcert", "sslkey"):
            yield from unreadable("database_url", query.get(option, [""])[-1])


def unreadable(name: str, path: str) -> Iterator[tuple[str, str]]:
    """Give the fault of a setting that names a file which can't be read; an empty one names none."""
    if path and not (Path(path).is_file() and os.access(path, os.R_OK)):
        yield name, f"names {path}, which {'may not be read by this user' if Path(path).is_file() else 'is no file'}"


_SECRET_PARAMETER: Final = re.compile(
    r"([?&](?:[^=&#]*(?:passw|token|secret|api[-_]?key|signature)[^=&#]*|key|sig|auth|pass|pwd)=)[^&#]*", re.IGNORECASE
)
"""As in the newest migration that has the view `freshness_by_feed`, whose test compares them."""


def masked(url: str) -> str:
    """Give a URL for people and logs: with asterisks in place of its password, and of parameters that are called like a secret."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return "***"
    user, _, place = parts.netloc.rpartition("@")
    name, colon, _ = user.partition(":")
    shown = parts._replace(netloc=f"{name}:***@{place}").geturl() if colon else url
    return _SECRET_PARAMETER.sub(r"\1***", shown)


def _shown(settings: type[Settings], fault: Mapping[str, Any]) -> str:
    """Show what was given, unless it may be a secret."""
    name = str(fault["loc"][0])
    if any(word in name for word in ("password", "token", "url", "secret", "key")) or settings.model_fields[name].annotation is SecretStr:
        return "not what it may be"
    given = str(fault["input"])
    return repr(given if len(given) <= _SHOWN_CHARACTERS else f"{given[:_SHOWN_CHARACTERS]}…")


def _described(settings: type[Settings], name: str) -> str:
    described = settings.model_fields[name].description
    return f" ({described})" if described else ""
