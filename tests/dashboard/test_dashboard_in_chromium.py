"""The dashboard as people meet it: in a real browser, before a fake upstream that lives."""

import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from served_dashboard import Served
from upstream import Upstream

from chromium import LOW_CONTRAST, NAMELESS, Page
from deadline import eventually

pytestmark = pytest.mark.real

INKED = """
const canvas = document.querySelector(arguments[0] + " canvas");
const copy = new OffscreenCanvas(canvas.width, canvas.height).getContext("2d", { willReadFrequently: true });
copy.drawImage(canvas, 0, 0);
const pixels = copy.getImageData(0, 0, canvas.width, canvas.height).data;
let inked = 0;
for (let at = 3; at < pixels.length; at += 4) inked += pixels[at] > 200;
return inked;
"""
# When the answer line first says something, after a click on the element.
ANSWER_TIME = """
const done = arguments[arguments.length - 1];
const answer = document.getElementById("answer");
const began = performance.now();
new MutationObserver(() => answer.textContent && done([performance.now() - began, answer.textContent]))
  .observe(answer, { childList: true, characterData: true, subtree: true });
document.querySelector(arguments[0]).click();
"""


def inked(page: Page, chart: str) -> int:
    return int(page.run(INKED, chart))


def test_start_watch_the_chart_grow_stop(page: Page, upstream: Upstream) -> None:
    upstream.spec.update(suspend=True, rounds=500)
    page.until(
        "document.getElementById('plan').textContent.startsWith('Start begins run 1: 500 rounds, 5 hospitals, NON-P')"
    )
    assert page.text("badge").strip() == "Idle"
    with upstream.training(every=0.1):
        page.click("#start")
        page.until("document.getElementById('badge').textContent.trim() === 'Training'")
        page.until("Number(document.getElementById('round').textContent) >= 3")
        before = inked(page, "#chart-accuracy"), inked(page, "#chart-loss")
        page.until("Number(document.getElementById('round').textContent) >= 30")
        after = inked(page, "#chart-accuracy"), inked(page, "#chart-loss")
        assert after[0] > before[0]
        assert after[1] > before[1]
        page.click("#stop")
        page.click("#stop-dialog button[value=yes]")
        page.until("document.getElementById('badge').textContent.trim() === 'Idle'")
    assert upstream.patches == [{"suspend": False}, {"suspend": True}]
    assert "Stopped after round" in page.text("sentence")
    assert "Start resumes run 1" in page.text("plan")


def test_a_run_of_a_number_shows_its_r2_and_no_empty_places(page: Page, upstream: Upstream, dashboard: Served) -> None:
    upstream.begin()
    upstream.commit()
    page.until("document.querySelector('#stats [data-metric=accuracy] .value').textContent.endsWith('%')")
    upstream.complete()
    upstream.learn_a_number()
    upstream.begin(2)
    for _ in range(12):
        upstream.commit()
    # The page comes back by itself with the places of the other scores.
    page.until(r"/^0\.\d{3}$/.test(document.querySelector('#stats [data-metric=r2] .value')?.textContent)")
    assert (
        page.run("return [...document.querySelectorAll('#stats .value')].some((e) => e.textContent === '–')") is False
    )
    assert page.run("return [...document.querySelectorAll('.chart h2')].map((e) => e.textContent)") == [
        "R² by round",
        "Loss by round",
    ]
    page.until("document.querySelectorAll('#chart-r2 canvas').length === 1")
    assert inked(page, "#chart-r2") > 0
    # Squares on bounds of -1 and 1 are small: three decimals would all be the same.
    page.until(r"/^0\.00\d\d$/.test(document.querySelector('#stats [data-metric=loss] .value').textContent)")
    page.open(f"{dashboard.url}/agents")
    page.until(r"/^0\.\d{3}$/.test(document.querySelector('.card [data-metric=r2] dd')?.textContent)")
    assert page.run("return document.querySelector('.card .spark-label').textContent").startswith("R², rounds 1–12")
    assert page.run("return document.querySelectorAll('.card [data-metric=accuracy]').length") == 0


