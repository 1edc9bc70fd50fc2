"""A broker as in production: SASL_SSL with SCRAM users, a listener for client certificates, and an authorizer that is on."""

import secrets
from dataclasses import dataclass, field
from typing import Any, TypeVar

from deploy.local.kafka import Broker
from deploy.local.ports import LOOPBACK
from shared.access import ACCESS
from shared.settings import Settings
from tests.security.certificates import Authority

ADMINISTRATOR = "admin"
STRANGER = "stranger"
S = TypeVar("S", bound=Settings)


@dataclass(slots=True)
class SecuredBroker(Broker):
    """A broker that lets nobody do anything without a permission. Users are those of the table, an administrator and a stranger."""

    authority: Authority | None = None
    mutual_port: int = 0
    passwords: dict[str, str] = field(
        default_factory=lambda: {
            name: secrets.token_urlsafe(12) for name in (ADMINISTRATOR, STRANGER, *(f"slugline-{name}" for name in ACCESS))
        }
    )

    def settings(self, user: str, kind: type[S] = Settings, **more: Any) -> S:  # type: ignore[assignment]
        """Give the settings of a user who does everything right."""
        return kind.load(**self.options(user) | more)

    def options(self, user: str) -> dict[str, str]:
        assert self.authority is not None
        return {
            "kafka_bootstrap_servers": self.bootstrap_servers,
            "kafka_security_protocol": "SASL_SSL",
            "kafka_username": user,
            "kafka_password": self.passwords[user],
            "kafka_ca_file": str(self.authority.certificate),
        }

    @property
    def _as_administrator(self) -> Settings:
        return self.settings(ADMINISTRATOR)

    def _users(self) -> list[str]:
        return [
            part
            for name, password in self.passwords.items()
            for part in ("--add-scram", f"SCRAM-SHA-512=[name={name},password={password}]")
        ]

    def _properties(self) -> str:
        assert self.authority is not None
        certificate, key = self.authority.sign("broker")
        keystore = self.folder / "broker.keystore.pem"
        keystore.write_text(key.read_text() + certificate.read_text())
        module = "org.apache.kafka.common.security.scram.ScramLoginModule required"
        own = f'{module} username="{ADMINISTRATOR}" password="{self.passwords[ADMINISTRATOR]}";'
        addresses = f"BROKER://{self.bootstrap_servers},MUTUAL://{LOOPBACK}:{self.mutual_port}"
        # A later line of a properties file wins over an earlier one.
        return Broker._properties(self) + "\n".join(
            [
                f"listeners={addresses},CONTROLLER://{LOOPBACK}:{self.controller_port}",
                f"advertised.listeners={addresses}",
                "listener.security.protocol.map=BROKER:SASL_SSL,MUTUAL:SSL,CONTROLLER:PLAINTEXT",
                "sasl.enabled.mechanisms=SCRAM-SHA-512",
                "sasl.mechanism.inter.broker.protocol=SCRAM-SHA-512",
                f"listener.name.broker.scram-sha-512.sasl.jaas.config={own}",
                "listener.name.mutual.ssl.client.auth=required",
                "ssl.keystore.type=PEM",
                f"ssl.keystore.location={keystore}",
                "ssl.truststore.type=PEM",
                f"ssl.truststore.location={self.authority.certificate}",
                "authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer",
                # The controller's listener is this machine's own: who speaks there has no name.
                f"super.users=User:{ADMINISTRATOR};User:ANONYMOUS",
                "",
            ]
        )
