"""One Spark for all tests of it: starting one takes seconds."""

from collections.abc import Iterator

import pytest

from consilia_agents.spark.session import Session


@pytest.fixture(scope="session")
def spark(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Session]:
    session = Session(
        tmp_path_factory.mktemp("spark") / "spark", {"spark.master": "local[2]", "spark.driver.memory": "768m"}
    )
    yield session
    session.close()
