"""Ports of loopback that nobody listens on now, and that nobody is given by chance: see ``consilia_local.ports``."""

from consilia_local.ports import WantedPort, choose


def free_ports(count: int) -> list[int]:
    """This many, all different."""
    return choose([WantedPort(f"part {number}", "--port", None) for number in range(count)])


def free_port() -> int:
    """One."""
    return free_ports(1)[0]
