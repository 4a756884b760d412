"""The coordinator's API over HTTPS, as tracking reads it."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from consilia_coordinator.tracking.source import CoordinatorSource, CoordinatorUnavailable
from consilia_coordinator.tracking_report import TrackingReport


async def test_everything_comes_through_unchanged(serve: Any, federation: Any) -> None:
    federation.begin(epsilon=2.0)
    federation.commit(1, 2, 3)
    federation.complete()
    served = await serve(federation)
    async with CoordinatorSource(served.url, served.authority, served.token) as source:
        answer = await source.status(None)
        assert (answer.sequence, answer.status) == (federation.sequence, federation.now)
        assert await source.run(1) == federation.runs[1]
        assert await source.rounds(1, after=1) == federation.records[1][1:]
        model = await source.final_model(1)
        assert model is not None
        assert np.array_equal(model.parameters, federation.models[1].parameters)
        assert model.map == federation.models[1].map
        assert model.privacy == "epsilon 2"
        report = TrackingReport(run=1, run_id="x", url=None, model=None, logged_through=3)
        await source.report(report)
        assert federation.reports == [report]


async def test_a_run_without_a_model_has_none(serve: Any, federation: Any) -> None:
    federation.begin()
    served = await serve(federation)
    async with CoordinatorSource(served.url, served.authority, served.token) as source:
        assert await source.final_model(1) is None


async def test_the_token_is_read_at_each_use(serve: Any, federation: Any) -> None:
    served = await serve(federation)
    good = served.token.read_text()
    served.token.write_text("stale")
    async with CoordinatorSource(served.url, served.authority, served.token) as source:
        with pytest.raises(CoordinatorUnavailable, match="answers GET /v1/status with 5"):
            await source.status(None)
        served.token.write_text(good)
        await source.status(None)


async def test_a_stranger_with_another_authority_is_refused(serve: Any, federation: Any, tmp_path: Path) -> None:
    served = await serve(federation)
    own = tmp_path / "own.crt"
    own.write_bytes(served.authority.read_bytes())
    (tmp_path / "other").mkdir()
    stranger = await serve(federation)
    async with CoordinatorSource(stranger.url, own, served.token) as source:
        with pytest.raises(CoordinatorUnavailable, match="CERTIFICATE_VERIFY_FAILED"):
            await source.status(None)


async def test_a_coordinator_that_is_down_is_one_sentence(tmp_path: Path, serve: Any, federation: Any) -> None:
    served = await serve(federation)
    async with CoordinatorSource("https://localhost:9", served.authority, served.token) as source:
        with pytest.raises(CoordinatorUnavailable, match=r"^the coordinator at https://localhost:9 does"):
            await source.status(None)


async def test_files_that_are_not_there_yet_are_an_outage_and_not_the_end(tmp_path: Path) -> None:
    async with CoordinatorSource("https://localhost:9", tmp_path / "ca.crt", tmp_path / "token") as source:
        with pytest.raises(CoordinatorUnavailable, match="No such file"):
            await source.status(None)
