"""Where a federation's coordinator answers, and who vouches for it.

The operator alone writes a status. It is input all the same: whoever could forge one would be sent a token. So in a
cluster a token goes to a Service of the federation's own namespace only, proven by the authority that the status
names; on one machine, to whom that machine's authority has signed.
"""

import re
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from consilia.errors import Unavailable


class UntrustedAddress(Unavailable):
    """An address to which no token is sent."""


@dataclass(frozen=True)
class Address:
    """The coordinator of the federation with this UID. ``authority``: the PEM that its status names."""

    url: str
    namespace: str
    federation: str
    authority: str | None = None


def address_of(federation: dict[str, Any]) -> Address | None:
    """The coordinator's address by the object's status; None before it has one."""
    metadata, status = federation.get("metadata"), federation.get("status")
    endpoints = status.get("endpoints") if isinstance(status, dict) else None
    if not isinstance(endpoints, dict) or not isinstance(metadata, dict):
        return None
    url, authority, uid = endpoints.get("coordinator"), endpoints.get("authority"), metadata.get("uid")
    if not isinstance(url, str) or not isinstance(uid, str) or not uid:
        return None
    return Address(url, str(metadata.get("namespace", "")), uid, authority if isinstance(authority, str) else None)


def trust(address: Address, ca_file: Path | None) -> ssl.SSLContext:
    """What the server at ``address`` has to prove. Raises :class:`UntrustedAddress` with the reason.

    ``ca_file`` is this machine's authority, for a status that names none.
    """
    if address.authority is not None:
        _require_own_service(address)
        return _trusting(address.authority)
    if ca_file is None:
        raise UntrustedAddress("its status names no authority yet: the operator writes status.endpoints.authority")
    if urlsplit(address.url).scheme != "https":
        raise UntrustedAddress(f'its address "{address.url[:200]}" is not https, so no token is sent there')
    return ssl.create_default_context(cafile=str(ca_file))


def _require_own_service(address: Address) -> None:
    own = rf"https://[a-z0-9][-a-z0-9]*\.{re.escape(address.namespace)}\.svc(:[0-9]{{1,5}})?/?"
    if not re.fullmatch(own, address.url):
        raise UntrustedAddress(
            f'its address "{address.url[:200]}" is no Service of namespace {address.namespace}, '
            f"so no token is sent there: it must be https://<service>.{address.namespace}.svc"
        )


def _trusting(authority: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # it requires a certificate, and checks the host's name
    try:
        context.load_verify_locations(cadata=authority)
    except (ssl.SSLError, ValueError) as error:
        raise UntrustedAddress("the authority in status.endpoints.authority is no PEM certificate") from error
    return context