AXIS = """
const [most, ready] = arguments, page = document.querySelector('script[type=module][src*="overview"]').src;
import(page.replace(/overview/, "scales")).then(({ rangeOf, tick }) => {
  const [low, high] = rangeOf("loss", 0, most);
  ready([low, high, tick("loss", most, high / 4)]);
});
"""


@pytest.mark.parametrize(
    ("most", "top", "told"),
    [(0.7, 0.8, "0.70"), (0.05, 0.06, "0.05"), (0.0072, 0.008, "0.007"), (2.3, 2.4, "2.30"), (0.0, 2e-5, "0.000000")],
)
def test_the_axis_of_losses_fits_small_ones_too(page: Page, most: float, top: float, told: str) -> None:
    low, high, at = page.driver.execute_async_script(AXIS, most)
    assert -top / 50 < low < 0
    assert top <= high < top * 1.05
    assert at == told


def test_an_action_answers_within_a_tenth_of_a_second(page: Page, upstream: Upstream) -> None:
    upstream.begin()
    page.until("document.getElementById('badge').textContent.trim() === 'Training'")
    page.click("#stop")
    took, answer = page.driver.execute_async_script(ANSWER_TIME, "#stop-dialog button[value=yes]")
    assert took < 100
    assert answer.startswith("Stopping after this round")
    page.until("document.getElementById('badge').textContent.trim() === 'Stopping'", within=2)


def test_stop_asks_once_and_escape_keeps_it_running(page: Page, upstream: Upstream) -> None:
    upstream.begin()
    page.until("document.getElementById('stop').getAttribute('aria-disabled') === null")
    stop = page.driver.find_element(By.ID, "stop")
    stop.send_keys(Keys.ENTER)
    assert page.until("document.getElementById('stop-dialog').open")
    assert page.run("return document.activeElement.textContent") == "Keep it running"
    page.driver.switch_to.active_element.send_keys(Keys.ESCAPE)
    page.until("!document.getElementById('stop-dialog').open")
    assert upstream.patches == []


def test_the_target_is_set_by_keyboard_and_a_refusal_is_shown(page: Page, upstream: Upstream) -> None:
    upstream.begin()
    page.until("document.getElementById('badge').textContent.trim() === 'Training'")
    field = page.driver.find_element(By.ID, "rounds")
    field.clear()
    field.send_keys("25", Keys.ENTER)
    page.until("document.getElementById('answer').textContent === 'The target is now 25 rounds.'")
    page.until("document.getElementById('target').textContent === '25'")
    assert upstream.patches == [{"rounds": 25}]
    upstream.refusal = (422, "spec.rounds is 99999999: at most 1000000")
    field.clear()
    field.send_keys("99999999", Keys.ENTER)
    page.until("document.getElementById('answer').textContent === 'Spec.rounds is 99999999: at most 1000000.'")
    # The browser's own console names the refused request; nothing else may complain.
    assert all("/rounds - Failed to load resource" in line for line in page.complaints())


def test_a_complete_federation_offers_the_next_run_and_shows_its_model(page: Page, upstream: Upstream) -> None:
    upstream.begin()
    for _ in range(10):
        upstream.commit()
    upstream.complete()
    page.until("document.getElementById('badge').textContent.trim() === 'Complete'")
    assert page.text("model-code") == 'mlflow.pyfunc.load_model("models:/breast-cancer/3")'
    assert page.text("plan") == "Start begins run 2 from a fresh model: 10 rounds, 5 hospitals, NON-PRIVATE."
    with upstream.training(every=0.1):
        page.click("#start")
        page.until("document.getElementById('sentence').textContent.includes('Run 2 finished')")
    assert upstream.patches == [{"suspend": False, "run": 2}]


