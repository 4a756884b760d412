"""The backend of engine spark: a cohort's rows in one long-lived Spark, for the columns that were asked for last."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from consilia.experiment import Features, Model
from consilia.privacy.keystream import Keystream
from consilia.spec import Cohort, CohortSpec
from consilia_agents.findings import imputed
from consilia_agents.holdout import Holdout, nobody_to_train_on
from consilia_agents.looks import Looks, Question, Seen
from consilia_agents.private_trainer import Words
from consilia_agents.sources.chosen import NOWHERE, source_of
from consilia_agents.sources.extract import DataSource
from consilia_agents.sources.mapped import Mapped
from consilia_agents.sources.parts import Parted
from consilia_agents.sources.places import Places
from consilia_agents.spark.jdbc import JdbcQuery
from consilia_agents.spark.private import SparkPrivateTrainer
from consilia_agents.spark.reading import PartReader, blocks_of_extract, partitions_of
from consilia_agents.spark.rows import Look, Looking, Rows
from consilia_agents.spark.session import Session
from consilia_agents.spark.trainer import Sides, SparkTrainer


@dataclass(frozen=True)
class Loaded:
    """A cohort's rows in Spark; ``started`` says in which, and ``lost`` how often it had lost some before."""

    source: DataSource | JdbcQuery
    rows: Rows
    look: Look
    started: int
    lost: int


class SparkBackend:
    """See :class:`consilia_agents.backend.Backend`. Keeps the rows that were asked for last, for as long as the table
    stays as it is and Spark lives."""

    def __init__(
        self,
        cohort: Cohort,
        session: Session,
        words: Words = Keystream.fresh,
        source: Callable[[CohortSpec], DataSource] = source_of,
        looks: Looks | None = None,
        places: Places = NOWHERE,
    ) -> None:
        self._cohort = cohort
        self._session = session
        self._words = words
        self._source_of = source
        self._looks = looks or Looks(cohort)
        self._places = places
        self._loaded: Loaded | None = None
        self._clear: SparkTrainer | None = None
        self._private: SparkPrivateTrainer | None = None

    def clear(self, features: Features, model: Model | None) -> SparkTrainer:
        """See :class:`consilia_agents.backend.Backend`."""
        question = Question.of(features, model, private=False)
        if self._clear is None or not self._stands(question):
            loaded = self._look(question)
            if not loaded.look.training:
                raise nobody_to_train_on(self._cohort.spec.hospital, self._cohort.metadata.name)
            self._clear = SparkTrainer(self._sides(loaded, question), question.trained)
        return self._clear

    def private(self, features: Features, model: Model | None) -> SparkPrivateTrainer:
        """See :class:`consilia_agents.backend.Backend`."""
        question = Question.of(features, model, private=True)
        if self._private is None or not self._stands(question):
            loaded = self._look(question)
            self._private = SparkPrivateTrainer(self._sides(loaded, question), self._words, question.trained)
        return self._private

    def close(self) -> None:
        """See :class:`consilia_agents.backend.Backend`: Spark ends."""
        self._forget()
        self._session.close()

    def _stands(self, question: Question) -> bool:
        loaded = self._loaded
        return loaded is not None and self._current(loaded) and self._looks.stand(question, loaded.source.stamp())

    def _look(self, question: Question) -> Loaded:
        """Read the table into Spark: the records that count, once it was accepted."""
        self._forget()
        self._looks.begin()
        made: list[Rows] = []
        try:
            # Made anew, as its password may have been changed.
            source = self._source()
            stamp = source.stamp()
            rows, notes = self._session.run(lambda: self._read(source, question.features))
            made.append(rows)
            looking = Looking(question.features, self._cohort.spec.mapping, question.family)
            look = rows.look(looking, self._looks.progress)
            if look.findings.patients < look.findings.rows:
                made.append(rows.firsts())
                look = self._look_at_firsts(made[1], look, looking)
                made.pop(0).release()
            self._looks.accept(Seen(question, look.findings, look.fingerprint, stamp, notes))
        except BaseException:
            # Who declines looks again, and again: each would leave the whole table on the disk.
            for each in made:
                each.release()
            raise
        finally:
            self._looks.end()
        self._loaded = Loaded(source, made[0], look, self._session.started, self._session.lost)
        return self._loaded

    def _source(self) -> DataSource | JdbcQuery:
        spec = self._cohort.spec
        if spec.source.jdbc is not None:
            return JdbcQuery(spec, spec.source.jdbc, self._places)
        return self._source_of(spec)

    def _read(self, source: DataSource | JdbcQuery, features: Features) -> tuple[Rows, tuple[str, ...]]:
        """The rows, and what this process noted of them; what Spark's workers read they count alone."""
        spec = self._cohort.spec
        mapped = Mapped.of(spec, features)
        holdout = Holdout(spec.hospital, self._cohort.metadata.name, spec.holdout.fraction)
        if isinstance(source, JdbcQuery):
            return Rows(self._session, source.read(self._session, mapped, holdout), once=True), ()
        if isinstance(source, Parted) and not (spec.source.files and spec.source.files.remote):
            parts = list(enumerate(source.parts(mapped)))
            read = self._parallel(parts, len(parts)).mapPartitions(PartReader(source, mapped, holdout))
            return Rows(self._session, read), ()
        extract = source.extract(features, self._looks.progress)
        blocks = blocks_of_extract(extract, mapped, holdout)
        return Rows(self._session, self._parallel(blocks, partitions_of(blocks))), extract.notes

    def _look_at_firsts(self, kept: Rows, look: Look, looking: Looking) -> Look:
        """What is known of one record a patient; what was counted of all records stays."""
        again = kept.look(looking)
        fewer = again.findings
        found = replace(look.findings, labels=fewer.labels, usable=fewer.usable, unfit=fewer.unfit)
        return replace(again, findings=found, digest=look.digest)

    def _sides(self, loaded: Loaded, question: Question) -> Sides:
        blocks = loaded.rows.usable(imputed(question.features, self._cohort.spec.mapping, question.family))
        return Sides(self._session, blocks, len(question.features.names), loaded.look.training, loaded.look.held)

    def _parallel(self, items: Any, partitions: int) -> Any:
        context = self._session.context()
        return self._session.run(lambda: context.parallelize(items, max(1, partitions)))

    def _forget(self) -> None:
        loaded, trainers = self._loaded, (self._clear, self._private)
        self._loaded = self._clear = self._private = None
        if loaded is not None and loaded.started == self._session.started:
            for trainer in trainers:
                if trainer is not None:
                    trainer.release()
            loaded.rows.release()

    def _current(self, loaded: Loaded) -> bool:
        session = self._session
        return (loaded.started, loaded.lost) == (session.started, session.lost) and session.running
