"""The buttons edit the federation through its API, and answer with a sentence."""

from collections.abc import Callable

Press = Callable[..., tuple[int, dict[str, str]]]


def test_start_sends_the_rounds_that_the_page_shows(post: Press, upstream) -> None:
    upstream.spec["suspend"] = True
    assert post("start", rounds="20") == (202, {"message": "Starting: 20 rounds, 5 hospitals, NON-PRIVATE."})
    assert upstream.patches == [{"suspend": False, "rounds": 20}]


def test_start_on_a_complete_federation_asks_for_the_next_run(post: Press, upstream) -> None:
    upstream.begin()
    upstream.commit()
    upstream.status["round"] = 10
    upstream.complete()
    assert post("start")[0] == 202
    assert upstream.patches == [{"suspend": False, "run": 2}]


def test_stop_answers_that_it_is_stopping_after_this_round(post: Press, upstream) -> None:
    upstream.begin()
    assert post("stop") == (202, {"message": "Stopping after this round."})
    assert upstream.patches == [{"suspend": True}]


def test_rounds_sets_the_target(post: Press, upstream) -> None:
    upstream.begin()
    assert post("rounds", rounds="12") == (202, {"message": "The target is now 12 rounds."})
    assert upstream.patches == [{"rounds": 12}]


def test_a_refusal_of_the_api_is_shown_as_its_sentence(post: Press, upstream) -> None:
    upstream.begin()
    upstream.refusal = (422, "spec.rounds is 2000000; it must be at most 1000000")
    status, answer = post("rounds", rounds="2000000")
    assert (status, answer["error"]) == (422, "Spec.rounds is 2000000; it must be at most 1000000.")


def test_a_command_that_changes_nothing_says_so(post: Press, upstream) -> None:
    upstream.begin()
    status, answer = post("start")
    assert (status, answer["error"]) == (409, "It is training already: Start has nothing to do.")


def test_rounds_that_are_no_number_are_refused_before_the_api_is_asked(post: Press, upstream) -> None:
    upstream.begin()
    assert post("rounds", rounds="many")[0] == 422
    assert upstream.patches == []


def test_an_api_that_is_down_is_a_sentence_not_a_trace(post: Press, upstream) -> None:
    upstream.close()
    status, answer = post("stop")
    assert status == 503
    assert "does not answer" in answer["error"]
