"""All forms in which the same patients are written, by name."""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from consilia.vectors import FloatArray
from written_clinical import NUMBERS, fhir, omop
from written_tables import PATIENTS, Written, builtin, csv_file, csv_folder, parquet_file, parquet_folder, sqlite

LOCAL: dict[str, Callable[[Path], Written]] = {
    "builtin": builtin,
    "csv": csv_file,
    "csv folder": csv_folder,
    "parquet": parquet_file,
    "parquet folder": parquet_folder,
    "sqlite": sqlite,
    "fhir": fhir,
    "omop": omop,
}


def expected(written: Written) -> tuple[FloatArray, FloatArray]:
    """x and y in the order in which the source has its patients."""
    by_id = dict(zip(PATIENTS.ids, PATIENTS.values, strict=True)) | {
        str(NUMBERS[patient]): values for patient, values in zip(PATIENTS.ids, PATIENTS.values, strict=True)
    }
    values = np.array([by_id[patient] for patient in written.ids])
    return values[:, :-1], values[:, -1]
