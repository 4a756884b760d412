"""One Spark for all tests of it: starting one takes seconds."""

from collections.abc import Iterator

import pytest

from consilia_agents.spark.session import Session


@pytest.fixture(scope="session")
def spark(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Session]:
    folder = tmp_path_factory.mktemp("spark")
    session = Session(
        folder / "spark",
        {
            "spark.master": "local[2]",
            "spark.driver.memory": "768m",
            # Spark's own database, of a test's tables, would write its log into the folder that tests are started in.
            "spark.driver.extraJavaOptions": f"-Dderby.stream.error.file={folder / 'derby.log'}",
        },
    )
    yield session
    session.close()
