"""Tokens by role: who may ask which coordinator for what.

One Ed25519 key signs (the operator's, or that of ``consilia run``); coordinators hold its public half only, so that
a stolen coordinator cannot mint a token (RFC 7519 claims, RFC 8037 signature). The audience names one federation: a
token that its coordinator has seen opens no other's.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from consilia.errors import Refusal

ROLES = ("operator", "viewer", "tracking", "hospital")


class InvalidToken(Refusal):
    """A token is not ours, has expired, or names an unknown role."""


@dataclass(frozen=True)
class Claims:
    """What a verified token says: a role of :data:`ROLES`, and who holds it."""

    role: str
    subject: str


def generate_keypair() -> tuple[bytes, bytes]:
    """Make a signing key: (private, public), both PEM."""
    key = Ed25519PrivateKey.generate()
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    return private, public


def audience(federation: str) -> str:
    """For whom a token is (RFC 7519, 4.1.3): the coordinator of the federation with this UID."""
    return f"consilia-coordinator/{federation}"


def sign(private_pem: bytes, role: str, subject: str, now: datetime, ttl: timedelta, *, federation: str) -> str:
    """Sign a token for ``subject`` in ``role`` at the ``federation`` of this UID, valid from ``now`` for ``ttl``."""
    if role not in ROLES:
        raise InvalidToken(f'token role "{role}" is unknown: use one of {", ".join(ROLES)}')
    claims = {"aud": audience(federation), "role": role, "sub": subject, "exp": int((now + ttl).timestamp())}
    return jwt.encode(claims, private_pem, algorithm="EdDSA")


def verify(token: str, public_pem: bytes, now: datetime, *, federation: str) -> Claims:
    """Return what ``token`` says at the ``federation`` of this UID, or raise :class:`InvalidToken` with the reason."""
    try:
        claims = jwt.decode(
            token,
            public_pem,
            algorithms=["EdDSA"],
            audience=audience(federation),
            options={"verify_exp": False, "require": ["exp", "role", "sub", "aud"]},
        )
    except jwt.InvalidAudienceError as error:
        raise InvalidToken(
            f'token refused: it is not for the federation with UID "{federation}"; fetch one that is'
        ) from error
    except jwt.PyJWTError as error:
        raise InvalidToken(f"token refused: {error}") from error
    if now.timestamp() >= claims["exp"]:
        raise InvalidToken("token refused: it has expired; fetch a new one")
    if claims["role"] not in ROLES:
        raise InvalidToken(f'token role "{claims["role"]}" is unknown')
    return Claims(role=claims["role"], subject=claims["sub"])
