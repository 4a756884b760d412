"""Privacy as people see it, in a real browser: what was spent, what noise can do, and what to do when too little is
left."""

import re

import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from served_dashboard import Served
from upstream import Upstream

from chromium import LOW_CONTRAST, NAMELESS, Page

pytestmark = pytest.mark.real

# Pixels of a chart that bands shade, and those that hospitals' lines, points and bars paint.
SHADED = """
const canvas = document.querySelector(arguments[0] + " canvas");
const copy = new OffscreenCanvas(canvas.width, canvas.height).getContext("2d", { willReadFrequently: true });
copy.drawImage(canvas, 0, 0);
const pixels = copy.getImageData(0, 0, canvas.width, canvas.height).data;
let [shaded, coloured] = [0, 0];
for (let at = 0; at < pixels.length; at += 4) {
  const [red, green, blue, alpha] = pixels.slice(at, at + 4);
  if (alpha > 35 && alpha < 160 && Math.max(red, green, blue) - Math.min(red, green, blue) > 20) shaded += 1;
  if (alpha > 200 && Math.max(red, green, blue) - Math.min(red, green, blue) > 60) coloured += 1;
}
return [shaded, coloured];
"""
# Texts that are drawn beyond their card.
OVERFLOWING = """
return [...document.querySelectorAll(".card, .chart, .stat, .run")].flatMap((card) =>
  [...card.querySelectorAll("dd, dt, p, h2, .legend .value")]
    .filter((each) => each.checkVisibility() && each.scrollWidth > each.clientWidth + 1 && each.clientWidth > 0
      && getComputedStyle(each).overflowX === "visible")
    .map((each) => each.textContent));
"""


def complete(upstream: Upstream, holdout: str, rounds: int = 20) -> None:
    upstream.spec["rounds"] = rounds
    upstream.protect(holdout=holdout)
    upstream.begin()
    for _ in range(rounds):
        upstream.commit()
    upstream.complete()


def test_the_header_s_budget_bar_follows_what_the_run_has_cost(page: Page, upstream: Upstream) -> None:
    upstream.protect()
    upstream.begin()
    page.until("document.getElementById('privacy-label').textContent === 'private: epsilon 0.00 of 1.0'")
    assert page.run("return document.getElementById('privacy-bar').value") == 0
    upstream.commit()
    page.until("document.getElementById('round').textContent === '1'")
    spent = upstream.status["privacy"]["epsilonSpent"]
    assert page.run("return document.getElementById('privacy-bar').value") == pytest.approx(spent)
    page.until("document.getElementById('promise').textContent.includes('covers the training patients only')")
    summary = page.driver.find_element(By.CSS_SELECTOR, "#privacy summary")
    summary.send_keys(Keys.ENTER)
    page.until("document.getElementById('explained').checkVisibility()")
    assert "at delta 1e-5" in page.text("explained")
    summary.send_keys(Keys.ESCAPE)
    page.until("!document.getElementById('explained').checkVisibility()")


def test_a_non_private_run_says_so_steadily(page: Page, upstream: Upstream) -> None:
    upstream.begin()
    upstream.commit()
    page.until("document.getElementById('round').textContent === '1'")
    assert page.text("privacy-label") == "NON-PRIVATE"
    assert not page.run("return document.getElementById('privacy-bar').checkVisibility()")
    assert page.run("return document.querySelectorAll('.band-key:not([hidden])').length") == 0


def test_what_noise_can_do_is_a_band_and_words_and_in_the_table(page: Page, upstream: Upstream) -> None:
    complete(upstream, "exact")
    page.until("document.getElementById('badge').textContent.trim() === 'Complete'")
    page.driver.execute_async_script("requestAnimationFrame(() => requestAnimationFrame(arguments[0]))")
    exact = page.run(SHADED, "#chart-accuracy")[0]
    complete(upstream, "banded")
    page.until("document.querySelector('#chart-accuracy .band-key').checkVisibility()")
    page.until("document.querySelector('#chart-accuracy .legend').textContent.includes(' ± ')")
    page.driver.execute_async_script("requestAnimationFrame(() => requestAnimationFrame(arguments[0]))")
    assert page.run(SHADED, "#chart-accuracy")[0] > 3000 + 5 * exact
    page.click("#chart-accuracy summary")
    page.until("document.querySelectorAll('#chart-accuracy tbody tr').length === 20")
    last = page.run(
        "return [...document.querySelectorAll('#chart-accuracy tbody tr:last-child td')].map((c) => c.textContent)"
    )
    assert "±" not in last[0]
    assert all(re.fullmatch(r"\d\d\.\d ± \d\.\d %", each) for each in last[1:])
    page.until(r"/harbour \d\d\.\d ± \d\.\d %/.test(document.querySelector('#chart-accuracy .plot').ariaLabel)")


