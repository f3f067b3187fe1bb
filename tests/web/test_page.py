"""The page, as a person uses it, in a real browser."""

import io
import json
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import numpy as np
import pytest
from PIL import Image
from serving import Process, file, image, pixels, visor

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
if not (CHROMIUM and DRIVER):
    pytest.skip(
        "there is no Chromium here: apt-get install chromium chromium-driver",
        allow_module_level=True,
    )
webdriver = pytest.importorskip("selenium.webdriver", reason='pip install "unshine[dev]"')

from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement

FLAGS = [
    "--headless=new", "--no-sandbox", "--disable-quic", "--no-first-run", "--hide-scrollbars",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--window-size=1200,800",
]  # fmt: skip


class Page:
    """What a test does in the browser."""

    def __init__(self, driver, url: str, downloads: Path) -> None:
        self.driver, self.url, self.downloads = driver, url, downloads

    def __call__(self, selector: str) -> WebElement:
        return self.driver.find_element(By.CSS_SELECTOR, selector)

    def open(self) -> None:
        self.driver.get(self.url)

    def wait(self, condition: Callable[[], object], what: str) -> None:
        deadline = time.monotonic() + 60
        while not condition():
            assert time.monotonic() < deadline, what
            time.sleep(0.05)

    def upload(self, path: Path) -> None:
        self("#files").send_keys(str(path))
        self.wait(self("#divider").is_displayed, "the image never appeared")
        self("#zoom-full").click()
        self.settle()

    def settle(self) -> None:
        """Let two frames be drawn."""
        self.driver.execute_async_script(
            "const done = arguments[0];"
            "requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(done, 50)))"
        )

    def set(self, name: str, value: int) -> None:
        self.driver.execute_script(
            "const input = document.getElementById(arguments[0]); input.value = arguments[1];"
            "input.dispatchEvent(new Event('input', {bubbles: true}))",
            name,
            value,
        )
        self.settle()

    def seen(self, height: int, width: int) -> np.ndarray:
        """The image as the canvas shows it, 1:1, without what lies above it."""
        covers = "'#divider, .zoom, .tag, #cursor'"
        hide = f"document.querySelectorAll({covers}).forEach(e => e.style.visibility = "
        self.driver.execute_script(f"{hide}'hidden')")
        shot = self("#canvas").screenshot_as_png
        self.driver.execute_script(f"{hide}'')")
        canvas = np.asarray(Image.open(io.BytesIO(shot)).convert("RGB"))
        top, left = (canvas.shape[0] - height + 1) // 2, (canvas.shape[1] - width + 1) // 2
        return canvas[top : top + height, left : left + width].astype(float)

    def divide(self, share: str) -> None:
        self("#divider").send_keys({"before": Keys.END, "after": Keys.HOME}[share])
        self.settle()

    def stroke(self, points: list[tuple[int, int]], height: int, width: int) -> None:
        """Draw through pixels of the image, x and y, shown 1:1."""
        canvas = self("#canvas")
        pen = ActionChains(self.driver, duration=20)
        for index, (x, y) in enumerate(points):
            pen.move_to_element_with_offset(canvas, x - width // 2, y - height // 2)
            if index == 0:
                pen.click_and_hold()
        pen.release().perform()
        self.settle()

    def download(self, button: str) -> bytes:
        known = set(self.downloads.iterdir())
        self(button).click()

        def new() -> list[Path]:
            fresh = set(self.downloads.iterdir()) - known
            return [path for path in fresh if path.suffix != ".crdownload"]

        self.wait(new, "nothing was downloaded")
        self.wait(self(button).is_enabled, "the button never came back")
        return new()[0].read_bytes()


@pytest.fixture(scope="module")
def page(served: Process, tmp_path_factory) -> Iterator[Page]:
    downloads = tmp_path_factory.mktemp("downloads")
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for flag in FLAGS:
        options.add_argument(flag)
    options.add_argument(f"--user-data-dir={tmp_path_factory.mktemp('profile')}")
    options.add_experimental_option("prefs", {"download.default_directory": str(downloads)})
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options, webdriver.ChromeService(DRIVER))
    try:
        yield Page(driver, served.url, downloads)
    finally:
        driver.quit()


