"""The sources of files, and the place that each has its files in."""

from consilia.data_source import CsvSource, FhirSource, ParquetSource
from consilia.spec import CohortSpec
from consilia_agents.sources import delimited, fhir, parquet
from consilia_agents.sources.extract import DataSource
from consilia_agents.sources.files import Files, LocalFiles
from consilia_agents.sources.object_store import StoredFiles
from consilia_agents.sources.places import Credentials, Places

AnyFiles = CsvSource | ParquetSource | FhirSource


def source_of_files(cohort: CohortSpec, source: AnyFiles, places: Places) -> DataSource:
    """The source of a cohort's rows in files."""
    match source:
        case CsvSource():
            return delimited.DelimitedText(cohort, source, files_of(cohort, source, delimited.SUFFIXES, places))
        case ParquetSource():
            return parquet.ParquetFiles(cohort, source, files_of(cohort, source, parquet.SUFFIXES, places))
        case FhirSource():
            return fhir.FhirExport(cohort, source, files_of(cohort, source, fhir.SUFFIXES, places))


def files_of(cohort: CohortSpec, source: AnyFiles, suffixes: tuple[str, ...], places: Places) -> Files:
    """Where a source's files are: in a bucket, or in the data folder."""
    if source.remote:
        return StoredFiles.of(
            cohort.hospital, source, suffixes, Credentials(cohort.hospital, cohort.source.credentials, places)
        )
    return LocalFiles(cohort.hospital, source.path, suffixes, places)
