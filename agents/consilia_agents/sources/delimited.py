"""CSV: text with a header, read in blocks by Arrow; every column that is asked for as text, and then as numbers.

A row with more or fewer values than the header is one record that nobody can read: it is counted, noted by file and
row, and has no row in the table. What is wrong with a file as a whole is refused: its encoding, its delimiter, its
header.
"""

import codecs
import csv
import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
from pyarrow import csv as arrow_csv

from consilia.data_source import CsvSource
from consilia.errors import InvalidData
from consilia.experiment import Features
from consilia.spec import CohortSpec
from consilia.wording import counted
from consilia_agents.sources.extract import Extract, Progress, untold
from consilia_agents.sources.files import DataFile, Files, of_the_bytes, reading
from consilia_agents.sources.mapped import Mapped
from consilia_agents.sources.parts import Part
from consilia_agents.sources.records import Records, Share
from consilia_agents.sources.values import add_arrow

SUFFIXES = (".csv", ".csv.gz", ".tsv", ".tsv.gz", ".txt")
BLOCK_BYTES = 1 << 20
"""The longest row, and what is held of a file at once."""
HEADER_BYTES = 1 << 20
BEGINNING_BYTES = 1 << 13
_OTHERS = {",": '","', ";": '";"', "\t": '"\\t"', "|": '"|"'}
_UTF16 = (b"\xff\xfe", b"\xfe\xff")
_BOM_AS_LATIN = "\u00ef\u00bb\u00bf"
_OTHER_KINDS = {
    b"PK\x03\x04": "is a workbook or a zip, and no CSV: save it as CSV",
    b"\x1f\x8b": "is compressed: let its name end in .gz",
    b"PAR1": "is Parquet: use source.parquet",
}
_NO_ROWS = "empty csv file"
"""What Arrow says of a header that no line's end follows."""


