"""Which addresses may be connected to on an outsider's word: public ones, and what the operator's allow-list opens."""

import fnmatch
import socket
from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from aiohttp.abc import AbstractResolver, ResolveResult

from shared.errors import InvalidSetting, Refused

_Address = IPv4Address | IPv6Address
SocketInfo = tuple[socket.AddressFamily | int, socket.SocketKind | int, int, str, tuple[object, ...]]
"""As getaddrinfo gives it."""
_NAT64 = (IPv6Network("64:ff9b::/96"), IPv6Network("64:ff9b:1::/48"))
_METADATA_ADDRESSES = ("169.254.169.254", "168.63.129.16", "100.100.100.200", "fd00:ec2::254")
_METADATA = frozenset(map(ip_address, _METADATA_ADDRESSES))
"""Clouds' metadata services; Azure's has a public address."""


class AddressPolicy:
    """The operator's allow-list over the default: global unicast addresses only.

    An entry is a network or address (`10.1.0.0/16`), which opens these addresses to every host name, or a host name, which may
    begin with `*.` and opens any address to that name alone. Names below `localhost` are this machine (RFC 6761) and never asked of DNS.
    """

    def __init__(self, allow: Iterable[str] = (), *, setting: str = "SLUGLINE_FETCH_ALLOW") -> None:
        """Read the list. Raises `InvalidSetting` that names the setting and the entry."""
        self._names: list[str] = []
        self._networks: list[IPv4Network | IPv6Network] = []
        for entry in allow:
            try:
                self._networks.append(ip_network(entry, strict=False))
            except ValueError as error:
                if "/" in entry or ":" in entry or not entry.strip("*."):
                    raise InvalidSetting(
                        f"{setting}: {entry!r} is neither a host name, an address nor a network; *.localhost and 10.1.0.0/16 are"
                    ) from error
                self._names.append(entry.lower().rstrip("."))

    def check(self, host: str, address: str) -> None:
        """Raise `Refused` (address_refused) unless this address may be connected to under this host name."""
        try:
            found = ip_address(address.strip("[]").partition("%")[0])
        except ValueError as error:
            raise Refused("address_refused", f"{host} resolves to {address!r}, which is no address") from error
        if not (self.allows_name(host) or self.allows_address(found)):
            raise Refused("address_refused", f"{host} is at {found}, which is not a public address")

    def check_literal(self, host: str) -> None:
        """Check an address that stands in a URL itself, of which no resolver is asked. Raises `Refused` (address_refused)."""
        try:
            ip_address(host.strip("[]").partition("%")[0])
        except ValueError:
            return
        self.check(host, host)

    def open_socket(self, info: SocketInfo) -> socket.socket:
        """Open a socket for an address, looked at once more right before it is connected to: the second wall."""
        family, kind, protocol, _, address = info
        found = ip_address(str(address[0]).partition("%")[0])
        if not self.allows_address(found) and not self.opens_this_machine:
            raise OSError(f"{found} is not a public address")
        return socket.socket(family, kind, protocol)

    def allows_name(self, host: str) -> bool:
        """Tell whether the allow-list opens any address to this name."""
        name = host.lower().rstrip(".")
        return any(fnmatch.fnmatchcase(name, pattern) for pattern in self._names)

    def allows_address(self, address: _Address) -> bool:
        """Tell whether an address is public, whatever IPv4 address it carries inside too, or in an allowed network."""
        if any(address.version == network.version and address in network for network in self._networks):
            return True
        return all(_is_public(form) for form in _forms(address))

    @property
    def opens_this_machine(self) -> bool:
        """Tell whether the list opens anything that may be on the loopback interface."""
        return bool(self._names) or any(network.is_loopback for network in self._networks)


def is_local_name(host: str) -> bool:
    """Tell whether a name means this machine by RFC 6761."""
    name = host.lower().rstrip(".")
    return name == "localhost" or name.endswith(".localhost")


class GuardedResolver(AbstractResolver):
    """Resolves, and refuses a name as soon as one of its addresses is refused, so that no record of several slips through.

    aiohttp connects to the very addresses that are given here, so a name that changes its address meanwhile gains nothing.
    """

    def __init__(self, policy: AddressPolicy, resolver: AbstractResolver, localhost: str = "") -> None:
        """Keep the policy and the resolver that really asks; `localhost` is the host that `*.localhost` means, if not this machine."""
        self._policy = policy
        self._resolver = resolver
        self._localhost = localhost

    async def resolve(self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET) -> list[ResolveResult]:
        """Give the addresses of a name. Raises `Refused` (address_refused) and OSError."""
        if is_local_name(host) and not self._localhost:
            self._policy.check(host, "127.0.0.1")
            return [ResolveResult(hostname=host, host="127.0.0.1", port=port, family=socket.AF_INET, proto=0, flags=socket.AI_NUMERICHOST)]
        asked = self._localhost if is_local_name(host) else host
        found = await self._resolver.resolve(asked, port, family)
        for result in found:
            self._policy.check(host, result["host"])
        return found

    async def close(self) -> None:
        """Close the resolver that asks."""
        await self._resolver.close()


def _forms(address: _Address) -> list[_Address]:
    """Give an address and the IPv4 addresses that it stands for: mapped, compatible, 6to4, Teredo, NAT64."""
    forms: list[_Address] = [address]
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is not None:
            return [address.ipv4_mapped]
        if address.sixtofour is not None:
            forms.append(address.sixtofour)
        if address.teredo is not None:
            forms.extend(address.teredo)
        if any(address in network for network in _NAT64):
            # the prefix itself is not global, what it leads to may be
            return [IPv4Address(int(address) & 0xFFFFFFFF)]
        if int(address) >> 32 == 0 and int(address) > 1:
            forms.append(IPv4Address(int(address) & 0xFFFFFFFF))
    return forms


def _is_public(address: _Address) -> bool:
    return (
        address.is_global
        and not address.is_multicast
        and not address.is_reserved
        and not address.is_unspecified
        and address not in _METADATA
    )
