"""Chromium of the system, driven without a window."""

import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from selenium import webdriver
from selenium.common.exceptions import TimeoutException
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

PICTURES = Path(__file__).parents[2] / "build" / "ui"
PATIENCE_SECONDS = 240
"""Bounds a test that fails; one that passes waits for nothing but the page."""
WIDE, NARROW = (1280, 900), (420, 860)


class Browser:
    """What the tests do in it. Elements are named by their id."""

    def __init__(self, driver: webdriver.Chrome) -> None:
        self.driver = driver

    def open(self, url: str) -> None:
        self.driver.get(url)

    def type(self, name: str, text: str) -> None:
        field = f"#{name}" if name == "token" else f"#{name} textarea"
        self.until(lambda: self.driver.find_elements(By.CSS_SELECTOR, field))
        self.driver.find_element(By.CSS_SELECTOR, field).send_keys(text)

    def click(self, selector: str) -> None:
        self.until(lambda: self.shown(selector))
        self.driver.find_element(By.CSS_SELECTOR, selector).click()

    def shown(self, selector: str) -> bool:
        return any(element.is_displayed() for element in self.driver.find_elements(By.CSS_SELECTOR, selector))

    def text(self, name: str) -> str:
        found = self.driver.find_elements(By.CSS_SELECTOR, name if name == "body" else f"#{name}")
        return found[0].text if found else ""

    def until(self, condition: Callable[[], object]) -> None:
        """Fails with what the page says instead."""
        try:
            WebDriverWait(self.driver, PATIENCE_SECONDS, poll_frequency=0.1).until(lambda _: condition())
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
        self.driver.set_window_size(*size)
        self.until(lambda: abs(self.driver.execute_script("return window.innerWidth") - size[0]) < 100)
        self.driver.save_screenshot(str(PICTURES / f"{name}.png"))
        self.driver.set_window_size(*WIDE)

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
    try:
        yield Browser(running)
    finally:
        running.quit()