def test_scores_that_come_once_are_bars_beside_one_another(page: Page, upstream: Upstream) -> None:
    upstream.spec["rounds"] = 10
    upstream.protect(holdout="noised")
    upstream.begin()
    for _ in range(9):
        upstream.commit()
    page.until("document.getElementById('round').textContent === '9'")
    page.until("document.querySelectorAll('.legend li').length === 12")
    page.driver.execute_async_script("requestAnimationFrame(() => requestAnimationFrame(arguments[0]))")
    assert page.run(SHADED, "#chart-accuracy")[1] == 0
    upstream.commit()
    page.until("document.querySelector('#chart-accuracy .legend').textContent.includes(' ± ')")
    page.driver.execute_async_script("requestAnimationFrame(() => requestAnimationFrame(arguments[0]))")
    assert page.run(SHADED, "#chart-accuracy")[1] > 100


def test_a_card_of_a_private_run_shows_its_budget_its_errors_and_no_rows(
    page: Page, dashboard: Served, upstream: Upstream
) -> None:
    upstream.protect(holdout="noised")
    upstream.begin()
    upstream.commit()
    page.open(f"{dashboard.url}/agents")
    page.until("document.querySelector('.card')?.innerText.includes('Scores come once, after the last round')")
    complete(upstream, "noised")
    page.until("document.querySelector('.card[data-name=riverside]').innerText.includes('Accuracy, round 20')")
    words = page.run("return document.querySelector('.card[data-name=riverside]').innerText")
    assert "hidden: noise" in words
    assert re.search(r"\d\d\.\d ± \d\.\d %", words)
    assert re.search(r"0\.\d\d of 4\.0", words)
    assert "remains; this run 0." in words
    assert "patients" not in words
    assert page.run("return document.querySelector('.card .rows').hidden")


def test_more_rounds_than_the_noise_is_for_are_said_to_need_a_new_run(page: Page, upstream: Upstream) -> None:
    upstream.protect()
    upstream.begin()
    page.until("document.getElementById('badge').textContent.trim() === 'Training'")
    field = page.driver.find_element(By.ID, "rounds")
    field.clear()
    field.send_keys("25", Keys.ENTER)
    page.until("document.getElementById('answer').textContent.includes('a new run is needed')")
    upstream.happen("EditDeferred", "spec.rounds: start a new run for 25 rounds", "Warning")
    page.until("document.getElementById('notes').textContent.includes('A new run is needed for 25 rounds')")
    page.until("document.getElementById('events').textContent.includes('Edit deferred')")
    assert page.text("target") == "10"
    for _ in range(10):
        upstream.commit()
    upstream.complete()
    page.until("document.getElementById('badge').textContent.trim() === 'Complete'")
    assert page.text("plan") == "Start begins run 2 from a fresh model: 25 rounds, 5 hospitals, epsilon 1.0."


def running(upstream: Upstream) -> None:
    upstream.spec["rounds"] = 20
    upstream.protect()
    upstream.begin()
    for _ in range(13):
        upstream.commit()


def unprotected(upstream: Upstream) -> None:
    upstream.begin()
    upstream.commit()


def refused(upstream: Upstream) -> None:
    upstream.protect()
    upstream.refuse("north")


STATES = {
    "private and running": running,
    "private and complete, with bands": lambda upstream: complete(upstream, "banded"),
    "private and complete, scored once": lambda upstream: complete(upstream, "noised"),
    "NON-PRIVATE": unprotected,
    "budget refused": refused,
}


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1280])
def test_privacy_is_legible_named_and_within_the_page(
    page: Page, dashboard: Served, upstream: Upstream, state: str, scheme: str, width: int
) -> None:
    STATES[state](upstream)
    page.resize(width)
    page.prefer(color_scheme=scheme)
    for path, drawn in (("/", ".legend li"), ("/agents", ".card .meter")):
        page.open(f"{dashboard.url}{path}")
        page.until("document.querySelectorAll(arguments[0]).length >= 5", drawn)
        page.run("document.getElementById('privacy').open = true")
        assert page.run(LOW_CONTRAST) == []
        assert page.run(NAMELESS) == []
        assert page.run("return document.documentElement.scrollWidth") <= width
        assert page.run(OVERFLOWING) == []
