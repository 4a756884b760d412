"""A PostgreSQL and an S3 API on loopback, each in a process of its own, for what keeps things in them."""

import os
import shutil
import ssl
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

from consilia.pki import Certificate
from deadline import eventually
from ports import free_port

USER = "mlflow"
PASSWORD = "a password/of:its@own"
QUOTED_PASSWORD = "a%20password%2Fof%3Aits%40own"
START_SECONDS = 60.0


def _program(name: str) -> str:
    """One of PostgreSQL's: Debian keeps them off the path, by version."""
    debian = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
    found = str(debian[-1]) if debian else shutil.which(name)
    if found is None:
        pytest.skip(f"there is no {name} of PostgreSQL on this machine: make test installs it on Debian")
    return found


@contextmanager
def postgresql(certificate: Certificate | None = None) -> Iterator[tuple[str, int]]:
    """An address with user and password, and the port; the database is empty, and gone afterwards. With a certificate
    it offers TLS."""
    initdb, postgres = _program("initdb"), _program("postgres")
    # PostgreSQL refuses to run as root; its account, which the package made, has to reach the folder.
    user = "postgres" if os.getuid() == 0 else None
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="consilia-postgresql-", ignore_cleanup_errors=True) as folder:
        secret = Path(folder, "password")
        secret.write_text(PASSWORD)
        if user is not None:
            for path in (Path(folder), secret):
                shutil.chown(path, user)
        data = f"{folder}/data"
        make = [
            initdb,
            f"--pgdata={data}",
            f"--username={USER}",
            f"--pwfile={secret}",
            "--auth=scram-sha-256",
            "--no-sync",
        ]
        subprocess.run(make, check=True, capture_output=True, user=user, cwd=folder)
        flags = [f"-D{data}", f"-p{port}", f"-k{folder}", "-hlocalhost", "-F"]
        if certificate is not None:
            for name, content in (("server.crt", certificate.cert_pem), ("server.key", certificate.key_pem)):
                kept = Path(data, name)
                kept.touch(0o600)
                kept.write_bytes(content)
                if user is not None:
                    shutil.chown(kept, user)
            flags += ["-cssl=on"]
        log = Path(folder, "log")
        with log.open("wb") as output:
            process = subprocess.Popen([postgres, *flags], user=user, cwd=folder, stdout=output, stderr=output)
        try:
            ready = "ready to accept connections"
            eventually(lambda: _says(process, log, ready), START_SECONDS, log.read_text, pause=0.05)
            yield f"postgresql://{USER}:{QUOTED_PASSWORD}@localhost:{port}/postgres", port
        finally:
            process.terminate()
            process.wait(START_SECONDS)


def _says(process: "subprocess.Popen[bytes]", log: Path, words: str) -> bool:
    assert process.poll() is None, log.read_text()
    return words in log.read_text()


@contextmanager
def s3(bucket: str, certificate: Certificate | None = None) -> Iterator[str]:
    """The address of an S3 API that has one empty bucket; with a certificate, of localhost, it speaks TLS alone."""
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    flags: list[str] = []
    trusts = None
    with tempfile.TemporaryDirectory(prefix="consilia-s3-") as folder:
        if certificate is not None:
            address = f"https://localhost:{port}"
            kept, key = Path(folder, "server.crt"), Path(folder, "server.key")
            kept.write_bytes(certificate.cert_pem)
            key.write_bytes(certificate.key_pem)
            flags = [f"-c{kept}", f"-k{key}"]
            trusts = ssl.create_default_context()
            # Whoever it is: it is only asked whether it is up.
            trusts.check_hostname, trusts.verify_mode = False, ssl.CERT_NONE
        process = subprocess.Popen(
            [sys.executable, "-m", "moto.server", "-H127.0.0.1", f"-p{port}", *flags],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            up = partial(_made, process, f"{address}/{bucket}", trusts)
            eventually(up, START_SECONDS, lambda: address, pause=0.1)
            yield address
        finally:
            process.kill()
            process.wait()


def _made(process: "subprocess.Popen[bytes]", bucket: str, trusts: ssl.SSLContext | None) -> bool:
    assert process.poll() is None, "the S3 API ended at its start"
    try:
        with urlopen(Request(bucket, method="PUT"), timeout=10, context=trusts) as answer:
            return int(answer.status) == 200
    except HTTPError as error:
        error.close()
        raise
    except OSError:
        return False
