"""Limit each client's requests by a token bucket. Pure; the time is an argument."""

import ipaddress
from collections import OrderedDict


def client_key(address: str) -> str:
    """Give what counts as one client: an IPv4 address, or the /64 network of an IPv6 one."""
    if ":" not in address:
        return address
    try:
        parsed = ipaddress.IPv6Address(address.partition("%")[0])
    except ValueError:
        return address
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(ipaddress.IPv6Network((int(parsed) >> 64 << 64, 64)))


class RateLimit:
    """Token buckets of many clients; the one that was away longest is forgotten first."""

    def __init__(self, rate_s: float, burst: int, clients: int) -> None:
        """Allow `burst` requests at once and `rate_s` a second after, for at most `clients` remembered clients."""
        self._rate_s = rate_s
        self._burst = float(burst)
        self._clients = clients
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def wait_s(self, client: str, now_s: float) -> float:
        """Take one token; gives 0, or the seconds until there is one. `now_s` is monotonic."""
        tokens, since_s = self._buckets.pop(client, (self._burst, now_s))
        tokens = min(self._burst, tokens + max(now_s - since_s, 0.0) * self._rate_s)
        allowed = tokens >= 1.0
        self._buckets[client] = (tokens - 1.0 if allowed else tokens, now_s)
        if len(self._buckets) > self._clients:
            self._buckets.popitem(last=False)
        return 0.0 if allowed else (1.0 - tokens) / self._rate_s