@pytest.mark.parametrize(
    ("width", "holdout"), [(360, None), (800, None), (1280, None), (360, "exact"), (1280, "exact"), (1280, "banded")]
)
def test_thirty_rounds_a_second_are_kept_up_with_and_nothing_jumps_to_the_very_end(
    page: Page, upstream: Upstream, width: int, holdout: str | None
) -> None:
    page.resize(width)
    upstream.spec["rounds"] = 400
    if holdout is not None:
        upstream.protect(holdout=holdout)
    upstream.begin()
    upstream.commit()
    page.until("document.getElementById('round').textContent === '1'")
    # The page was opened before the target was raised: only once it knows does it watch this run and no other.
    page.until("document.getElementById('target').textContent === '400'")
    page.until("document.getElementById('badge').textContent.trim() === 'Training'")
    # Every line of either chart has its name below it: the first round is drawn, and may not move what is there.
    page.until("document.querySelectorAll('.legend li').length === 12")
    page.driver.execute_async_script("requestAnimationFrame(() => requestAnimationFrame(arguments[0]))")
    page.run(
        "window.shifts = []; new PerformanceObserver((list) => list.getEntries().forEach((each) => window.shifts.push("
        " [each.value, each.sources.map((source) => source.node?.parentElement?.outerHTML.slice(0, 200))])))"
        ".observe({ type: 'layout-shift' });"
    )
    with upstream.training(every=1 / 30, rounds=150):
        eventually(lambda: upstream.status["round"] >= 149, within=30)
        page.until("Number(document.getElementById('round').textContent) >= 149", within=1)
        page.until("document.getElementById('copy').checkVisibility({ visibilityProperty: true })")
        page.driver.execute_async_script("requestAnimationFrame(() => requestAnimationFrame(arguments[0]))")
        shifts = page.run("return window.shifts")
    assert sum(value for value, _ in shifts) < 0.01, shifts


def test_a_hidden_tab_costs_nothing_and_comes_back_with_what_it_missed(
    page: Page, upstream: Upstream, dashboard: Served
) -> None:
    upstream.begin()
    upstream.commit()
    page.until("document.getElementById('round').textContent === '1'")
    here = page.driver.current_window_handle
    page.driver.switch_to.new_window("tab")
    eventually(lambda: b'"viewers":0' in dashboard.get("/healthz").read().replace(b" ", b""))
    upstream.commit()
    page.driver.close()
    page.driver.switch_to.window(here)
    page.until("document.getElementById('round').textContent === '2'")


def test_a_lost_coordinator_is_said_and_its_return_too(page: Page, upstream: Upstream) -> None:
    upstream.begin()
    upstream.commit()
    page.until("document.getElementById('round').textContent === '1'")
    upstream.hang_up()
    page.until(
        "/does not answer since \\d\\d:\\d\\d:\\d\\d; retrying/.test(document.getElementById('loss').textContent)"
    )
    assert page.text("badge").strip() == "Coordinator lost"
    upstream.come_back()
    page.until(
        "document.getElementById('loss').hidden && document.getElementById('badge').textContent.trim() === 'Training'"
    )


def test_the_hospitals_page_shows_the_worst_first_and_its_clock_ticks(page: Page, upstream: Upstream) -> None:
    upstream.begin()
    for _ in range(3):
        upstream.commit()
    page.driver.find_element(By.LINK_TEXT, "Hospitals").click()
    page.until("document.querySelectorAll('.card [data-metric] .meter').length === 20")
    # The best of them until now, so that only its loss can bring it to the front.
    upstream.lose("harbour")
    page.until("document.querySelector('.card').dataset.name === 'harbour'")
    card = page.run("return document.querySelector('.card').textContent")
    assert "lost since round 3 (connection closed)" in card
    assert "not awaited until it rejoins" in card
    assert page.text("summary") == "5 hospitals: 1 lost, 4 training"
    page.until("document.querySelector('.card[data-name=north] .seen').textContent === 'seen 2 s ago'")
    page.until("document.querySelector('.card[data-name=north] .seen').textContent === 'seen 3 s ago'", within=3)


