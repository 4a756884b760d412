"""Which source a cohort asks for. What reads it is loaded with it: a hospital needs Arrow, or a database's driver."""

from consilia.errors import InvalidData
from consilia.spec import CohortSpec
from consilia_agents.sources.builtin import BuiltinSource
from consilia_agents.sources.extract import DataSource
from consilia_agents.sources.places import Places

NOWHERE = Places()


def source_of(cohort: CohortSpec, places: Places = NOWHERE) -> DataSource:
    """The source of a cohort's rows; nothing is opened yet."""
    source = cohort.source
    if source.builtin is not None:
        return BuiltinSource.named(cohort.hospital, source.builtin, cohort.mapping)
    if source.files is not None:
        from consilia_agents.sources.of_files import source_of_files  # noqa: PLC0415

        return source_of_files(cohort, source.files, places)
    if source.sql is not None:
        from consilia_agents.sources.sql import SqlQuery  # noqa: PLC0415

        return SqlQuery(cohort, source.sql, places)
    if source.omop is not None:
        from consilia_agents.sources.omop import OmopTables  # noqa: PLC0415

        return OmopTables(cohort, source.omop, places)
    raise InvalidData(
        f"hospital {cohort.hospital}: source.{source.kind} is read by Spark alone: say engine: spark in the cohort"
    )
