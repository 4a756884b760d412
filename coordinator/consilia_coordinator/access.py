"""Who may call the coordinator's API: tokens of people and processes, and tickets of hospitals.

Tokens are signed by the operator's key, of which only the public half is here, for one federation. Tickets are minted
here, for one hospital, and travel to it over the broker, which knows who it is; they die with the process, and a new
order brings a new one.
"""

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

import jwt

from consilia.tokens import Claims, InvalidToken, verify

TICKET_TTL = timedelta(hours=1)
TICKET_AUDIENCE = "consilia-blobs"


@dataclass(frozen=True)
class Access:
    """Verifies who calls the coordinator of ``federation`` (its UID)."""

    public_key: bytes
    federation: str
    secret: str

    @classmethod
    def of(cls, public_key: bytes, federation: str) -> "Access":
        """With a fresh secret for tickets."""
        return cls(public_key, federation, secrets.token_urlsafe(32))

    def ticket(self, hospital: str, now: datetime) -> str:
        """A ticket with which ``hospital`` may read and write blobs for :data:`TICKET_TTL`."""
        claims = {"aud": TICKET_AUDIENCE, "sub": hospital, "exp": int((now + TICKET_TTL).timestamp())}
        return jwt.encode(claims, self.secret, algorithm="HS256")

    def claims(self, authorization: str | None, now: datetime) -> Claims:
        """What the ``Authorization`` header proves. Raises :class:`InvalidToken` with the reason."""
        scheme, _, token = (authorization or "").partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise InvalidToken("no token: send Authorization: Bearer <token>")
        if not token.isascii():
            raise InvalidToken("token refused: it is not in ASCII")
        try:
            algorithm = jwt.get_unverified_header(token).get("alg")
        except jwt.PyJWTError as error:
            raise InvalidToken(f"token refused: {error}") from error
        if algorithm != "HS256":
            return verify(token, self.public_key, now, federation=self.federation)
        return self._hospital(token, now)

    def _hospital(self, token: str, now: datetime) -> Claims:
        try:
            claims = jwt.decode(
                token, self.secret, algorithms=["HS256"], audience=TICKET_AUDIENCE, options={"verify_exp": False}
            )
        except jwt.PyJWTError as error:
            raise InvalidToken(f"ticket refused: {error}") from error
        if now.timestamp() >= claims["exp"]:
            raise InvalidToken("ticket refused: it has expired; the next order brings a new one")
        return Claims(role="hospital", subject=claims["sub"])
