"""Which source a cohort asks for."""

from consilia.errors import InvalidData
from consilia.spec import CohortSpec
from consilia_agents.sources.builtin import BuiltinSource
from consilia_agents.sources.extract import DataSource


def source_of(cohort: CohortSpec) -> DataSource:
    """The source of a cohort's rows."""
    source = cohort.source
    if source.builtin is not None:
        return BuiltinSource.named(cohort.hospital, source.builtin)
    raise InvalidData(f"hospital {cohort.hospital}: source.{source.kind} is read by no engine of this process")
