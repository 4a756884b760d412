"""Prosody as the broker: the same folder, its own process image."""

import os
import shutil
from typing import NoReturn

from consilia.errors import Unavailable
from consilia_local.broker.folder import BrokerFolder
from consilia_local.ports import claim


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
    for interface in folder.interfaces:
        claim("0.0.0.0" if interface == "*" else interface, folder.port).close()  # noqa: S104
    os.execv(program, [program, "--config", str(folder.prosody_config), "-F"])  # noqa: S606
