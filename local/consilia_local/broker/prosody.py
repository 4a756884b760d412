"""Prosody as the broker: the same folder, its own process image."""

import errno
import os
import shutil
import socket
from typing import NoReturn

from consilia.errors import Unavailable
from consilia_local.broker.folder import BrokerFolder


def become_prosody(folder: BrokerFolder, search_path: str | None = None) -> NoReturn:
    """Replace this process by Prosody, in the foreground.

    Raises
    ------
    Unavailable
        If Prosody is not installed or its port is taken, which Prosody itself would only log.
    """
    program = shutil.which("prosody", path=search_path)
    if program is None:
        raise Unavailable("prosody is not installed: apt-get install prosody, or use --broker embedded")
    check_port(folder)
    os.execv(program, [program, "--config", str(folder.prosody_config), "-F"])  # noqa: S606


def check_port(folder: BrokerFolder) -> None:
    """Check that the broker's port is free on its interfaces.

    Raises
    ------
    Unavailable
        If it is not.
    """
    for interface in folder.interfaces:
        host = "0.0.0.0" if interface == "*" else interface  # noqa: S104
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((host, folder.port))
            except OSError as error:
                if error.errno != errno.EADDRINUSE:
                    raise
                raise Unavailable(f"port {folder.port} of {interface} is taken; stop what listens there") from error
