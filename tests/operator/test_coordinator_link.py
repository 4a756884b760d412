"""The operator's line to a coordinator, over real HTTPS: its wish is taken, and its token opens no other federation."""

import ssl
from pathlib import Path

import pytest

from builders import federation_spec
from consilia.errors import Refusal, Unavailable
from consilia.status import LedgerWitness
from consilia_operator.coordinator_link import CoordinatorLink
from serving import PRIVATE, UID, Served, serve


def link(served: Served, federation: str) -> CoordinatorLink:
    (authority,) = served.tls.get_ca_certs(binary_form=True)
    pem = ssl.DER_cert_to_PEM_cert(authority).encode()
    return CoordinatorLink(served.url, pem, PRIVATE, served.coordinator.clock.now, federation=federation)


async def test_a_wish_is_taken_by_the_federations_own_coordinator(tmp_path: Path) -> None:
    async with serve(tmp_path) as served:
        await link(served, UID).desire(1, federation_spec(), {})
        assert served.coordinator.conductor.spec is not None


async def test_what_was_seen_of_ledgers_goes_with_a_wish(tmp_path: Path) -> None:
    witness = LedgerWitness(sequence=3, head="3" * 64)
    async with serve(tmp_path) as served:
        await link(served, UID).desire(1, federation_spec(), {"north": witness})
        assert served.coordinator.conductor.history.witnesses == {"north": witness}


async def test_a_token_for_another_federation_is_refused_with_a_sentence(tmp_path: Path) -> None:
    async with serve(tmp_path) as served:
        with pytest.raises(Refusal, match=f'not for the federation with UID "{UID}"'):
            await link(served, "another").desire(1, federation_spec(), {})
        with pytest.raises(Unavailable):
            await anext(link(served, "another").events(0))
        assert served.coordinator.conductor.spec is None
