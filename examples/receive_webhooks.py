"""Take Slugline's webhooks: check each signature, act on each event once, keep which stories stand in the feed.

SLUGLINE_WEBHOOK_SECRET=whsec_… python receive_webhooks.py 8091 received.db
"""

import hmac
import json
import os
import sqlite3
import sys
import time
from base64 import b64decode, b64encode
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

TOLERANCE_S = 300
PUT = """
INSERT INTO stories VALUES (?, ?, ?, ?)
ON CONFLICT DO UPDATE SET revision = excluded.revision, headline = excluded.headline WHERE excluded.revision > revision
"""
TABLES = """
CREATE TABLE IF NOT EXISTS events (id TEXT PRIMARY KEY);
CREATE TABLE IF NOT EXISTS stories (feed TEXT, id TEXT, revision INTEGER, headline TEXT, PRIMARY KEY (feed, id));
"""


def verify(headers: Mapping[str, str], body: bytes, secret: str) -> str:
    """Give the event's id. Raises ValueError where it is not signed by this secret, and now (Standard Webhooks 1.0)."""
    event_id, timestamp = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
    if not timestamp.isdigit() or abs(time.time() - int(timestamp)) > TOLERANCE_S:
        raise ValueError("sent too long ago, or the clocks differ")
    signed = f"{event_id}.{timestamp}.".encode() + body
    expected = b64encode(hmac.digest(b64decode(secret.removeprefix("whsec_")), signed, "sha256")).decode()
    signatures = headers.get("webhook-signature", "").split()
    if not any(hmac.compare_digest(signature, f"v1,{expected}") for signature in signatures):
        raise ValueError("not signed by our secret")
    return event_id


def take(db: sqlite3.Connection, event_id: str, event: dict[str, Any]) -> None:
    """Act on an event, unless it came before; the note that it came is committed together with what it did."""
    with db:
        if db.execute("INSERT OR IGNORE INTO events VALUES (?)", (event_id,)).rowcount == 0:
            return
        if event["type"] == "story.left":
            db.execute("DELETE FROM stories WHERE feed = ? AND id = ?", (event["data"]["feed"], event["data"]["story"]["story_id"]))
        elif event["type"] in ("story.entered", "story.changed"):
            story = event["data"]["story"]
            db.execute(PUT, (event["data"]["feed"], story["story_id"], story["revision"], story["headline"]))
    print(f"{event['type']:>14}  {event['data'].get('story', {}).get('headline', '')}", flush=True)


class Receiver(BaseHTTPRequestHandler):
    """Answers 204 once an event is kept. Any other answer, or none, and it comes again."""

    def do_POST(self) -> None:
        """Take one event."""
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        try:
            event_id = verify(self.headers, body, os.environ["SLUGLINE_WEBHOOK_SECRET"])  # type: ignore[arg-type]
        except ValueError as error:
            self.send_error(401, str(error))
            return
        take(database, event_id, json.loads(body))
        self.send_response(204)
        self.end_headers()


if __name__ == "__main__":
    database = sqlite3.connect(sys.argv[2] if len(sys.argv) > 2 else "received.db")
    database.executescript(TABLES)
    HTTPServer(("127.0.0.1", int(sys.argv[1]) if len(sys.argv) > 1 else 8091), Receiver).serve_forever()
