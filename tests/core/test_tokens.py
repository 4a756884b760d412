"""Tokens: only those that our key signed, for us, in a known role, and not for ever."""

import base64
import json
from datetime import timedelta
from typing import Any

import jwt
import pytest

from builders import START
from consilia.tokens import ROLES, Claims, InvalidToken, audience, generate_keypair, sign, verify

PRIVATE, PUBLIC = generate_keypair()
HOUR = timedelta(hours=1)
UID = "5d0cf9c4-5f0b-4f0e-9d0a-0d7b0c1f2a3b"


def crafted(algorithm: str = "EdDSA", key: bytes = PRIVATE, **claims: Any) -> str:
    """A token with these claims changed; None takes one out."""
    whole = {"aud": audience(UID), "role": "viewer", "sub": "ada", "exp": int((START + HOUR).timestamp())} | claims
    return jwt.encode({name: value for name, value in whole.items() if value is not None}, key, algorithm=algorithm)


def unsigned() -> str:
    """A token whose header says that it needs no signature."""
    parts = [{"alg": "none", "typ": "JWT"}, {"aud": audience(UID), "role": "operator", "sub": "eve", "exp": 2**40}]
    return ".".join(base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts) + "."


@pytest.mark.parametrize("role", ROLES)
def test_a_signed_token_says_its_role_and_subject(role: str) -> None:
    token = sign(PRIVATE, role, "ada", START, HOUR, federation=UID)
    assert verify(token, PUBLIC, START, federation=UID) == Claims(role, "ada")


@pytest.mark.parametrize(
    ("seconds", "holds"),
    [
        pytest.param(0, True, id="at once"),
        pytest.param(3599, True, id="a second before its end"),
        pytest.param(3600, False, id="at its end"),
        pytest.param(10**6, False, id="long after"),
    ],
)
def test_a_token_holds_until_its_time_is_over(seconds: int, holds: bool) -> None:
    token = sign(PRIVATE, "viewer", "ada", START, HOUR, federation=UID)
    if holds:
        assert verify(token, PUBLIC, START + timedelta(seconds=seconds), federation=UID).role == "viewer"
    else:
        with pytest.raises(InvalidToken, match="expired"):
            verify(token, PUBLIC, START + timedelta(seconds=seconds), federation=UID)


@pytest.mark.parametrize(
    "token",
    [
        pytest.param(crafted(key=generate_keypair()[0]), id="signed by another key"),
        pytest.param(crafted("HS256", b"a secret of thirty-two bytes or more"), id="symmetric signature"),
        pytest.param(unsigned(), id="no signature at all"),
        pytest.param(crafted()[:-6] + "AAAAAA", id="changed signature"),
        pytest.param(crafted(aud="another-service"), id="for another service"),
        pytest.param(crafted(aud="consilia-coordinator"), id="for no federation in particular"),
        pytest.param(crafted(aud=audience(f"{UID}1")), id="for a federation whose UID begins alike"),
        pytest.param(crafted(aud=None), id="for nobody in particular"),
        pytest.param(crafted(role="superuser"), id="unknown role"),
        pytest.param(crafted(exp=None), id="without an end"),
        pytest.param(crafted(role=None), id="without a role"),
        pytest.param(crafted(sub=None), id="without a subject"),
        pytest.param("", id="empty"),
        pytest.param("a.b.c", id="no token at all"),
    ],
)
def test_a_token_that_is_not_ours_is_refused(token: str) -> None:
    with pytest.raises(InvalidToken):
        verify(token, PUBLIC, START, federation=UID)


def test_a_token_for_another_federation_is_refused_with_what_to_do() -> None:
    token = sign(PRIVATE, "operator", "consilia-operator", START, HOUR, federation="another")
    with pytest.raises(InvalidToken, match=f'not for the federation with UID "{UID}"; fetch one that is'):
        verify(token, PUBLIC, START, federation=UID)


def test_a_public_key_cannot_pass_for_a_shared_secret() -> None:
    header = base64.urlsafe_b64encode(b'{"alg":"HS256","typ":"JWT"}').rstrip(b"=")
    body = crafted().split(".")[1].encode()
    forged = jwt.algorithms.HMACAlgorithm(jwt.algorithms.HMACAlgorithm.SHA256).sign(header + b"." + body, PUBLIC)
    token = b".".join([header, body, base64.urlsafe_b64encode(forged).rstrip(b"=")]).decode()
    with pytest.raises(InvalidToken):
        verify(token, PUBLIC, START, federation=UID)


def test_an_unknown_role_is_not_even_signed() -> None:
    with pytest.raises(InvalidToken, match='role "root" is unknown: use one of operator, viewer'):
        sign(PRIVATE, "root", "ada", START, HOUR, federation=UID)