def test_a_hospital_s_card_says_how_much_of_its_table_it_has_read_and_why_it_is_refused(
    page: Page, dashboard: Served, upstream: Upstream
) -> None:
    state = "document.querySelector('.card[data-name=north] .state').textContent"
    upstream.begin()
    upstream.hospital("north", phase="Ready", reading=0.0)
    upstream.hospital("riverside", phase="Ready", reading=0.97)
    page.open(f"{dashboard.url}/agents")
    page.until(f"{state} === 'reading 0 %'")
    page.until("document.getElementById('summary').textContent === '5 hospitals: 2 reading, 3 ready'")
    # The name keeps its line beside the longest of states.
    heights = "return [...document.querySelectorAll('.card h2')].map((each) => each.getClientRects()[0].height)"
    assert len(set(page.run(heights))) == 1
    upstream.hospital("north", reading=0.43)
    page.until(f"{state} === 'reading 43 %'")
    reason = 'column "radius_cm" ("mean radius") is empty: fill it, or map another column'
    upstream.hospital("north", phase="Refused", reading=None, reason=reason)
    page.until(f"{state} === 'refused'")
    card = page.run("return document.querySelector('.card').textContent")
    assert reason in card
    assert "it looks again every half minute" in card
    upstream.hospital("north", phase="Ready", reading=0.5, reason=None)
    page.until(f"{state} === 'reading 50 %'")
    assert "half minute" not in page.run("return document.querySelector('.card[data-name=north]').innerText")
    upstream.hospital("north", reading=None)
    page.until(f"{state} === 'ready'")


def test_the_table_behind_a_chart_holds_every_round(page: Page, upstream: Upstream) -> None:
    upstream.begin()
    for _ in range(4):
        upstream.commit()
    page.until("document.getElementById('round').textContent === '4'")
    page.click("#chart-loss summary")
    page.until("document.querySelectorAll('#chart-loss tbody tr').length === 4")
    assert page.run("return document.querySelector('#chart-loss tbody th').scope") == "row"
    page.until("document.querySelector('#chart-loss .plot').ariaLabel.includes('at round 4: global 0.')")


@pytest.mark.parametrize("path", ["/", "/agents"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1600])
def test_text_is_legible_controls_are_named_and_nothing_runs_off_the_side(
    page: Page, dashboard: Served, upstream: Upstream, path: str, scheme: str, width: int
) -> None:
    upstream.begin()
    for _ in range(3):
        upstream.commit()
    upstream.lose("lakeside")
    page.resize(width)
    page.prefer(color_scheme=scheme)
    page.open(f"{dashboard.url}{path}")
    page.until("document.getElementById('badge').textContent.trim() === 'Stalled'")
    if path == "/":
        page.until("document.querySelector('.stat .value').textContent !== '–'")
        page.run("document.getElementById('stop-dialog').showModal()")
    assert page.run(LOW_CONTRAST) == []
    assert page.run(NAMELESS) == []
    assert page.run("return document.documentElement.scrollWidth") <= width


def test_whoever_wants_less_motion_gets_none(page: Page, dashboard: Served, upstream: Upstream) -> None:
    upstream.begin()
    page.prefer(reduced_motion="reduce")
    page.open(dashboard.url)
    page.until("document.getElementById('badge').textContent.trim() === 'Training'")
    assert page.run("return getComputedStyle(document.querySelector('#badge .shape')).animationName") == "none"


def test_the_keyboard_reaches_every_control_and_shows_where_it_is(page: Page, upstream: Upstream) -> None:
    upstream.begin()
    upstream.commit()
    page.until("document.getElementById('round').textContent === '1'")
    reached = []
    for _ in range(14):
        page.driver.switch_to.active_element.send_keys(Keys.TAB)
        reached.append(page.run("return document.activeElement.id || document.activeElement.textContent.trim()"))
        assert page.run("return getComputedStyle(document.activeElement).outlineStyle") != "none"
    wanted = ["picker", "Global", "Hospitals", "rounds", "set", "start", "stop", "mlflow"]
    assert [each for each in reached if each in wanted] == wanted
    assert reached[0] == "Skip to the content"


def test_the_page_that_waits_for_a_federation_shows_it_by_itself(
    page: Page, dashboard: Served, upstream: Upstream
) -> None:
    page.open("about:blank")
    upstream.present = False
    page.open(dashboard.url)
    page.until("document.querySelector('h1').textContent === 'No federation yet'")
    upstream.present = True
    page.until("document.getElementById('badge')")
