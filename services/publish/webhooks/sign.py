"""Sign what is sent, after the specification Standard Webhooks 1.0: HMAC-SHA256 over id, time and body. Pure."""

import hmac
from base64 import b64decode, b64encode
from collections.abc import Mapping, Sequence
from datetime import datetime
from hashlib import sha256
from typing import Final

PREFIX: Final = "whsec_"
SECRET_BYTES: Final = 32
"""The specification allows 24 to 64."""


def secret_of(random: bytes) -> str:
    """Write a secret as receivers' libraries take it; `random` is its key."""
    return PREFIX + b64encode(random).decode()


def headers(event_id: str, at: datetime, body: bytes, secrets: Sequence[str]) -> Mapping[str, str]:
    """Give the headers of a request that is sent at `at`: one signature for each secret, so that secrets can be changed without a gap."""
    timestamp = str(int(at.timestamp()))
    return {
        "webhook-id": event_id,
        "webhook-timestamp": timestamp,
        "webhook-signature": " ".join(_signature(event_id, timestamp, body, secret) for secret in secrets),
    }


def _signature(event_id: str, timestamp: str, body: bytes, secret: str) -> str:
    key = b64decode(secret.removeprefix(PREFIX))
    return f"v1,{b64encode(hmac.digest(key, f'{event_id}.{timestamp}.'.encode() + body, sha256)).decode()}"
