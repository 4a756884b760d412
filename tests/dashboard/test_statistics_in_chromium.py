"""Statistics as people see them, in a real browser: a figure a feature, what noise can do, and the numbers behind."""

from typing import Any

import numpy as np
import pytest
from served_dashboard import Served
from upstream import Upstream

from builders import keyed_words
from chromium import LOW_CONTRAST, NAMELESS, Page
from consilia.privacy.noise_plan import Ask
from consilia.privacy.statistics_plan import StatisticsPlan
from consilia.privacy.statistics_release import noised_statistics
from consilia.statistics import EXACT, Deviations, statistics_of
from consilia.statistics_sums import Axes, statistic_sums

pytestmark = pytest.mark.real

AXES = Axes((5.0, 80.0, 0.0), (30.0, 200.0, 300.0), 20)
NAMES: list[tuple[str, str | None]] = [("mean radius", "mm"), ("systolic blood pressure", "mmHg"), ("CA 15-3", None)]

OVERFLOWING = """
return [...document.querySelectorAll(".statistics h3, .statistics dd, .statistics p, .statistics svg")]
  .filter((each) => each.checkVisibility() && each.getBoundingClientRect().right > innerWidth + 0.5)
  .map((each) => each.textContent);
"""
# Words of a figure that are drawn beyond it, or over one another.
CLASHING = """
return [...document.querySelectorAll(".statistics svg")].flatMap((figure) => {
  const place = figure.getBoundingClientRect();
  const words = [...figure.querySelectorAll("text")].map((each) => [each.textContent, each.getBoundingClientRect()]);
  return words.filter(([, at], index) => at.left < place.left - 0.5 || at.right > place.right + 0.5
    || at.top < place.top - 0.5 || at.bottom > place.bottom + 0.5
    || words.some(([, other], later) => later > index && at.left < other.right - 1 && other.left < at.right - 1
      && at.top < other.bottom - 3 && other.top < at.bottom - 3)).map(([word]) => word);
});
"""


def rows(patients: int) -> Any:
    random = np.random.default_rng(3)
    skewed = random.lognormal(3.2, 0.8, patients)
    return np.column_stack([random.normal(14, 3.5, patients), random.normal(128, 15, patients), skewed])


def statistics(epsilon: float = 1.0, patients: int = 4000, quantiles: tuple[float, ...] = (0.25, 0.5, 0.75)) -> Any:
    """As five hospitals' answers give them."""
    x = rows(patients)
    if not epsilon:
        told = statistics_of(NAMES, AXES, quantiles, statistic_sums(x, AXES), EXACT)
    else:
        planned = StatisticsPlan.of(Ask(epsilon, 1e-5, 1.0, 1, 5, 455, reserve=0), 3).statistics
        parts = [noised_statistics(part, AXES, planned, keyed_words(k)) for k, part in enumerate(np.array_split(x, 5))]
        told = statistics_of(NAMES, AXES, quantiles, np.sum(parts, axis=0), Deviations.of(planned, 3, 5))
    return [each.to_json() for each in told]


def survey(upstream: Upstream, epsilon: float = 1.0) -> None:
    """A statistics run, up to the hospitals' answers."""
    upstream.spec |= {"task": "Statistics", "rounds": 1}
    if epsilon:
        upstream.protect(epsilon, "noised")
    upstream.begin()
    told = {**upstream.status["privacy"], "holdout": None} if epsilon else None
    upstream.become(task="Statistics", rounds=1, privacy=told)


def complete(upstream: Upstream, told: Any) -> None:
    upstream.become(phase="Complete", state="Idle", round=1, statistics=told)


def test_a_run_shows_its_statistics_once_they_are_there(page: Page, upstream: Upstream) -> None:
    survey(upstream)
    page.until("document.getElementById('waiting')?.checkVisibility()")
    assert page.run("return document.querySelectorAll('.chart').length") == 0
    assert not page.run("return document.getElementById('rounds').checkVisibility()")
    told = statistics()
    complete(upstream, told)
    page.until("document.querySelectorAll('.figure svg').length === 3")
    assert not page.run("return document.getElementById('waiting').checkVisibility()")
    page.until("document.getElementById('sentence').textContent === 'Run 1 has its statistics.'")
    assert page.text("surveyed") == f"{told[0]['count']:.0f} ± {told[0]['errors']['count']:.0f} patients"
    assert page.run("return document.querySelectorAll('.figure')[0].querySelectorAll('.bin').length") == 20
    assert page.run("return document.querySelectorAll('.figure')[0].querySelectorAll('.whisker').length") == 20
    assert page.run("return document.querySelectorAll('.figure')[0].querySelectorAll('.quantile').length") == 3
    assert page.run("return document.querySelectorAll('.figure')[0].querySelectorAll('.band').length") == 1
    assert page.text("plan").startswith("Start begins run 2: statistics, 5 hospitals, epsilon 1.0.")


