"""SPADE's bundled broker, put together from its parts so that it is fit to be left running.

As it comes, pyjabber registers anybody (also when told not to), lets a client write any sender it likes,
goes on sending to connections that are gone, keeps messages for absent receivers, logs bodies, serves a
certificate whose authority's key is public, listens for other servers and on the machine's public address,
and forks password checkers that outlive it with its port. Its stream parser and negotiation are used here;
listening, passwords and routing are ours. It speaks PLAIN inside TLS and no other mechanism.
"""

import asyncio
import base64
import binascii
import hmac
import signal
import socket
import ssl
import sys
from functools import partial
from typing import Any
from xml import sax
from xml.etree.ElementTree import Element

import loguru

from consilia_local.broker.folder import BrokerFolder
from consilia_local.broker.pyjabber_parts import (
    JID,
    AppConfig,
    ConnectionManager,
    NotAuthorized,
    Stage,
    StreamNegotiator,
    XMLParser,
)
from consilia_local.broker.routing import Router, StanzaHandler
from consilia_local.ports import claim

_SASL = "urn:ietf:params:xml:ns:xmpp-sasl"


class Negotiator(StreamNegotiator):  # type: ignore[misc]  # pyjabber is not typed
    """Negotiates TLS, then a password from the folder, then a connection; nothing else, so no registration."""

    def __init__(self, folder: BrokerFolder, *parts: object) -> None:
        super().__init__(*parts)
        self._folder = folder

    async def _handle_ssl(self, element: Element) -> None:
        account = self._authenticated(element)
        if account is None:
            self._transport.write(f"<failure xmlns='{_SASL}'><not-authorized/></failure>".encode())
            self._connection_manager.close(self._peer)
            return
        self._connection_manager.set_jid(self._peer, JID(user=account, domain=self._folder.domain))
        self._transport.write(f"<success xmlns='{_SASL}'/>".encode())
        self._parser.reset_stack()
        self._stage = Stage.AUTH

    def _authenticated(self, element: Element) -> str | None:
        """Check a PLAIN response (RFC 4616) and name the account."""
        if element.tag != f"{{{_SASL}}}auth" or element.get("mechanism") != "PLAIN":
            raise NotAuthorized
        try:
            _, account, given = base64.b64decode(element.text or "", validate=True).decode().split("\x00")
        except (binascii.Error, ValueError):
            return None
        password = self._folder.password(account)
        right = password is not None and hmac.compare_digest(password.encode(), given.encode())
        return account if right else None


class Connection(asyncio.Protocol):
    """One client's connection. After STARTTLS the negotiator puts the encrypted transport in its place."""

    def __init__(self, folder: BrokerFolder, router: Router) -> None:
        self._folder = folder
        self._router = router
        self._peer: Any = None
        self._parser: Any = None
        self.transport: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin to parse."""
        self.transport = transport
        self._peer = transport.get_extra_info("peername")
        ConnectionManager().connection(self._peer, transport)
        handler = XMLParser(
            transport,
            self,
            stream_negotiator=partial(Negotiator, self._folder),
            stanza_handler=partial(StanzaHandler, self._router),
        )
        self._parser = sax.make_parser()  # noqa: S317 - external entities are off, and expat bounds the internal
        self._parser.setFeature(sax.handler.feature_namespaces, True)
        self._parser.setFeature(sax.handler.feature_external_ges, False)
        self._parser.setContentHandler(handler)

    def data_received(self, data: bytes) -> None:
        """Parse what came; a client that sends no XMPP loses its own connection and nothing more."""
        try:
            self._parser.feed(data)
        except Exception:
            self.transport.close()

    def connection_lost(self, _: Exception | None) -> None:
        """Forget the client everywhere."""
        self._parser.getContentHandler().cancel_queue_bridge()
        self._router.remove(self._peer)
        manager = ConnectionManager()
        if manager.get_jid(self._peer) is not None:
            manager.close(self._peer)
        manager.get_jid(self._peer)  # takes it off the list of those who said goodbye


async def serve(folder: BrokerFolder) -> None:
    """Serve clients until SIGTERM or SIGINT; writes ``ready`` to standard output when it listens.

    Raises
    ------
    CannotListen
        If the port is taken.
    """
    # Warnings alone, which name connections and never a message or a password.
    loguru.logger.remove()
    loguru.logger.add(sys.stderr, level="WARNING", format="broker: {message}", backtrace=False, diagnose=False)
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(folder.certificate, folder.key)
    AppConfig.app_config = _configure(folder, tls)
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for signum in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(signum, stop.set)
    router = Router()
    servers = [
        await loop.create_server(lambda: Connection(folder, router), sock=claim(interface, folder.port))
        for interface in folder.interfaces
    ]
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    await stop.wait()
    for server in servers:
        server.close()


def _configure(folder: BrokerFolder, tls: ssl.SSLContext) -> AppConfig.AppConfig:
    """Configure pyjabber; everything that is not about streams is off or empty."""
    return AppConfig.AppConfig(
        host=folder.domain,
        ip=[],
        ssl_context=tls,
        ssl_context_s2s=tls,
        connection_timeout=0,
        server_port=0,
        family=socket.AF_INET,
        config_path="",
        cert_path="",
        root_path="",
        database_path="",
        database_in_memory=True,
        database_purge=False,
        database_debug=False,
        message_persistence=False,
        semaphore=asyncio.Semaphore(1),
        process_pool_exe=None,
        verbose=False,
        plugins=[],
        items={},
    )