@pytest.fixture(autouse=True)
def quiet(page: Page) -> Iterator[None]:
    """No test may leave an error on the console or send a request elsewhere."""
    page.open()
    yield
    assert [entry for entry in page.driver.get_log("browser") if entry["level"] != "INFO"] == []
    for entry in page.driver.get_log("performance"):
        message = json.loads(entry["message"])["message"]
        if message["method"] == "Network.requestWillBeSent":
            asked = message["params"]["request"]["url"]
            assert asked.startswith((page.url, "blob:", "data:", "chrome:", "about:")), asked


@pytest.fixture(scope="module")
def photo(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("photo") / "shiny cup.png"
    path.write_bytes(file(image(300, 400)))
    return path


def removed(page: Page, path: Path, **parameters: float) -> np.ndarray:
    response = httpx.post(
        f"{page.url}/v1/remove", params=parameters, content=path.read_bytes(), timeout=60
    )
    return pixels(response.content).astype(float)


def alike(a: np.ndarray, b: np.ndarray) -> bool:
    difference = np.abs(a - b)
    return bool(difference.mean() < 1.2 and np.quantile(difference, 0.995) < 12)


def test_the_canvas_shows_before_and_after_at_the_divider(page, tmp_path):
    photo = tmp_path / "shiny visor.png"
    photo.write_bytes(file(visor()))
    page.upload(photo)
    before, after = pixels(photo.read_bytes()).astype(float), removed(page, photo)
    assert not alike(before, after)
    page.divide("before")
    assert alike(page.seen(300, 400), before)
    page.divide("after")
    assert alike(page.seen(300, 400), after)
    grip = page(".grip")
    ActionChains(page.driver).drag_and_drop_by_offset(
        grip, page("#canvas").size["width"] // 2, 0
    ).perform()
    page.settle()
    seen = page.seen(300, 400)
    assert alike(seen[:, :195], before[:, :195])
    assert alike(seen[:, 205:], after[:, 205:])
    assert page("#divider").get_attribute("aria-valuenow") == "50"


@pytest.mark.parametrize(
    ("strength", "sensitivity"), [(0, 50), (40, 50), (100, 15), (100, 85), (70, 100)]
)
def test_the_sliders_show_what_the_server_makes(page, photo, strength, sensitivity):
    page.upload(photo)
    page.divide("after")
    page.set("strength", strength)
    page.set("sensitivity", sensitivity)
    expected = removed(page, photo, strength=strength / 100, sensitivity=sensitivity / 100)
    assert alike(page.seen(300, 400), expected)


def test_strokes_protect_and_take_and_can_be_undone(page, photo):
    page.upload(photo)
    page.divide("before")
    before = page.seen(300, 400)
    page.divide("after")
    after = page.seen(300, 400)
    changed = np.abs(removed(page, photo) - pixels(photo.read_bytes())).max(-1) > 0
    assert not np.array_equal(after[changed], before[changed])
    page.set("size", 200)
    page("[name=tip][value=protect]").click()
    page.set("size", 200)
    page.stroke([(x, y) for y in (40, 150, 260) for x in (10, 200, 390)], 300, 400)
    page("body").send_keys("v")
    page.settle()
    assert np.array_equal(page.seen(300, 400)[changed], before[changed])
    page("body").send_keys(Keys.CONTROL, "z")
    page.settle()
    assert np.array_equal(page.seen(300, 400), after)
    page("[name=tip][value=take]").click()
    page.stroke([(150, 150), (250, 150)], 300, 400)
    page("[name=tip][value='']").click()
    page.settle()
    certain = removed(page, photo, sensitivity=1.0)
    assert alike(page.seen(300, 400)[140:160, 160:240], certain[140:160, 160:240])
    for action in ("clear", "undo", "undo"):
        page("[name=tip][value=erase]").click()
        page(f"#{action}").click()
    page("[name=tip][value='']").click()
    page.settle()
    assert np.array_equal(page.seen(300, 400), after)
    assert not page("#undo").is_displayed()


def test_the_download_is_the_apis_own_file(page, photo):
    page.upload(photo)
    page.set("strength", 80)
    page.set("sensitivity", 60)
    response = httpx.post(
        f"{page.url}/v1/remove?strength=0.8&sensitivity=0.6", content=photo.read_bytes(), timeout=60
    )
    assert page.download("#download") == response.content
    assert [path.name for path in page.downloads.glob("shiny*")] == ["shiny cup_clean.png"]
    assert page.download("#layers")[:2] == b"PK"


def test_the_download_keeps_what_is_protected_to_the_last_bit(page, photo):
    page.upload(photo)
    before = pixels(photo.read_bytes())
    page("[name=tip][value=protect]").click()
    page.set("size", 80)
    page.stroke([(60, 150), (340, 150)], 300, 400)
    painted = pixels(page.download("#download"))
    free = removed(page, photo)
    assert np.array_equal(painted[140:160, 70:330], before[140:160, 70:330])
    assert (free[140:160, 70:330] != before[140:160, 70:330]).any()
    assert np.array_equal(painted[:100], free[:100])


def test_layers_are_shown_in_place_of_the_result(page, photo):
    page.upload(photo)
    page.divide("after")
    reply = httpx.post(
        f"{page.url}/v1/preview?layers=albedo", content=photo.read_bytes(), timeout=60
    )
    start = reply.content.index(b"\xff\xd8\xff")
    albedo = pixels(reply.content[start:]).astype(float)
    page("[name=view][value=albedo]").click()
    page.wait(lambda: "colour" in page("#view-hint").text, "the layer never came")
    page.settle()
    assert alike(page.seen(300, 400), albedo)
    page("[name=view][value=result]").click()
    page.settle()
    assert alike(page.seen(300, 400), removed(page, photo))


def test_several_images_wait_in_a_strip_and_a_broken_one_says_why(page, photo, tmp_path):
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(b"this is not an image")
    page("#files").send_keys(f"{photo}\n{broken}")
    page.wait(lambda: page.driver.find_elements(By.CSS_SELECTOR, ".badge.bad"), "it never failed")
    assert len(page.driver.find_elements(By.CSS_SELECTOR, "#strip button")) == 2
    page("#strip li:nth-child(2) button").click()
    assert "not supported" in page("#failure-title").text
    assert page("#failure-detail").text
    # The console tells of the failed request, which is right; nothing else may be there.
    logged = page.driver.get_log("browser")
    assert all("415" in entry["message"] for entry in logged)
    page("#forget").click()
    page.wait(page("#divider").is_displayed, "the other image never came back")


def test_an_example_can_be_tried_with_one_click(page):
    page("[data-example='coffee.jpg']").click()
    page.wait(page("#divider").is_displayed, "the example never appeared")
    assert page("#name").text == "coffee.jpg"
    assert "600 × 400" in page("#facts").text


def test_the_keyboard_alone_suffices(page, photo):
    page.upload(photo)
    body = page("body")
    body.send_keys("0")
    fitted = page("#zoom-level").text
    body.send_keys("+")
    assert page("#zoom-level").text != fitted
    body.send_keys("1")
    assert page("#zoom-level").text == "100 %"
    body.send_keys("p")
    assert page("[name=tip][value=protect]").is_selected()
    body.send_keys("v")
    page("#strength").send_keys(Keys.ARROW_LEFT)
    assert page("#strength-value").text == "99"
    reached = set()
    for _ in range(40):
        ActionChains(page.driver).send_keys(Keys.TAB).perform()
        reached.add(page.driver.switch_to.active_element.get_attribute("id"))
    assert {"canvas", "divider", "strength", "sensitivity", "download", "format"} <= reached


@pytest.fixture(scope="module")
def axe(tmp_path_factory) -> str:
    folder = tmp_path_factory.mktemp("axe")
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("there is no npm here to fetch axe-core with")
    command = [npm, "install", "--no-save", "--silent", "--prefix", str(folder), "axe-core@4"]
    if subprocess.run(command, check=False, capture_output=True, timeout=120).returncode:
        pytest.skip("npm cannot fetch axe-core")
    return (folder / "node_modules/axe-core/axe.min.js").read_text(encoding="utf-8")


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1200])
def test_axe_finds_no_serious_fault(page, photo, axe, theme, width):
    size = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": False}
    page.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    features = {"features": [{"name": "prefers-color-scheme", "value": theme}]}
    page.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", features)
    try:
        for step in ("start", "editor"):
            if step == "editor":
                page.upload(photo)
                tip = page("[name=tip][value=take]")
                page.driver.execute_script("arguments[0].scrollIntoView({block: 'center'})", tip)
                tip.click()
            page.driver.execute_script(axe)
            found = page.driver.execute_async_script("axe.run().then(arguments[0])")
            faults = [
                f"{fault['id']}: {node['html']} {node['failureSummary']}"
                for fault in found["violations"]
                for node in fault["nodes"]
                if fault["impact"] in ("serious", "critical")
            ]
            assert faults == []
    finally:
        page.driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
        page.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})
