"""The folder of a cohort's ledger, and its file held by this process."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from consilia_agents.ledger_file import LedgerFile
from ledger_files import hold


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "volume" / "ledger"


@pytest.fixture
def held(folder: Path) -> Iterator[LedgerFile]:
    file = hold(folder)
    yield file
    file.close()
