"""Messages: what is sent comes back as it was, and what is not ours is refused with a sentence."""

import base64
import json
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from builders import federation_spec, private_spec
from consilia.errors import InvalidMessage
from consilia.experiment import Algorithm, Model
from consilia.privacy.dp_fedsgd import Centre
from consilia.protocol import (
    INLINE_LIMIT,
    LONGEST_MESSAGE,
    MOST_ROWS,
    AnyMessage,
    Decline,
    Heartbeat,
    Join,
    Leave,
    Order,
    PrivacyTerms,
    Pulse,
    Rejection,
    RunSettings,
    Update,
    VectorRef,
    Welcome,
    blob_of,
    decode,
    digest_of_names,
    encode,
    fits_inline,
    pack,
    require_usable,
    to_bytes,
    unpack,
)
from consilia.status import LedgerState, LedgerWitness, Metrics

DIGEST = "0" * 64
SETTINGS = RunSettings(features=federation_spec().features, model=Model(), algorithm=Algorithm())
ORDER = Order(
    federation="uid-1",
    run=1,
    round=2,
    attempt=1,
    task="train",
    settings=DIGEST,
    participants=digest_of_names(["north", "south"]),
    parameters=pack(np.array([1.0, -2.0])),
)
TERMS = PrivacyTerms.of(private_spec(epsilon=2.0), "uid-1", "default/breast-cancer", 3)
PRIVATE = SETTINGS.model_copy(update={"privacy": TERMS, "centre": Centre(centre=(0.25, -1.0))})
LEDGER = LedgerState(sequence=4, head="a" * 64, spent=1.0, remaining=2.5, budget=4.0, delta=1e-5)
UPDATE = Update(order=ORDER.key, rows=12, vector=pack(np.array([0.1])), metrics=Metrics(loss=0.3))
MESSAGES = [
    Join(instance="a1", engine="sklearn"),
    Heartbeat(instance="a1", order=DIGEST, busy=True),
    UPDATE,
    Decline(reason='column "age" is missing'),
    Leave(reason="its process was stopped"),
    Welcome(federation="uid-1", instance="c1", heartbeat_seconds=1, settings=SETTINGS),
    ORDER,
    Pulse(instance="c1", joined=True),
    Rejection(reason="no"),
    Join(instance="a1", engine="sklearn", ledger=LEDGER),
    Update(order=ORDER.key, vector=pack(np.array([0.1])), ledger=LEDGER),
    Welcome(
        federation="uid-1",
        instance="c1",
        heartbeat_seconds=1,
        settings=PRIVATE,
        witness=LedgerWitness(sequence=3, head=DIGEST),
    ),
    ORDER.model_copy(update={"scored": pack(np.array([0.5, 0.5]))}),
]
ANY_VECTOR = arrays.arrays(np.float64, st.integers(1, 40), elements=st.floats(width=64))


def body(message: AnyMessage, **fields: Any) -> str:
    """The body of ``message`` with these fields changed; None takes one out."""
    whole = json.loads(encode(message)) | fields
    return json.dumps({name: value for name, value in whole.items() if value is not None})


def refusal(text: str) -> str:
    with pytest.raises(InvalidMessage) as caught:
        decode(text)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: message.type)
def test_a_message_comes_back_as_it_was_sent(message: AnyMessage) -> None:
    assert decode(encode(message)) == message


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: message.type)
def test_every_message_says_its_protocol_version(message: AnyMessage) -> None:
    assert json.loads(encode(message))["consilia"] == 1


@given(ANY_VECTOR)
def test_any_vector_comes_back_bit_by_bit_through_a_message(vector: np.ndarray) -> None:
    received = decode(encode(UPDATE.model_copy(update={"vector": pack(vector)})))
    assert isinstance(received, Update)
    assert received.vector is not None
    assert to_bytes(unpack(received.vector)) == to_bytes(vector)


@given(ANY_VECTOR)
def test_bytes_are_little_endian_whatever_the_array_was(vector: np.ndarray) -> None:
    strided = np.repeat(vector, 2)[::2]
    assert to_bytes(vector.astype(">f8")) == to_bytes(strided) == vector.astype("<f8").tobytes()


@pytest.mark.parametrize(
    ("values", "inline"), [pytest.param(2048, True, id="16 KiB"), pytest.param(2049, False, id="a value more")]
)
def test_a_vector_travels_in_the_message_up_to_16_kib_and_as_a_blob_above(values: int, inline: bool) -> None:
    reference = pack(np.zeros(values))
    assert (values * 8 <= INLINE_LIMIT) is fits_inline(values) is inline
    assert reference.inline is inline
    assert reference.length == values
    decoded = decode(encode(UPDATE.model_copy(update={"vector": reference})))
    assert isinstance(decoded, Update)
    assert decoded.vector == reference


