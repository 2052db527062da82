"""Chromium of the system, driven without a window."""

import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from selenium import webdriver
from selenium.common.exceptions import (
    ElementClickInterceptedException,
    ElementNotInteractableException,
    StaleElementReferenceException,
    TimeoutException,
)
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.ui import WebDriverWait

PICTURES = Path(__file__).parents[2] / "build" / "ui"
PATIENCE_SECONDS = 240
"""Bounds a test that fails; one that passes waits for nothing but the page."""
CHANGING = (StaleElementReferenceException, ElementClickInterceptedException, ElementNotInteractableException)
"""What an element says that the page is about to move, cover or replace: it is tried again."""
WIDE, NARROW = (1280, 900), (420, 860)


class Browser:
    """What the tests do in it. Elements are named by their id."""

    def __init__(self, driver: webdriver.Chrome) -> None:
        self.driver = driver

    def open(self, url: str) -> None:
        self.driver.get(url)

    def type(self, name: str, text: str) -> None:
        self._use(f"#{name}" if name == "token" else f"#{name} textarea", lambda field: field.send_keys(text))

    def click(self, selector: str) -> None:
        self._use(selector, lambda element: element.click())

    def _use(self, selector: str, action: Callable[[WebElement], None]) -> None:
        """Once it is there and shown. The page may put another in its place in between: then that one."""

        def done() -> bool:
            if not self.shown(selector):
                return False
            action(self.driver.find_element(By.CSS_SELECTOR, selector))
            return True

        self.until(done)

    def shown(self, selector: str) -> bool:
        """Asked in one step, as `text` is: the page changes while it is looked at."""
        asked = "return [...document.querySelectorAll(arguments[0])].some(found => found.checkVisibility())"
        return bool(self.driver.execute_script(asked, selector))

    def text(self, name: str) -> str:
        asked = "return document.querySelector(arguments[0])?.innerText ?? ''"
        return str(self.driver.execute_script(asked, name if name == "body" else f"#{name}"))

    def until(self, condition: Callable[[], object]) -> None:
        """Fails with what the page says instead."""
        try:
            waiting = WebDriverWait(self.driver, PATIENCE_SECONDS, 0.1, CHANGING)
            waiting.until(lambda _: condition())
        except TimeoutException:
            raise AssertionError(f"{self.driver.current_url} says: {self.text('body')}") from None

    def sign_in(self, url: str, token: str) -> None:
        """In a new tab, as nobody so far."""
        before = self.driver.current_window_handle
        self.driver.switch_to.new_window("tab")
        now = self.driver.current_window_handle
        self.driver.switch_to.window(before)
        self.driver.close()
        self.driver.switch_to.window(now)
        self.driver.execute_cdp_cmd("Network.clearBrowserCookies", {})
        self.open(url)
        self.type("token", token)
        self.click("button")
        self.until(lambda: self.shown("#question textarea"))

    def ask(self, question: str) -> None:
        self.type("question", question)
        self.click("#ask")

    def picture(self, name: str, size: tuple[int, int] = WIDE) -> None:
        """Written to build/ui."""
        PICTURES.mkdir(parents=True, exist_ok=True)
        self._resize(size)
        self.driver.save_screenshot(str(PICTURES / f"{name}.png"))
        self._resize(WIDE)

    def _resize(self, size: tuple[int, int]) -> None:
        self.driver.set_window_size(*size)
        self.until(lambda: abs(self.driver.execute_script("return window.innerWidth") - size[0]) < 100)

    def hosts(self) -> set[str]:
        """Hosts of all requests so far, those too that the page's policy stopped."""
        messages = [json.loads(entry["message"])["message"] for entry in self.driver.get_log("performance")]
        urls = [m["params"]["request"]["url"] for m in messages if m["method"] == "Network.requestWillBeSent"]
        return {urlsplit(url).netloc for url in urls if not url.startswith(("data:", "blob:"))}

    def complaints(self) -> list[str]:
        """Errors on the console since the last call."""
        return [entry["message"] for entry in self.driver.get_log("browser") if entry["level"] == "SEVERE"]


@contextmanager
def chromium() -> Iterator[Browser]:
    """The browser; its profile is gone afterwards."""
    program, driver = shutil.which("chromium"), shutil.which("chromedriver")
    assert program and driver, "apt-get install chromium chromium-driver"
    options = webdriver.ChromeOptions()
    options.binary_location = program
    arguments = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
    for argument in [*arguments, "--disable-background-networking", f"--window-size={WIDE[0]},{WIDE[1]}"]:
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"performance": "ALL", "browser": "ALL"})
    running = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
    running.set_page_load_timeout(PATIENCE_SECONDS)
    running.set_script_timeout(PATIENCE_SECONDS)
    try:
        yield Browser(running)
    finally:
        running.quit()