def test_bars_and_marks_are_where_the_numbers_are(page: Page, upstream: Upstream) -> None:
    survey(upstream)
    told = statistics()
    complete(upstream, told)
    page.until("document.querySelectorAll('.figure svg').length === 3")
    heights = page.run("return [...document.querySelectorAll('.figure .bin')].map((each) => each.height.baseVal.value)")
    counts = [count for each in told for count in each["histogram"]["counts"]]
    for at in range(3):
        of_bars, of_counts = (np.array(each[20 * at : 20 * at + 20]) for each in (heights, counts))
        assert of_bars / of_bars.max() == pytest.approx(of_counts / of_counts.max(), abs=1e-6)
    line, bins = page.run(
        "const figure = document.querySelector('.figure svg'); const bins = [...figure.querySelectorAll('.bin')];"
        "const left = (each) => each.x.baseVal.value;"
        "return [figure.querySelector('.mean').x1.baseVal.value, [left(bins[0]), left(bins.at(-1))]]"
    )
    share = (told[0]["mean"] - 5) / 25
    assert (line - bins[0]) / (bins[1] - bins[0]) == pytest.approx(share * 20 / 19, abs=0.02)


def test_the_numbers_are_in_a_table_and_in_words(page: Page, upstream: Upstream) -> None:
    survey(upstream)
    told = statistics()
    complete(upstream, told)
    page.until("document.querySelectorAll('.figure svg').length === 3")
    words = page.run("return document.querySelector('.figure svg').getAttribute('aria-label')")
    assert words.startswith("Histogram of mean radius in mm: mean 1")
    assert "50 % of patients at or below" in words
    page.click(".figure summary")
    cells = page.run(
        "return [...document.querySelectorAll('.figure')[0].querySelectorAll('tbody td')].map((c) => c.textContent)"
    )
    assert len(cells) == 40
    assert "±" in cells[1]


def test_what_noise_hides_is_said_and_not_drawn(page: Page, upstream: Upstream) -> None:
    survey(upstream)
    complete(upstream, statistics(patients=30))
    page.until("document.querySelectorAll('.figure').length === 3")
    assert page.run("return document.querySelectorAll('.figure svg').length") == 0
    text = page.run("return document.querySelector('.figure').innerText")
    assert text.count("hidden: noise") == 4


def test_without_noise_there_are_no_bars_of_it(page: Page, upstream: Upstream) -> None:
    survey(upstream, epsilon=0.0)
    complete(upstream, statistics(epsilon=0.0))
    page.until("document.querySelectorAll('.figure svg').length === 3")
    assert page.text("surveyed") == "4000 patients"
    assert page.run("return document.querySelectorAll('.whisker, .band').length") == 0
    assert "exact sums" in page.text("statistics-key")


def test_a_figure_is_drawn_anew_where_the_window_is_made_narrower(page: Page, upstream: Upstream) -> None:
    survey(upstream)
    complete(upstream, statistics())
    page.until("document.querySelectorAll('.figure svg').length === 3")
    page.resize(360)
    page.until("document.querySelector('.figure svg').width.baseVal.value < 340")
    assert page.run(OVERFLOWING) == []


def test_names_are_words_and_no_markup(page: Page, upstream: Upstream) -> None:
    survey(upstream)
    told = statistics()
    told[0]["name"] = "<img src=x onerror=alert(1)>"
    complete(upstream, told)
    page.until("document.querySelectorAll('.figure svg').length === 3")
    assert page.run("return document.querySelectorAll('.figure img').length") == 0
    assert page.run("return document.querySelector('.figure h3').textContent").startswith("<img")


STATES = {
    "noised": statistics,
    "hidden": lambda: statistics(patients=30),
    "exact, of many quantiles": lambda: statistics(0.0, quantiles=(0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95)),
}


@pytest.mark.parametrize("state", STATES)
def test_statistics_are_legible_named_and_within_the_page(
    page: Page, dashboard: Served, upstream: Upstream, state: str
) -> None:
    survey(upstream)
    complete(upstream, STATES[state]())
    page.open(f"{dashboard.url}/")
    page.until("document.querySelectorAll('.figure').length === 3")
    for width in (360, 1280):
        page.resize(width)
        for scheme in ("light", "dark"):
            page.prefer(color_scheme=scheme)
            assert page.run(LOW_CONTRAST) == []
            assert page.run("return document.documentElement.scrollWidth") <= width
            page.until(f"(() => {{ {OVERFLOWING} }})().length === 0")
            page.until(f"(() => {{ {CLASHING} }})().length === 0")
    assert page.run(NAMELESS) == []
    assert page.complaints() == []
    page.open(f"{dashboard.url}/agents")
    page.until("document.querySelectorAll('.card').length === 5")
    assert page.run(LOW_CONTRAST) == []
    assert "cores" not in page.run("return document.getElementById('main').innerText")
