"""What the start-up log says of this machine, without asking DNS or sending anything."""

import _socket as socket  # `socket` around it takes longer to import than everything here to ask
import fcntl
import struct
from contextlib import closing

SIOCGIFADDR = 0x8915  # Linux: the IPv4 address of an interface


def addresses() -> list[str]:
    """The addresses of this machine's interfaces, IPv4 first; loopback and link-local ones are left out."""
    return _ipv4_addresses() + _ipv6_addresses()


def _ipv4_addresses() -> list[str]:
    found = []
    try:
        names = [name for _, name in socket.if_nameindex()]
    except OSError:
        return []  # a sandbox without netlink sockets
    with closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as probe:
        for name in names:
            try:
                answer = fcntl.ioctl(probe.fileno(), SIOCGIFADDR, struct.pack("256s", name.encode()[:15]))
            except OSError:
                continue  # an interface without an address, or a system that is not Linux
            found.append(socket.inet_ntoa(answer[20:24]))
    return [address for address in found if not address.startswith("127.")]


def _ipv6_addresses() -> list[str]:
    try:
        with open("/proc/net/if_inet6", encoding="ascii") as file:
            rows = [line.split() for line in file]
    except OSError:
        return []
    found = [socket.inet_ntop(socket.AF_INET6, bytes.fromhex(row[0])) for row in rows]
    return [address for address in found if address != "::1" and not address.startswith("fe80:")]