@dataclass(frozen=True)
class DelimitedText:
    """See :class:`consilia_agents.sources.extract.DataSource`."""

    cohort: CohortSpec
    source: CsvSource
    files: Files

    def columns(self) -> tuple[str, ...]:
        """See :class:`consilia_agents.sources.extract.DataSource`; of the first file."""
        return tuple(self._header(self.files.listed()[0]))

    def extract(self, features: Features, progress: Progress = untold) -> Extract:
        """See :class:`consilia_agents.sources.extract.DataSource`."""
        mapped = Mapped.of(self.cohort, features)
        files = self.files.listed()
        for file in files:
            self._require(mapped, file)
        records, share = Records(mapped), Share(progress)
        done, size = 0, sum(file.size for file in files)
        for file in files:
            for read in self._batches(mapped, file, records):
                share.tell(done + read, size)
            done += file.size
        extract = records.extract()
        share.finish()
        return extract

    def stamp(self) -> str | None:
        """See :class:`consilia_agents.sources.extract.DataSource`."""
        return self.files.stamp()

    def parts(self, mapped: Mapped) -> tuple[Part, ...]:
        """See :class:`consilia_agents.sources.parts.Parted`: whole files, as a row may go on over lines."""
        files = self.files.listed()
        for file in files:
            self._require(mapped, file)
        return tuple(Part(file) for file in files)

    def read(self, mapped: Mapped, part: Part, records: Records) -> Iterator[int]:
        """See :class:`consilia_agents.sources.parts.Parted`; yields bytes."""
        return self._batches(mapped, part.file, records)

    def _require(self, mapped: Mapped, file: DataFile) -> None:
        header = self._header(file)
        others = [shown for sign, shown in _OTHERS.items() if sign != self.source.delimiter and sign in header[0]]
        if len(header) == 1 and others and header[0] not in mapped.needed:
            raise self._refused(file, f"has one column, and its header holds {others[0]}: give that as delimiter")
        mapped.require(header, f' in "{file.name}"')

    def _header(self, file: DataFile) -> list[str]:
        if self.source.delimiter in '"\r\n' or not self.source.delimiter.isascii():
            raise self._refused(file, "cannot be cut at that delimiter: give another, such as a comma")
        with reading(self.files, file) as opened:
            try:
                start = bytes(_plain(file, opened).read(HEADER_BYTES))
                text = self._decoded(start)
                row = next(csv.reader(io.StringIO(text, newline=""), delimiter=self.source.delimiter), [])
            except UnicodeError:
                raise self._wrong_encoding(file, start) from None
            except LookupError:
                raise self._refused(
                    file,
                    f'has encoding "{self.source.encoding}", which there is not: give utf-8, latin-1 or the like',
                ) from None
            except (csv.Error, pa.ArrowException, OSError) as error:
                if not isinstance(error, csv.Error) and not of_the_bytes(error):
                    raise
                raise self._broken(file, error) from None
        if not row:
            raise self._refused(file, "is empty: it needs a header and a row a patient")
        if row[0].startswith(_BOM_AS_LATIN):
            raise self._refused(file, f"begins as utf-8 does, and not as {self.source.encoding}: leave encoding out")
        if row[0].startswith("sep="):
            raise self._refused(file, 'begins with "sep=", which is no header: delete that line')
        if any("\0" in name for name in row):
            raise self._wrong_encoding(file, start if start.startswith(tuple(_OTHER_KINDS)) else _UTF16[0])
        return row

    def _decoded(self, start: bytes) -> str:
        """The text of the header; the file's beginning has to be in the encoding as a whole."""
        "".encode(self.source.encoding)  # of what is no text's, such as hex, there are decoders too
        first = codecs.getincrementaldecoder(self.source.encoding)()
        first.decode(start[:BEGINNING_BYTES], final=len(start) <= BEGINNING_BYTES)
        decoder = codecs.getincrementaldecoder(self.source.encoding)()
        letters: list[str] = []
        quoted = begun = False
        for at in range(len(start)):
            letter = decoder.decode(start[at : at + 1])
            letters.append(letter)
            quoted ^= letter.count('"') % 2 == 1
            begun |= bool(letter.strip("\ufeff\r\n"))
            # A header may go on over lines, within quotes; lines before it may be empty.
            if begun and not quoted and letter in {"\n", "\r"}:
                break
        else:
            if len(start) < HEADER_BYTES:
                letters.append(decoder.decode(b"", final=True))
        return "".join(letters).removeprefix("\ufeff").lstrip("\r\n")

    def _batches(self, mapped: Mapped, file: DataFile, records: Records) -> Iterator[int]:
        """Read a file into ``records``; yields how many of its bytes are read."""
        where = f' in "{file.name}"'
        with reading(self.files, file) as opened:
            text = _Text(_plain(file, opened), self.source.encoding)
            try:
                for batch in self._reader(mapped, file, text, records):
                    add_arrow(records, mapped, batch, where, self.source.decimal)
                    yield opened.tell()
            except UnicodeError:
                raise self._wrong_encoding(file) from None
            except (pa.ArrowException, OSError) as error:
                if not of_the_bytes(error):
                    raise
                if _NO_ROWS not in str(error).lower():
                    raise self._broken(file, error) from None
        if text.quotes % 2:
            # What follows an open quote is one value to its end, so rows would be lost without a word.
            raise self._refused(file, 'has a quote (") that is not closed: close it, or double it within a value')

    def _reader(self, mapped: Mapped, file: DataFile, text: "_Text", records: Records) -> Any:
        return arrow_csv.open_csv(
            text,
            # One thread, so that rows have numbers.
            arrow_csv.ReadOptions(use_threads=False, block_size=BLOCK_BYTES, encoding=self.source.encoding),
            arrow_csv.ParseOptions(
                delimiter=self.source.delimiter,
                newlines_in_values=True,
                invalid_row_handler=_noting(file, records),
            ),
            arrow_csv.ConvertOptions(
                include_columns=list(mapped.needed),
                column_types=dict.fromkeys(mapped.needed, pa.string()),
                null_values=[""],
                strings_can_be_null=True,
            ),
        )

    def _refused(self, file: DataFile, what: str) -> InvalidData:
        return InvalidData(f'hospital {self.cohort.hospital}: file "{file.name}" {what}')

    def _wrong_encoding(self, file: DataFile, start: bytes = b"") -> InvalidData:
        for magic, better in _OTHER_KINDS.items():
            if start.startswith(magic):
                return self._refused(file, better)
        better = "utf-16" if start.startswith(_UTF16) or b"\0" in start[:BEGINNING_BYTES] else "latin-1"
        return self._refused(
            file, f"is not in encoding {self.source.encoding}: give the one it is in, such as {better}, as encoding"
        )

    def _broken(self, file: DataFile, error: Exception) -> InvalidData:
        """What a reader says of a file may quote it, so it is only looked at."""
        said = str(error).lower()
        if "utf8" in said or "utf-8" in said:
            return self._wrong_encoding(file)
        if "zlib" in said or "compress" in said:
            return self._refused(file, "is cut off, or no gzip: copy it anew")
        if "straddl" in said:
            return self._refused(
                file, f"has a row of more than {BLOCK_BYTES >> 20} MiB: a quote is not closed, or it is no CSV"
            )
        return self._refused(file, "is no CSV that can be read: see whether it is text, and its quotes are closed")


class _Text(io.RawIOBase):
    """A file as it is read, with how many quotes there were: in RFC 4180 an even number."""

    def __init__(self, plain: Any, encoding: str) -> None:
        self._plain = plain
        self._decoder = None if '"'.encode(encoding) == b'"' else codecs.getincrementaldecoder(encoding)("replace")
        self.quotes = 0

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        content = bytes(self._plain.read(size if size >= 0 else None))
        self.quotes += content.count(b'"') if self._decoder is None else self._decoder.decode(content).count('"')
        return content


def _plain(file: DataFile, opened: Any) -> Any:
    return pa.CompressedInputStream(opened, "gzip") if file.name.endswith(".gz") else opened


def _noting(file: DataFile, records: Records) -> Callable[[Any], str]:
    def skip(row: Any) -> str:
        at = f"row {row.number}" if row.number is not None else "a row"
        has = counted(row.actual_columns, "value")
        records.broken(f"{file.name}: {at} has {has}, and the header has {row.expected_columns}")
        return "skip"

    return skip
