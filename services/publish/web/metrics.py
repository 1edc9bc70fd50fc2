"""The web service's own metrics."""

from shared.metrics import gauge, histogram

HTTP = histogram("slugline_http_seconds", "Seconds to answer", "route", "status")
LISTENERS = gauge("slugline_sse_listeners", "Listeners of the event stream")