@given(ANY_VECTOR)
def test_a_blob_has_the_reference_and_the_bytes_of_the_packed_vector(vector: np.ndarray) -> None:
    reference, raw = blob_of(vector)
    assert reference == pack(vector).model_copy(update={"data": None})
    assert bytes(raw) == to_bytes(vector)


def test_a_blob_is_unpacked_from_its_bytes_only() -> None:
    vector = np.linspace(0, 1, 2049)
    with pytest.raises(InvalidMessage, match="is a blob, and its bytes were not fetched"):
        unpack(pack(vector))
    assert np.array_equal(unpack(pack(vector), to_bytes(vector)), vector)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        pytest.param("", "message is not JSON", id="empty"),
        pytest.param("hello", "message is not JSON: its sender is not of this federation", id="chat"),
        pytest.param("[" * 100_000, "message is not JSON", id="nested without end"),
        pytest.param("[1]", "message is not valid: it is a list; it must be a mapping", id="a list"),
        pytest.param("null", "message is not valid: it is empty; it must be a mapping", id="null"),
        pytest.param('{"consilia":1}', "type is missing", id="no type"),
        pytest.param('{"consilia":1,"type":"gossip"}', 'type is "gossip"; it must be one of', id="unknown type"),
        pytest.param(body(MESSAGES[0], consilia=2), "of protocol version 2; this process speaks version 1", id="newer"),
        pytest.param(body(MESSAGES[0], consilia=0), "of protocol version 0; this process speaks", id="older"),
        pytest.param(body(MESSAGES[0], consilia=None), "of protocol version null", id="no version"),
        pytest.param(body(MESSAGES[0], consilia="x" * 99), "run the same release of Consilia", id="a strange version"),
        pytest.param(body(UPDATE, extra=1), "update.extra is not a known field", id="unknown field"),
        pytest.param(
            body(UPDATE, **{"x" * 9000: 1}), f"update.{'x' * 60}… is not a known", id="a field as long as a novel"
        ),
        pytest.param(body(UPDATE, rows=-1), "update.rows is -1; it must be at least 0", id="negative rows"),
        pytest.param(body(UPDATE, rows=MOST_ROWS + 1), "update.rows is", id="more rows than a weight can have"),
        pytest.param(body(UPDATE, rows=10**400), "update.rows is", id="rows beyond float64"),
        pytest.param(body(UPDATE, order="abc"), 'update.order is "abc"', id="no digest"),
        pytest.param(body(UPDATE, metrics={"loss": math.nan}), "update.metrics.loss is nan", id="NaN score"),
        pytest.param(body(UPDATE, metrics={"loss": math.inf}), "update.metrics.loss is inf", id="infinite score"),
        pytest.param(body(UPDATE, vector={"sha256": DIGEST, "length": 0}), "update.vector.length is 0", id="no values"),
        pytest.param(
            body(UPDATE, vector={"sha256": DIGEST, "length": 9, "data": "A" * 40_000}),
            "update.vector.data is longer than the 32768",
            id="a blob in a message",
        ),
        pytest.param(body(ORDER, task="sing"), 'order.task is "sing"', id="unknown task"),
        pytest.param(body(ORDER, round=-1), "order.round is -1", id="negative round"),
        pytest.param(body(MESSAGES[3], reason="x" * 1001), "decline.reason is longer than the 1000", id="a novel"),
        pytest.param(" " * (LONGEST_MESSAGE + 1), f"at most {LONGEST_MESSAGE} are read", id="too long to look at"),
    ],
)
def test_what_is_not_our_protocol_is_refused_with_a_sentence(text: str, sentence: str) -> None:
    said = refusal(text)
    assert sentence in said
    assert len(said) < 400


@given(st.text(max_size=200))
def test_any_text_is_refused_and_never_raises_anything_else(text: str) -> None:
    refusal(text)


def reference_to(raw: bytes, length: int, sha256: str) -> VectorRef:
    return VectorRef(sha256=sha256, length=length, data=base64.b64encode(raw).decode())


GOOD = pack(np.array([1.0, 2.0]))


