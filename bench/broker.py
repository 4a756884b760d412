"""The real broker for the bench: the product's own Prosody, its folder and its authority, in a folder of this run."""

import secrets
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from bench.ports import await_port, free_ports
from consilia.pki import Authority, make_authority
from consilia_local.broker.folder import write_broker_folder

DOMAIN = "localhost"
DEADLINE = 30.0  # seconds until it listens


@dataclass(frozen=True)
class Broker:
    """A running broker: where it listens, whom its clients trust, and each account's file with its password."""

    port: int
    authority: Authority
    authority_file: Path
    passwords: dict[str, Path]


@contextmanager
def prosody(folder: Path, accounts: list[str]) -> Iterator[Broker]:
    """Run Prosody in a new folder, with these accounts."""
    folder.mkdir(parents=True)
    (port,) = free_ports(1)
    authority = make_authority("bench", datetime.now(UTC), days=1)
    authority_file = folder / "ca.pem"
    authority_file.write_bytes(authority.cert_pem)
    certificate = authority.issue([DOMAIN], datetime.now(UTC), days=1)
    written = write_broker_folder(
        folder / "broker", DOMAIN, port, {name: secrets.token_hex(16) for name in accounts}, certificate
    )
    passwords = {name: written.path / "accounts" / name for name in accounts}
    with (folder / "broker.log").open("wb") as log:
        command = [sys.executable, "-m", "consilia_local.broker", "prosody", str(written.path)]
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    try:
        await_port(port, DEADLINE)
        yield Broker(port, authority, authority_file, passwords)
    finally:
        process.kill()  # it keeps nothing, and Prosody 0.12 can spin on a SIGTERM that meets a leaving client
        process.wait()
