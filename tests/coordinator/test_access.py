"""Who may call: the operator's tokens, and tickets that this very process minted."""

from datetime import timedelta

import jwt
import pytest

from builders import START
from consilia.tokens import Claims, InvalidToken, generate_keypair, sign
from consilia_coordinator.access import TICKET_AUDIENCE, TICKET_TTL, Access

PRIVATE, PUBLIC = generate_keypair()
ACCESS, RESTARTED = Access.of(PUBLIC, "uid-1"), Access.of(PUBLIC, "uid-1")
LIFE = timedelta(minutes=5)
VIEWER = sign(PRIVATE, "viewer", "ada", START, LIFE, federation="uid-1")
STRANGER = sign(generate_keypair()[0], "viewer", "eve", START, LIFE, federation="uid-1")
NEIGHBOUR = sign(PRIVATE, "operator", "consilia-operator", START, LIFE, federation="uid-2")


def refusal(authorization: str | None, later: timedelta = timedelta()) -> str:
    with pytest.raises(InvalidToken) as caught:
        ACCESS.claims(authorization, START + later)
    return str(caught.value)


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
def test_a_token_of_the_operators_key_is_believed(scheme: str) -> None:
    assert ACCESS.claims(f"{scheme} {VIEWER}", START) == Claims("viewer", "ada")


def test_a_ticket_names_its_hospital() -> None:
    assert ACCESS.claims(f"Bearer {ACCESS.ticket('north', START)}", START) == Claims("hospital", "north")


def forged(secret: str, audience: str = TICKET_AUDIENCE) -> str:
    claims = {"aud": audience, "sub": "north", "exp": 2**40}
    return jwt.encode(claims, secret, algorithm="HS256")


@pytest.mark.parametrize(
    ("authorization", "sentence"),
    [
        pytest.param(None, "no token: send Authorization: Bearer <token>", id="nothing"),
        pytest.param("", "no token", id="empty"),
        pytest.param("Bearer", "no token", id="no token after the scheme"),
        pytest.param("Basic YTpi", "no token", id="another scheme"),
        pytest.param("Bearer x", "token refused", id="one letter"),
        pytest.param("Bearer é", "token refused: it is not in ASCII", id="not ASCII"),
        pytest.param("Bearer \udcff", "token refused: it is not in ASCII", id="not even text"),
        pytest.param(f"Bearer {STRANGER}", "token refused", id="another operator's token"),
        pytest.param(f"Bearer {NEIGHBOUR}", 'not for the federation with UID "uid-1"', id="another federation's"),
        pytest.param(f"Bearer {VIEWER[:-4]}AAAA", "token refused", id="changed signature"),
        pytest.param(f"Bearer {RESTARTED.ticket('north', START)}", "ticket refused", id="another process's"),
        pytest.param(f"Bearer {forged('x' * 43)}", "ticket refused", id="a guessed secret"),
        pytest.param(f"Bearer {forged(ACCESS.secret, 'elsewhere')}", "ticket refused", id="for something else"),
    ],
)
def test_anything_else_is_refused_with_the_reason(authorization: str | None, sentence: str) -> None:
    assert sentence in refusal(authorization)


def test_the_public_key_is_no_secret_with_which_to_mint_tickets() -> None:
    header, body, _ = forged("x" * 43).split(".")
    algorithm = jwt.algorithms.HMACAlgorithm(jwt.algorithms.HMACAlgorithm.SHA256)
    signature = jwt.utils.base64url_encode(algorithm.sign(f"{header}.{body}".encode(), PUBLIC)).decode()
    assert "ticket refused" in refusal(f"Bearer {header}.{body}.{signature}")


@pytest.mark.parametrize(
    ("token", "later", "sentence"),
    [
        pytest.param(VIEWER, timedelta(minutes=5), "expired; fetch a new one", id="token"),
        pytest.param(ACCESS.ticket("north", START), TICKET_TTL, "the next order brings a new one", id="ticket"),
    ],
)
def test_what_has_expired_is_refused_with_what_to_do(token: str, later: timedelta, sentence: str) -> None:
    assert ACCESS.claims(f"Bearer {token}", START + later - timedelta(seconds=1))
    assert sentence in refusal(f"Bearer {token}", later)