@pytest.mark.parametrize(
    ("reference", "sentence"),
    [
        pytest.param(reference_to(b"\0" * 16, 2, GOOD.sha256), "does not have the digest", id="other values"),
        pytest.param(
            GOOD.model_copy(update={"length": 3}), "has 16 bytes; expected 24, for 3 values", id="length says more"
        ),
        pytest.param(
            GOOD.model_copy(update={"length": 1}), "has 16 bytes; expected 8, for 1 value", id="length says less"
        ),
        pytest.param(
            reference_to(b"\0" * 15, 2, GOOD.sha256), "has 15 bytes; expected 16, for 2 values", id="a byte is missing"
        ),
        pytest.param(GOOD.model_copy(update={"data": "AAA*"}), "is not valid base64", id="not base64"),
        pytest.param(GOOD.model_copy(update={"data": ""}), "has 0 bytes; expected 16, for 2 values", id="empty"),
    ],
)
def test_a_vector_that_is_not_what_its_reference_promises_is_refused(reference: VectorRef, sentence: str) -> None:
    with pytest.raises(InvalidMessage) as caught:
        unpack(reference)
    assert sentence in str(caught.value)


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf, 1e101, -1e308], ids=str)
def test_a_value_that_is_not_finite_is_refused_with_its_position(bad: float) -> None:
    with pytest.raises(InvalidMessage, match=r"not finite .* first at position 1"):
        require_usable(np.array([0.0, bad, bad]), 3)


def test_a_vector_of_another_length_is_refused() -> None:
    with pytest.raises(InvalidMessage, match="vector has 2 values; this run's have 31"):
        require_usable(np.zeros(2), 31)


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"federation": "uid-2"}, id="federation"),
        pytest.param({"run": 2}, id="run"),
        pytest.param({"round": 3}, id="round"),
        pytest.param({"attempt": 2}, id="attempt"),
        pytest.param({"task": "evaluate"}, id="task"),
        pytest.param({"settings": "1" * 64}, id="settings"),
        pytest.param({"participants": digest_of_names(["north"])}, id="participants"),
        pytest.param({"parameters": pack(np.array([1.0, -2.5]))}, id="parameters"),
        pytest.param({"parameters": None}, id="no parameters"),
        pytest.param({"scored": pack(np.array([1.0, -2.0]))}, id="what is scored"),
    ],
)
def test_an_orders_key_changes_with_all_that_may_change_the_answer(change: dict[str, Any]) -> None:
    before = ORDER.key
    assert ORDER.model_copy(update=change).key != before


@pytest.mark.parametrize("change", [{"attempt": 2}, {"participants": digest_of_names(["north"])}])
def test_a_retry_of_a_private_order_has_its_key_so_that_it_gets_the_same_bytes_for_nothing(
    change: dict[str, Any],
) -> None:
    private = ORDER.model_copy(update={"private": True})
    assert private.model_copy(update=change).key == private.key
    assert private.model_copy(update={"round": 3}).key != private.key
    assert private.key != ORDER.key


def test_an_orders_key_stays_when_only_its_ticket_changes() -> None:
    assert ORDER.model_copy(update={"ticket": "another"}).key == ORDER.key


def test_the_settings_digest_survives_the_wire_and_changes_with_the_settings() -> None:
    welcome = decode(encode(MESSAGES[5]))
    assert isinstance(welcome, Welcome)
    assert welcome.settings is not None
    assert welcome.settings.digest == SETTINGS.digest
    assert SETTINGS.model_copy(update={"model": Model(l2=0.5)}).digest != SETTINGS.digest


def test_the_settings_of_a_private_run_are_of_that_run_alone_and_survive_the_wire() -> None:
    welcome = decode(encode(Welcome(federation="uid-1", instance="c1", heartbeat_seconds=1, settings=PRIVATE)))
    assert isinstance(welcome, Welcome)
    assert welcome.settings == PRIVATE
    assert TERMS is not None
    other = PRIVATE.model_copy(update={"privacy": TERMS.model_copy(update={"run": 4})})
    assert len({SETTINGS.digest, PRIVATE.digest, other.digest}) == 3


def test_a_hospital_makes_its_own_plan_of_the_terms() -> None:
    assert TERMS is not None
    plan = TERMS.plan(noised_holdout=True)
    assert plan.epsilon == pytest.approx(2.0)
    assert (plan.train.times, plan.ask.hospitals, plan.ask.nominal_rows) == (3 + 2, 2, 400)
    assert TERMS.plan(noised_holdout=False).evaluate is None


def test_a_run_without_noise_has_no_terms() -> None:
    assert PrivacyTerms.of(federation_spec(), "uid-1", "default/breast-cancer", 1) is None


def test_the_digest_of_names_is_that_of_the_set() -> None:
    assert digest_of_names(["b", "a"]) == digest_of_names(("a", "b")) == digest_of_names(frozenset({"a", "b"}))
    assert digest_of_names(["a,b"]) != digest_of_names(["a", "b"])
