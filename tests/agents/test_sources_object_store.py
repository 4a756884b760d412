"""An object store that does not give what is asked for: a real S3 API, and none at all."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import pytest

from consilia.errors import Unavailable
from consilia_agents.sources.files import reading
from consilia_agents.sources.places import Places
from ports import free_port
from refused_sources import SECRET, refusal
from stores import s3
from written_tables import BUCKET, FEATURES, PATIENTS, TABLE_COLUMNS, Written, csv_text, in_bucket, parquet_bytes

pytestmark = pytest.mark.real


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    with s3(BUCKET) as address:
        yield address


def stored(folder: Path, endpoint: str, path: str = "labs.csv", kind: str = "csv", **objects: bytes) -> Written:
    store, places = in_bucket(folder, endpoint, **objects)
    source = {kind: {"path": f"s3://{path}" if "/" in path else f"s3://{BUCKET}/{path}"} | store}
    return Written(source | {"credentials": "clinic-s3"}, TABLE_COLUMNS, places)


def told(endpoint: str, rest: str) -> str:
    return f"hospital north: the object store at {endpoint.removeprefix('http://')}{rest}"


def test_a_bucket_or_a_key_that_is_not_there_is_named(tmp_path: Path, endpoint: str) -> None:
    none = refusal(stored(tmp_path, endpoint, "no-such-bucket/labs.csv"))
    assert none.startswith('hospital north: there is no bucket "no-such-bucket" at 127.0.0.1:')
    key = refusal(stored(tmp_path, endpoint, "nowhere.csv"))
    assert key == f'hospital north has no file "s3://{BUCKET}/nowhere.csv": put it there, or mend the source\'s path'


def test_a_folder_without_a_file_of_the_kind_is_refused(tmp_path: Path, endpoint: str) -> None:
    written = stored(tmp_path, endpoint, "notes", notes__readme_md=b"no data", notes___half_csv=b"no data yet")
    assert "holds no file that ends in .csv" in refusal(written)


def test_a_parquet_that_is_cut_off_is_refused(tmp_path: Path, endpoint: str) -> None:
    written = stored(tmp_path, endpoint, "half.parquet", "parquet", half_parquet=parquet_bytes()[:-9])
    assert f'file "s3://{BUCKET}/half.parquet" is cut off or damaged' in refusal(written)


def test_a_new_object_of_the_same_size_is_another_stamp(tmp_path: Path, endpoint: str) -> None:
    text = csv_text()
    source = stored(tmp_path, endpoint, "stamped.csv", stamped_csv=text.encode()).read()
    before = source.stamp()
    assert source.stamp() == before
    stored(tmp_path, endpoint, "stamped.csv", stamped_csv=text.replace("malignant", "malignent").encode())
    assert source.stamp() != before


def test_without_credentials_requests_are_not_signed(tmp_path: Path, endpoint: str) -> None:
    written = stored(tmp_path, endpoint, "open.csv", open_csv=csv_text().encode())
    written = replace(written, source={key: value for key, value in written.source.items() if key != "credentials"})
    assert len(replace(written, places=Places()).read().extract(FEATURES)) == len(PATIENTS)


def test_an_authority_that_would_check_nothing_is_refused(tmp_path: Path, endpoint: str) -> None:
    written = stored(tmp_path, endpoint)
    (tmp_path / "secrets" / "clinic-s3" / "ca.crt").write_text("any")
    assert refusal(written) == (
        "hospital north: objectStore.endpoint begins with http://, and so no server is checked by ca.crt of "
        "source.credentials: write https://, or take ca.crt out"
    )


@pytest.mark.parametrize("key", ["accessKeyId", "secretAccessKey"])
def test_a_key_that_is_missing_is_named(tmp_path: Path, endpoint: str, key: str) -> None:
    written = stored(tmp_path, endpoint)
    (tmp_path / "secrets" / "clinic-s3" / key).unlink()
    assert refusal(written) == f'hospital north: the key {key} of credentials "clinic-s3" is missing: put it there'


def test_whoever_is_denied_is_told_so_without_a_key(tmp_path: Path) -> None:
    with s3(BUCKET) as address:
        written = stored(tmp_path, address, "labs.csv", labs_csv=csv_text().encode())
        (tmp_path / "secrets" / "clinic-s3" / "secretAccessKey").write_text(SECRET)
        plain = {"Content-Type": "text/plain"}
        with urlopen(Request(f"{address}/moto-api/reset-auth", b"0", plain, method="POST"), timeout=10) as answer:
            assert answer.status == 200  # from here on, it asks who is there
        sentence = refusal(written)
    said = f' denies credentials "clinic-s3" "s3://{BUCKET}/labs.csv" (ACCESS_DENIED): mend source.credentials'
    assert sentence.startswith(told(address, said))


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_a_server_that_is_down_may_come_back(tmp_path: Path, kind: str) -> None:
    address = f"http://127.0.0.1:{free_port()}"
    source: dict[str, Any] = {kind: {"path": f"s3://{BUCKET}/labs", "objectStore": {"endpoint": address}}}
    sentence = refusal(Written(source, TABLE_COLUMNS), Unavailable)
    assert sentence.startswith(told(address, " does not answer: see whether it is up"))


def test_a_server_that_goes_between_two_looks_may_come_back(tmp_path: Path) -> None:
    with s3(BUCKET) as address:
        source = stored(tmp_path, address, "labs.csv", labs_csv=csv_text().encode()).read()
        assert len(source.extract(FEATURES)) == len(PATIENTS)
        file = source.files.listed()[0]  # type: ignore[attr-defined]
    with pytest.raises(Unavailable, match="does not answer"):
        source.stamp()
    with pytest.raises(Unavailable, match="does not answer"), reading(source.files, file):  # type: ignore[attr-defined]
        pytest.fail("it was opened")
