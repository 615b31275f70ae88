"""The Forward and Learn tabs in a real browser."""

import base64
import io
import json
import os

os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"  # before the import: gradio calls out otherwise

import re
import urllib.error
import urllib.request

import numpy as np
import pytest
from PIL import Image

import ui
from ddpm_core import forward
from ui import web
from ui.tabs.learn import lessons

pytest_plugins = ("browser",)


@pytest.fixture(scope="module")
def url():
    demo = ui.build("cifar10-tiny")
    ui.launch(demo, prevent_thread_lock=True, inbrowser=False)
    yield demo.local_url
    demo.close()


def open_tab(page, name):
    page.get_by_role("tab", name=name).click()
    if name == "Forward":
        page.wait_for_selector(".ddpm-forward[data-ready=true]")


def pixels(page, figure):
    """A canvas of the Forward tab as (n, n, 3)."""
    uri = page.locator(f".ddpm-forward .{figure} canvas").evaluate("(canvas) => canvas.toDataURL('image/png')")
    image = Image.open(io.BytesIO(base64.b64decode(uri.partition(",")[2])))
    return np.asarray(image.convert("RGB"), float)


def at(page, t):
    page.wait_for_selector(f'.ddpm-forward[data-t="{t}"]')


def test_forward(page, url, tmp_path):
    page.goto(url)
    open_tab(page, "Forward")
    x_0, slider = pixels(page, "x0"), page.get_by_label("Time t", exact=True)

    # The slider moves the picture and the readout, and the picture is Eq. 4.
    slider.fill("400")
    at(page, 400)
    table = forward.tables(forward.SCHEDULES["linear"]())
    epsilon = forward.epsilon(13, x_0.shape)
    x_t = table["signal"][400] * (x_0 - 127.5) + table["noise"][400] * 127.5 * epsilon + 127.5
    assert np.abs(pixels(page, "xt") - x_t.clip(0, 255)).max() <= 0.6
    readouts = page.locator(".ddpm-forward .readouts")
    assert "t 400 of 1000" in readouts.inner_text() and "ᾱ .20" in readouts.inner_text()
    mean = table["of_x_0"][400] * (x_0 - 127.5) + table["of_x_t"][400] * (x_t - 127.5) + 127.5
    assert np.abs(pixels(page, "mean") - mean.clip(0, 255)).max() <= 0.6
    slider.press("ArrowRight")
    at(page, 401)

    # t small steps against one jump.
    page.get_by_label("Time t, as a number").fill("30")
    at(page, 30)
    page.get_by_role("button", name="Take 30 steps").click()
    page.wait_for_selector(".walk[data-state=done]")
    assert page.locator(".walk tbody tr").count() == 3
    assert "apart" in page.locator(".verdict").inner_text()

    # The schedule changes ᾱ, and the comparison is of another one now.
    slider.fill("400")
    page.locator(".ddpm-forward .schedules label", has_text="Cosine").click()
    page.wait_for_selector('.ddpm-forward[data-schedule="cosine"]')
    assert re.search(r"ᾱ \.65", readouts.inner_text())
    assert page.locator(".walk").get_attribute("data-state") == "stale"

    # The ends: x_0 itself, and almost pure noise.
    slider.press("Home")
    at(page, 0)
    assert np.array_equal(pixels(page, "xt"), x_0)
    slider.press("End")
    at(page, 1000)
    assert np.abs(pixels(page, "xt") - pixels(page, "eps")).max() <= 1

    # Other noise, another picture, an upload, and a file that is no picture.
    before = pixels(page, "eps")
    page.get_by_role("button", name="New noise").click()
    page.wait_for_selector('.ddpm-forward:not([data-seed="13"])')
    assert not np.array_equal(pixels(page, "eps"), before)
    page.get_by_label("cat", exact=True).check()
    page.wait_for_selector('.ddpm-forward[data-picture="cat"]')
    Image.new("RGBA", (1, 1), (200, 30, 40, 255)).save(tmp_path / "dot.png")
    page.get_by_label("Upload a picture").set_input_files(tmp_path / "dot.png")
    page.wait_for_selector('.ddpm-forward[data-picture="own"]')
    assert (pixels(page, "x0") == (200, 30, 40)).all()
    (tmp_path / "no.png").write_text("no picture")
    page.get_by_label("Upload a picture").set_input_files(tmp_path / "no.png")
    page.get_by_text("could not be read as a picture").wait_for()
    assert (pixels(page, "x0") == (200, 30, 40)).all()


def test_modules_are_fetched_once_and_anew_with_every_page(page, url):
    fetched = []
    page.on("request", lambda request: "/ui/web/" in request.url and fetched.append(request.url))
    page.goto(url)
    page.wait_for_function("window.ddpmPlayer")
    open_tab(page, "Forward")
    names = [address.partition("/ui/web/")[2] for address in fetched]
    assert len(names) == len(set(names)) and {"player/player.js", "shared/dom.js", "forward/forward.js"} <= {*names}
    with urllib.request.urlopen(fetched[0]) as answer:
        assert answer.headers["cache-control"] == "no-cache"
        assert answer.headers.get_content_type() in ("text/javascript", "application/javascript")


