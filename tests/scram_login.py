"""A login over STARTTLS and SCRAM (RFC 6120, RFC 5802) of the tests' own: every mechanism, both proofs checked.

It shares no code with Prosody or slixmpp, so that neither's mistakes are its own.
"""

import base64
import hashlib
import hmac
import re
import secrets
import socket
import ssl
from pathlib import Path

DEADLINE = 20.0
STREAM = (
    "<?xml version='1.0'?><stream:stream to='{}' version='1.0' xmlns='jabber:client' "
    "xmlns:stream='http://etherx.jabber.org/streams'>"
)
HASHES = {"SCRAM-SHA-1": "sha1", "SCRAM-SHA-256": "sha256"}


class Login:
    """One connection to one broker, from TLS on; passwords are tried on it."""

    def __init__(self, domain: str, port: int, ca_file: Path) -> None:
        context = ssl.create_default_context(cafile=str(ca_file))
        # From TLS 1.3 on there is no tls-unique, the one channel binding that Prosody 0.12 knows.
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        plain = socket.create_connection(("127.0.0.1", port), timeout=DEADLINE)
        self._socket: socket.socket = plain
        self._open(domain)
        self._send("<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>")
        self._until(r"<proceed[^>]*>")
        self._tls = context.wrap_socket(plain, server_hostname=domain)
        self._socket = self._tls
        self.mechanisms = re.findall(r"<mechanism>([^<]*)</mechanism>", self._open(domain))

    def attempt(self, mechanism: str, account: str, password: str) -> str | None:
        """None for a success in which the broker has proved that it knows the password too, else what it says."""
        binding = self._tls.get_channel_binding("tls-unique") if mechanism.endswith("-PLUS") else None
        header = "p=tls-unique,," if binding else "n,,"
        first = f"n={account},r={secrets.token_hex(12)}"
        namespace = "xmlns='urn:ietf:params:xml:ns:xmpp-sasl'"
        self._send(f"<auth {namespace} mechanism='{mechanism}'>{_encode((header + first).encode())}</auth>")
        answer = self._until(r"<(challenge|failure)[^>]*>.*?</(challenge|failure)>")
        if "<failure" in answer:
            return _condition(answer)
        challenge = _text(answer)
        given = dict(part.split("=", 1) for part in challenge.split(","))
        without_proof = f"c={_encode(header.encode() + (binding or b''))},r={given['r']}"
        hash_name = HASHES[mechanism.removesuffix("-PLUS")]
        salted = hashlib.pbkdf2_hmac(hash_name, password.encode(), base64.b64decode(given["s"]), int(given["i"]))
        about = f"{first},{challenge},{without_proof}".encode()
        client_key = hmac.digest(salted, b"Client Key", hash_name)
        signature = hmac.digest(hashlib.new(hash_name, client_key).digest(), about, hash_name)
        proof = bytes(a ^ b for a, b in zip(client_key, signature, strict=True))
        self._send(f"<response {namespace}>{_encode(f'{without_proof},p={_encode(proof)}'.encode())}</response>")
        answer = self._until(r"<(success|failure)[^>]*>.*?</(success|failure)>")
        if "<failure" in answer:
            return _condition(answer)
        server_key = hmac.digest(salted, b"Server Key", hash_name)
        assert _text(answer) == f"v={_encode(hmac.digest(server_key, about, hash_name))}", "the broker proved nothing"
        return None

    def close(self) -> None:
        self._socket.close()

    def _open(self, domain: str) -> str:
        self._send(STREAM.format(domain))
        return self._until(r"<stream:features>.*</stream:features>")

    def _send(self, text: str) -> None:
        self._socket.sendall(text.encode())

    def _until(self, pattern: str) -> str:
        heard = ""
        while re.search(pattern, heard, re.DOTALL) is None:
            more = self._socket.recv(65536)
            assert more, f"the broker closed the connection after {heard!r}"
            heard += more.decode()
        return heard


def _encode(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


def _text(element: str) -> str:
    return base64.b64decode(re.sub(r"<[^>]*>", "", element)).decode()


def _condition(failure: str) -> str:
    return re.findall(r"<([a-z-]+)/>", failure)[0]
