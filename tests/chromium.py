"""A headless Chromium of its own profile, and what a page in it can be asked."""

import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By

from deadline import eventually

FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)

# Every text on the page with less than 4.5:1 against what is painted behind it (3:1 for large text, WCAG 2.2, 1.4.3).
LOW_CONTRAST = """
const parse = (color) => (color.match(/[\\d.]+/g) || [0, 0, 0, 0]).map(Number);
const over = (top, under) => { const a = top[3] ?? 1; return [0, 1, 2].map((i) => top[i] * a + under[i] * (1 - a)); };
const back = (element) => {
  if (!element) return [255, 255, 255];
  const color = parse(getComputedStyle(element).backgroundColor);
  return (color[3] ?? 1) === 1 ? color.slice(0, 3) : over(color, back(element.parentElement));
};
const light = (color) => {
  const [r, g, b] = color.map((c) => c / 255).map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4));
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
};
const low = [];
const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
while (walker.nextNode()) {
  const element = walker.currentNode.parentElement;
  if (!walker.currentNode.textContent.trim() || ["SCRIPT", "NOSCRIPT", "OPTION"].includes(element.tagName)) continue;
  if (!element.checkVisibility({ visibilityProperty: true }) || element.closest(".hidden")) continue;
  const style = getComputedStyle(element);
  const [a, b] = [light(over(parse(style.color), back(element))), light(back(element))].sort((x, y) => y - x);
  const ratio = (a + 0.05) / (b + 0.05);
  const size = parseFloat(style.fontSize);
  if (ratio < (size >= 24 || (size >= 18.66 && style.fontWeight >= 700) ? 3 : 4.5)) {
    low.push(`${element.tagName}.${element.className} "${walker.currentNode.textContent.trim()}" ${ratio.toFixed(2)}`);
  }
}
return low;
"""

# Everything that can be operated, without a name that a screen reader could say.
NAMELESS = """
const OPERATED = "a[href], button, input, select, summary, [role=img], [role=region], progress, dialog";
return [...document.querySelectorAll(OPERATED)]
  .filter((each) => {
    const by = (each.getAttribute("aria-labelledby") || "").split(" ").map((id) => document.getElementById(id));
    const name = [each.getAttribute("aria-label"), each.textContent, ...by.map((one) => one?.textContent),
      ...[...(each.labels || [])].map((label) => label.textContent)].join("").trim();
    return !name;
  })
  .map((each) => each.outerHTML.slice(0, 120));
"""


class Page:
    """One browser window, driven."""

    def __init__(self, driver: webdriver.Chrome) -> None:
        self.driver = driver

    def open(self, url: str) -> None:
        self.driver.get(url)

    def text(self, identity: str) -> str:
        return str(self.run("return document.getElementById(arguments[0]).textContent", identity))

    def click(self, css: str) -> None:
        self.driver.find_element(By.CSS_SELECTOR, css).click()

    def run(self, script: str, *arguments: object) -> Any:
        return self.driver.execute_script(script, *arguments)

    def resize(self, width: int, height: int = 900) -> None:
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)

    def prefer(self, **features: str) -> None:
        """``color_scheme="dark"``: what the user's system prefers."""
        wanted = [{"name": f"prefers-{name.replace('_', '-')}", "value": value} for name, value in features.items()]
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": wanted})

    def complaints(self) -> list[str]:
        """What the console says since the last time."""
        return [entry["message"] for entry in self.driver.get_log("browser")]

    def requests(self) -> list[str]:
        """Addresses asked for since the last time."""
        entries = [json.loads(entry["message"])["message"] for entry in self.driver.get_log("performance")]
        return [e["params"]["request"]["url"] for e in entries if e["method"] == "Network.requestWillBeSent"]

    def until(self, condition: str, *arguments: object, within: float = 15.0) -> Any:
        """The first true value of a JavaScript expression; fails after ``within`` seconds."""
        return eventually(
            lambda: self.run(f"return ({condition})", *arguments), within, what=lambda: condition, pause=0.02
        )


@contextmanager
def chromium() -> Iterator[Page]:
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        options = webdriver.ChromeOptions()
        options.binary_location = "/usr/bin/chromium"
        for flag in (*FLAGS, f"--user-data-dir={profile}"):
            options.add_argument(flag)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
        driver = webdriver.Chrome(options=options, service=Service("/usr/bin/chromedriver"))
        try:
            yield Page(driver)
        finally:
            driver.quit()
