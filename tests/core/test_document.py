"""What is computed of a document's fields is of those fields alone."""

from copy import copy

from consilia.privacy.entries import Created, encode

ENTRY = Created(
    sequence=0, previous="0" * 64, at="2026-11-24T12:00:00.000Z", cohort="north/north-2024", nonce="ab" * 32
)


def test_a_copy_with_another_field_has_its_own_hash() -> None:
    before = ENTRY.hash
    other = ENTRY.model_copy(update={"nonce": "cd" * 32})
    assert other.hash != before
    assert other.hash == Created.model_validate(other.model_dump()).hash
    assert other.hash.encode() in encode(other)
    assert ENTRY.hash == before


def test_a_copy_is_the_same_document_whether_or_not_its_hash_was_asked_for() -> None:
    assert ENTRY.hash
    copied = copy(ENTRY)
    assert copied == ENTRY
    assert hash(copied) == hash(ENTRY)
    assert copied.to_json() == ENTRY.to_json()
    assert "hash" not in copied.to_json()
