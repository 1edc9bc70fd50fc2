"""Takes whole articles over HTTP: `POST /articles`.

In: batches of articles (a JSON array, or JSON lines) from senders with a token. Out: `discoveries.v1`.
An article that is answered as accepted is held by the broker; posting it again changes nothing, so a sender that got no
answer posts the batch again. Each item has an answer of its own, by the same reading as `slugline ingest replay`.
"""
