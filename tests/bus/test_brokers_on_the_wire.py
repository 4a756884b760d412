"""What both real brokers say on the wire, byte by byte, to somebody who is not our bus."""

import base64
import os
import socket
import ssl
from pathlib import Path

import pytest

from brokers import ACCOUNTS, DEADLINE, Broker

pytestmark = pytest.mark.real


class Wire:
    """XMPP by hand, for what no honest client does."""

    OPEN = (
        "<stream:stream to='localhost' xmlns='jabber:client' "
        "xmlns:stream='http://etherx.jabber.org/streams' version='1.0'>"
    )

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._socket = socket.create_connection(("127.0.0.1", broker.folder.port), timeout=DEADLINE)

    def __enter__(self) -> "Wire":
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def say(self, text: str, *awaited: str) -> str:
        """Send `text`, and read until one of `awaited` or the end of the stream."""
        self._socket.sendall(text.encode())
        answer = ""
        while not any(mark in answer for mark in awaited):
            chunk = self._socket.recv(65536)
            if not chunk:
                break
            answer += chunk.decode()
        return answer

    def encrypt(self) -> str:
        """Begin TLS; the features that are offered inside it."""
        self.say(self.OPEN, "features>")
        self.say("<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>", "proceed")
        context = ssl.create_default_context(cafile=self._broker.ca_file)
        self._socket = context.wrap_socket(self._socket, server_hostname="localhost")
        return self.say(self.OPEN, "features>")


def plain(account: str, password: str) -> str:
    secret = base64.b64encode(f"\x00{account}\x00{password}".encode()).decode()
    return f"<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>{secret}</auth>"


def test_nothing_but_tls_is_offered_in_the_clear(shared: Broker) -> None:
    with Wire(shared) as wire:
        features = wire.say(Wire.OPEN, "features>")
        assert "starttls" in features
        assert "mechanism" not in features
        assert "success" not in wire.say(plain("north", ACCOUNTS["north"]), "success", "</stream", "failure", "error")


def test_prosody_offers_scram_alone_and_the_embedded_broker_plain_inside_tls(shared: Broker) -> None:
    with Wire(shared) as wire:
        features = wire.encrypt()
    offered = {name for name in ("PLAIN", "SCRAM-SHA-1", "SCRAM-SHA-256", "DIGEST-MD5") if f">{name}<" in features}
    assert offered == ({"PLAIN"} if shared.kind == "embedded" else {"SCRAM-SHA-1", "SCRAM-SHA-256"})


def test_prosody_refuses_a_password_in_the_clear_even_inside_tls(shared: Broker) -> None:
    if shared.kind == "prosody":
        with Wire(shared) as wire:
            wire.encrypt()
            answer = wire.say(plain("north", ACCOUNTS["north"]), "success", "failure", "</stream")
            assert "invalid-mechanism" in answer


def test_registration_is_neither_offered_nor_done(shared: Broker) -> None:
    with Wire(shared) as wire:
        assert "register" not in wire.encrypt()
        answer = wire.say(
            "<iq type='set' id='r1'><query xmlns='jabber:iq:register'><username>mallory</username>"
            "<password>chosen</password></query></iq>",
            "</iq>",
            "/>",
            "</stream",
        )
        assert "result" not in answer
    assert not (shared.folder.path / "accounts" / "mallory").exists()


def test_bytes_that_are_not_xmpp_cost_only_their_own_connection(shared: Broker) -> None:
    for rubbish in (
        b"GET / HTTP/1.1\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        os.urandom(64),
        b"</a>",
    ):
        with socket.create_connection(("127.0.0.1", shared.folder.port), timeout=DEADLINE) as peer:
            peer.sendall(rubbish)
    with Wire(shared) as wire:
        assert "mechanism" in wire.encrypt()


def test_it_listens_on_loopback_alone_and_only_one_port(shared: Broker) -> None:
    assert shared.process is not None
    inodes = set()
    for entry in Path(f"/proc/{shared.process.pid}/fd").iterdir():
        target = entry.readlink().name
        if target.startswith("socket:"):
            inodes.add(target[8:-1])
    listening = {
        line.split()[1]
        for table in ("tcp", "tcp6")
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]
        if line.split()[3] == "0A" and line.split()[9] in inodes
    }
    assert listening == {f"0100007F:{shared.folder.port:04X}"}
