"""What the pages say, in every state, before any script has run."""

import re

import pytest
from flask.testing import FlaskClient


def test_without_a_federation_the_page_says_what_to_type(client: FlaskClient, upstream) -> None:
    upstream.present = False
    page = client.get("/").text
    assert "consilia run examples/breast-cancer.yaml" in page
    assert "kubectl apply -f federation.yaml" in page


def test_an_idle_federation_offers_start_and_not_stop(client: FlaskClient, upstream) -> None:
    upstream.spec["suspend"] = True
    page = client.get("/").text
    assert "Nothing runs until Start." in page
    assert 'id="start" aria-describedby="plan">' in page
    assert 'id="stop" aria-disabled="true"' in page


def test_a_training_federation_shows_its_round_and_its_links(client: FlaskClient, upstream) -> None:
    upstream.begin()
    upstream.commit()
    page = client.get("/").text
    assert 'Round <b id="round">1</b> of <b id="target">10</b>' in page
    assert 'href="http://localhost:5000/#/1"' in page
    assert "NON-PRIVATE" in page


def test_a_model_of_a_number_has_places_for_its_own_scores(client: FlaskClient, upstream) -> None:
    def places() -> list[str]:
        return re.findall(r'class="(?:stat|chart)"[^>]* data-metric="(\w+)"', client.get("/").text)

    assert places() == ["accuracy", "loss", "precision", "recall", "hospitals", "accuracy", "loss"]
    upstream.spec["model"] = {"kind": "PoissonRegression"}
    assert places() == ["r2", "loss", "hospitals", "r2", "loss"]
    upstream.learn_a_number()
    upstream.begin()
    upstream.spec["model"] = {"kind": "LogisticRegression"}
    assert places() == ["r2", "loss", "hospitals", "r2", "loss"], "the run is of the model that it began with"


def test_a_federation_that_waits_says_who_is_missing(client: FlaskClient, upstream) -> None:
    upstream.join("north", "harbour", "hillcrest")
    upstream.become(phase="Registration")
    assert "3 of 5 hospitals joined; quorum 5. Missing: lakeside and riverside." in client.get("/").text


def test_a_complete_federation_says_where_its_model_is(client: FlaskClient, upstream) -> None:
    upstream.begin()
    for _ in range(10):
        upstream.commit()
    upstream.complete()
    page = client.get("/").text
    assert 'mlflow.pyfunc.load_model("models:/breast-cancer/3")' in page
    assert 'href="http://localhost:5000/#/models/breast-cancer/versions/3"' in page


def test_a_blocked_federation_shows_the_sentence_of_its_condition(client: FlaskClient, upstream) -> None:
    denied = {"type": "DataAccepted", "status": "False", "reason": "X", "message": "riverside: no column radius_mean"}
    upstream.become(phase="Blocked", conditions=[denied])
    assert "riverside: no column radius_mean" in client.get("/").text


def test_the_word_non_private_goes_when_a_federation_is_private(client: FlaskClient, upstream) -> None:
    assert "NON-PRIVATE" in client.get("/").text
    upstream.protect()
    assert "NON-PRIVATE" not in client.get("/").text


@pytest.mark.parametrize("path", ["/", "/agents"])
def test_a_private_run_says_what_it_cost_at_which_delta_and_whom_it_covers(
    client: FlaskClient, upstream, path: str
) -> None:
    upstream.protect()
    upstream.begin()
    upstream.commit()
    spent = upstream.status["privacy"]["epsilonSpent"]
    assert 0 < spent < 1
    page = client.get(path).text
    label = re.search(r'<strong id="privacy-label">private: epsilon (0\.\d\d) of 1\.0</strong>', page)
    assert label is not None
    assert 0 <= float(label[1]) - spent < 0.01
    assert "at delta 1e-5" in page
    assert (
        '<p class="promise" id="promise">Scores on holdout patients are exact: the promise covers the training patients'
        " only.</p>" in page
    )


def test_rows_never_reach_the_page_of_a_private_run(client: FlaskClient, upstream) -> None:
    upstream.protect()
    upstream.begin()
    upstream.hospital("north", rows=31337)
    assert "31337" not in client.get("/agents").text


def test_a_private_run_that_is_asked_for_more_keeps_its_target_and_says_what_is_needed(
    client: FlaskClient, upstream
) -> None:
    upstream.protect()
    upstream.begin()
    upstream.spec["rounds"] = 20
    page = client.get("/").text
    assert '<b id="target">10</b>' in page
    assert 'autocomplete="off" value="20"' in page
    assert "A new run is needed for 20 rounds" in page


def test_a_federation_that_is_blocked_for_its_budget_shows_the_sentence_and_what_to_do(
    client: FlaskClient, upstream
) -> None:
    upstream.protect()
    upstream.refuse("north")
    page = client.get("/").text
    assert "The run asks for more than a hospital&#39;s privacy budget allows." in page
    assert "0.6 of 4 remains; ask the hospital, or lower spec.privacy.epsilon to 0.6" in page


def test_the_hospitals_page_puts_the_worst_first_with_what_to_do(client: FlaskClient, upstream) -> None:
    upstream.begin()
    upstream.lose("north", "pod restarted")
    page = client.get("/agents").text
    assert page.index('data-name="north"') < page.index('data-name="harbour"')
    assert "pod restarted" in page
    assert "not awaited until it rejoins" in page


def test_a_link_that_is_no_web_address_is_not_offered(client: FlaskClient, upstream) -> None:
    upstream.become(mlflow={"runId": "1", "url": "javascript:alert(1)"})
    assert 'id="mlflow" target="_blank" rel="noreferrer">' in client.get("/").text


def test_text_of_a_status_is_never_markup(client: FlaskClient, upstream) -> None:
    upstream.become(phase="Pending", message="</script><script>alert(1)</script>")
    page = client.get("/").text
    assert "<script>alert" not in page


@pytest.mark.parametrize("name", ["default/none", "default", "../../x", "default/UPPER", "a/b?c=d", "a/b%2fc"])
def test_a_federation_that_does_not_exist_is_a_sentence_and_404(client: FlaskClient, upstream, name: str) -> None:
    answer = client.get("/", query_string={"federation": name})
    assert answer.status_code == 404
    assert "<h1>" in answer.text
    assert not any(".." in each for each in upstream.requests)


def test_an_api_that_refuses_shows_its_own_sentence(client: FlaskClient, upstream) -> None:
    upstream.api_token = "another"
    answer = client.get("/")
    assert "The bearer token is not valid." in answer.text


def test_the_api_token_is_read_again_at_each_use(client: FlaskClient, upstream, tmp_path) -> None:
    upstream.api_token = "api-token-2"
    assert client.get("/").status_code == 422
    (tmp_path / "api-token").write_text("api-token-2")
    assert client.get("/").status_code == 200


def test_an_api_that_is_down_is_a_page_that_waits_for_it(client: FlaskClient, upstream) -> None:
    upstream.close()
    answer = client.get("/")
    assert answer.status_code == 503
    assert "does not answer" in answer.text
    assert "waiting.js" in answer.text


def test_an_unknown_path_is_a_page_of_ours(client: FlaskClient) -> None:
    answer = client.get("/nowhere")
    assert answer.status_code == 404
    assert "Consilia" in answer.text


def test_the_first_page_after_the_last_federation_was_deleted_waits_for_another(client: FlaskClient, upstream) -> None:
    assert client.get("/").status_code == 200
    upstream.present = False
    answer = client.get("/")
    assert answer.status_code == 200
    assert "No federation yet" in answer.text
