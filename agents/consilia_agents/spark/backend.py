"""The backend of engine spark: a cohort's rows in one long-lived Spark, for the columns that were asked for last."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from consilia.experiment import Features, Model
from consilia.model import Family, family_of
from consilia.privacy.keystream import Keystream
from consilia.spec import Cohort, CohortSpec
from consilia_agents.findings import imputed, verdict
from consilia_agents.holdout import Holdout, nobody_to_train_on
from consilia_agents.private_trainer import Words
from consilia_agents.sources.chosen import source_of
from consilia_agents.sources.extract import DataSource
from consilia_agents.sources.mapped import Mapped
from consilia_agents.sources.parts import Parted
from consilia_agents.spark.private import SparkPrivateTrainer
from consilia_agents.spark.reading import PartReader, blocks_of_extract, partitions_of
from consilia_agents.spark.rows import Look, Looking, Rows
from consilia_agents.spark.session import Session
from consilia_agents.spark.trainer import Sides, SparkTrainer


@dataclass(frozen=True)
class Loaded:
    """A cohort's rows in Spark, and what they are of: another table, other columns or another Spark are loaded anew."""

    asked: object
    stamp: str | None
    started: int
    rows: Rows
    look: Look


class SparkBackend:
    """See :class:`consilia_agents.backend.Backend`."""

    def __init__(
        self,
        cohort: Cohort,
        session: Session,
        words: Words = Keystream.fresh,
        source: Callable[[CohortSpec], DataSource] = source_of,
    ) -> None:
        self._cohort = cohort
        self._session = session
        self._words = words
        self._source = source
        self._loaded: Loaded | None = None
        self._clear: tuple[Loaded, SparkTrainer] | None = None
        self._private: tuple[Loaded, SparkPrivateTrainer] | None = None

    def clear(self, features: Features, model: Model) -> SparkTrainer:
        """See :class:`consilia_agents.backend.Backend`."""
        family = family_of(model, features)
        loaded = self._load(features, family)
        if self._clear is None or self._clear[0] is not loaded:
            spec = self._cohort.spec
            found = loaded.look.findings
            verdict(found, features, spec.mapping, spec.hospital, family).require_accepted()
            if not loaded.look.training:
                raise nobody_to_train_on(spec.hospital, self._cohort.metadata.name)
            self._clear = (loaded, SparkTrainer(self._sides(loaded, features), family))
        return self._clear[1]

    def private(self, features: Features, model: Model) -> SparkPrivateTrainer:
        """See :class:`consilia_agents.backend.Backend`."""
        family = family_of(model, features)
        loaded = self._load(features, family)
        if self._private is None or self._private[0] is not loaded:
            self._private = (loaded, SparkPrivateTrainer(self._sides(loaded, features), self._words, family))
        return self._private[1]

    def close(self) -> None:
        """See :class:`consilia_agents.backend.Backend`: Spark ends."""
        self._forget()
        self._session.close()

    def _load(self, features: Features, family: Family) -> Loaded:
        spec, source = self._cohort.spec, self._source(self._cohort.spec)
        asked, stamp = (columns_asked(features), family), source.stamp()
        self._session.context()
        loaded = self._loaded
        if loaded is not None and (loaded.asked, loaded.stamp, loaded.started) == (asked, stamp, self._session.started):
            return loaded
        self._forget()
        rows = self._read(source, features)
        looking = Looking(features, spec.mapping, family)
        look = rows.look(looking)
        if look.findings.patients < look.findings.rows:
            rows, look = self._firsts(rows, look, looking)
        self._loaded = Loaded(asked, stamp, self._session.started, rows, look)
        return self._loaded

    def _read(self, source: DataSource, features: Features) -> Rows:
        spec = self._cohort.spec
        mapped = Mapped.of(spec, features)
        holdout = Holdout(spec.hospital, self._cohort.metadata.name, spec.holdout.fraction)
        if isinstance(source, Parted) and not (spec.source.files and spec.source.files.remote):
            parts = list(enumerate(source.parts(mapped)))
            read = self._parallel(parts, len(parts)).mapPartitions(PartReader(source, mapped, holdout))
            return Rows(self._session, read)
        blocks = blocks_of_extract(source.extract(features), mapped, holdout)
        return Rows(self._session, self._parallel(blocks, partitions_of(blocks)))

    def _firsts(self, rows: Rows, look: Look, looking: Looking) -> tuple[Rows, Look]:
        """One record a patient, and what is known of those; what was counted of all records stays."""
        kept = rows.firsts()
        again = kept.look(looking)
        rows.release()
        fewer = again.findings
        found = replace(look.findings, labels=fewer.labels, usable=fewer.usable, unfit=fewer.unfit)
        return kept, replace(again, findings=found, digest=look.digest)

    def _sides(self, loaded: Loaded, features: Features) -> Sides:
        blocks = loaded.rows.usable(imputed(features, self._cohort.spec.mapping))
        return Sides(self._session, blocks, len(features.names), loaded.look.training, loaded.look.held)

    def _parallel(self, items: Any, partitions: int) -> Any:
        context = self._session.context()
        return self._session.run(lambda: context.parallelize(items, max(1, partitions)))

    def _forget(self) -> None:
        for kept in (self._clear, self._private):
            if kept is not None and self._current(kept[0]):
                kept[1].release()
        loaded, self._loaded, self._clear, self._private = self._loaded, None, None, None
        if loaded is not None and self._current(loaded):
            loaded.rows.release()

    def _current(self, loaded: Loaded) -> bool:
        return loaded.started == self._session.started and self._session.running


def columns_asked(features: Features) -> object:
    """What makes other rows, or the same in other units."""
    return tuple((feature.name, feature.unit) for feature in features.codebook), features.label