def test_only_what_the_page_needs_is_served(url):
    with pytest.raises(urllib.error.HTTPError, match="403"):
        urllib.request.urlopen(f"{url}gradio_api/file={web.FILES / 'package.json'}")


class Held:
    """The page's calls of a server function, held until they are released."""

    def __init__(self, page, function):
        self._page, self._waiting, self._free = page, [], False
        page.route("**/component_server/**", lambda route: self._take(route, function))

    def _take(self, route, function):
        if self._free or json.loads(route.request.post_data)["fn_name"] != function:
            route.continue_()
        else:
            self._waiting.append(route)

    def release(self):
        for route in self._taken():
            route.continue_()

    def lose(self):
        for route in self._taken():
            route.abort()

    def _taken(self):
        while not self._waiting:
            self._page.wait_for_timeout(20)
        self._free = True
        return self._waiting


def test_new_noise_while_a_picture_loads_keeps_the_picture(page, url):
    first = Held(page, "picture")
    page.goto(url)
    page.get_by_role("tab", name="Forward").click()
    noise = page.get_by_role("button", name="New noise")
    noise.click()  # before there is any picture
    first.release()
    page.wait_for_selector(".ddpm-forward[data-ready=true][data-picture=lighthouse]:not([data-seed='13'])")
    assert page.locator(".ddpm-forward .wrong").is_hidden() and pixels(page, "x0").std() > 30
    lighthouse, seed = pixels(page, "x0"), page.get_attribute(".ddpm-forward", "data-seed")
    page.unroute_all()
    second = Held(page, "picture")
    page.get_by_label("cat", exact=True).check()
    noise.click()
    second.release()
    page.wait_for_selector(f".ddpm-forward[data-ready=true][data-picture=cat]:not([data-seed='{seed}'])")
    assert not np.array_equal(pixels(page, "x0"), lighthouse)
    seed = int(page.get_attribute(".ddpm-forward", "data-seed"))
    epsilon = 127.5 + 127.5 * forward.epsilon(seed, lighthouse.shape)
    assert np.abs(pixels(page, "eps") - epsilon.clip(0, 255)).max() <= 0.6


def test_a_server_that_did_not_answer_at_the_start_is_asked_again_by_new_noise(page, url):
    first = Held(page, "picture")
    page.goto(url)
    page.get_by_role("tab", name="Forward").click()
    first.lose()
    page.get_by_text("The server did not answer").wait_for()
    page.get_by_role("button", name="New noise").click()
    page.wait_for_selector(".ddpm-forward[data-ready=true]:not([data-seed='13'])")
    assert page.locator(".ddpm-forward .wrong").is_hidden() and pixels(page, "x0").std() > 30


def test_learn(page, url):
    page.goto(url)
    open_tab(page, "Learn")
    assert page.locator(".lesson").count() == len(lessons.LESSON_SETTINGS) >= 10
    page.wait_for_selector(".lesson .katex")
    assert page.locator(".katex-error").count() == 0
    assert "$" not in page.locator("#lessons").inner_text()

    # A card for Forward, before that tab was ever opened, and once more after.
    for number, t, picture in ((2, 250, "lighthouse"), (4, 400, "cat")):
        open_tab(page, "Learn")
        page.locator(f"#lesson-{number} button").click()
        page.wait_for_selector(f'.ddpm-forward[data-ready=true][data-t="{t}"][data-picture="{picture}"]')
        assert page.get_by_role("tab", name="Forward").get_attribute("aria-selected") == "true"

    # A card for Denoise sets its controls, and runs nothing.
    open_tab(page, "Learn")
    page.get_by_role("button", name="Show 20 steps of DDIM in Denoise").click()
    page.wait_for_function("document.querySelector('#steps input[type=number]')?.value === '20'")
    assert page.get_by_role("tab", name="Denoise").get_attribute("aria-selected") == "true"
    page.wait_for_selector("#variance input:disabled")  # DDIM has none
    open_tab(page, "Learn")
    page.get_by_role("button", name="Show 10 steps: β against β̃ in Denoise").click()
    page.wait_for_function("document.querySelector('#steps input[type=number]')?.value === '10'")
    page.wait_for_selector("#variance input[value=beta]:checked:enabled")
    page.wait_for_selector("#compare input:checked")
    page.wait_for_selector("#variance-b input[value=beta_tilde]:checked")
    assert page.locator(".ddpm-player").get_attribute("data-state") == "idle"


@pytest.mark.parametrize("name", ["Forward", "Learn"])
def test_nothing_is_wider_than_a_phone(page, url, name):
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto(url)
    open_tab(page, name)
    assert page.evaluate("document.documentElement.scrollWidth") == 390
