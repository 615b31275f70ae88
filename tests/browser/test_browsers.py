"""What a visitor does in Chromium, Firefox and WebKit, with the folder and with the app: run by `-m long`."""

import base64
import csv
import functools
import hashlib
import io
import json
import os
import time
import urllib.parse
import zipfile
from contextlib import suppress

import numpy as np
import pytest
from browser import served
from PIL import Image
from test_static import Site, endings, link
from webdriver import BROWSERS, END, ESCAPE, PATIENCE, started

import ddpm_core
from ddpm_core import imaging
from ddpm_core.noise import gaussian_batch
from ui.static.folder import write

pytestmark = pytest.mark.long
MODELS = ["mnist-tiny", "cifar10-tiny", "emoji-tiny"]
# A browser rounds float32 in another order than PyTorch: of 100 pictures of each model at most 1 value in 10,000
# differed, by one level, and at most 2 of a digit's 784, which its canvas has three times.
ROUNDED = 12
# Presses Run where the link does not run by itself.
FINISHED = """(() => {
  const part = document.querySelector(`.part-${given[0]}`);
  if (part?.dataset.state === "idle" && part.dataset.described > 0) part.querySelector(".run").click();
  return ["finished", "error"].includes(part?.dataset.state) && part.dataset.state;
})()"""
PIXELS = """return [...document.querySelectorAll(given[0])].map((canvas) => {
  const { width, height } = canvas;
  const { data } = canvas.getContext("2d").getImageData(0, 0, width, height);
  return [height, width, btoa(Array.from(data, (byte) => String.fromCharCode(byte)).join(""))];
});"""


@functools.cache
def model(ref):
    return ddpm_core.load(ref, device="cpu", engine="torch", precision="fp32")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    out = tmp_path_factory.mktemp("site") / "a" / "lab"
    assert write(out, MODELS) == []
    return out


@pytest.fixture(scope="module")
def static(folder):
    site = Site(folder)
    yield site.address
    site.stop()


@pytest.fixture(scope="module")
def app(torch_page):
    with served("mnist-tiny") as app:
        assert app.warmup.ready.wait(120)
        yield app.local_url


@pytest.fixture(scope="module", params=BROWSERS)
def start(request, tmp_path_factory):
    """start() opens a browser with an empty profile."""
    return lambda: started(request.param, tmp_path_factory.mktemp(request.param))


@pytest.fixture(scope="module")
def browser(start, tmp_path_factory):
    """Its `shown` is a folder for what the first browser showed, which all processes of a run share."""
    base = tmp_path_factory.getbasetemp()
    with start() as browser:
        browser.shown = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
        yield browser


@pytest.fixture(scope="module")
def stranger(start):
    """Another browser of the same kind, in which nothing was opened before."""
    with start() as browser:
        yield browser


@pytest.fixture(scope="module", params=["static", "app"])
def address(request):
    return request.getfixturevalue(request.param)


@pytest.fixture
def visit(browser, address):
    """visit(part, values) opens a link and returns the browser when its run has ended."""

    def opened(part, values, fragment=""):
        browser.open(f"{address}{link(part, values)}{fragment}")
        finished(browser, part)
        return browser

    return opened


@pytest.fixture(autouse=True)
def no_errors(browser):
    yield
    assert browser.run("return window.wrong;") == []


def finished(browser, part):
    state = browser.wait(FINISHED, part)
    assert state == "finished", browser.run("return document.querySelector('main').innerText;")[:500]


def pictures(browser, selector):
    """The pixels of canvases, each uint8 (H, W, 3)."""
    every = browser.run(PIXELS, selector)
    return [np.frombuffer(base64.b64decode(data), np.uint8).reshape(h, w, 4)[..., :3] for h, w, data in every]


def shows(browser, part, images):
    """Check that after the last step the panes of x_t have these images: uint8, (N, H, W, C)."""
    browser.press(END)
    wanted = np.broadcast_to(images, (*images.shape[:3], 3))
    end = time.monotonic() + PATIENCE / 4
    while True:
        shown = pictures(browser, f".part-{part} figure.x canvas:not(.touched)")
        if same(browser, shown, wanted):
            return
        if time.monotonic() > end:
            np.testing.assert_array_equal(shown, wanted)
        time.sleep(0.1)  # until they are drawn


def same(browser, shown, wanted):
    """Check pictures: the app's are PyTorch's to the byte, the folder's nearly, and alike in all browsers."""
    if not browser.run("return location.pathname.endsWith('/lab/');"):  # where the folder is served
        return np.array_equal(shown, wanted)
    if np.shape(shown) != wanted.shape:
        return False
    apart = np.abs(np.int16(shown) - wanted)
    if apart.max() > 1 or (apart > 0).sum() > max(ROUNDED, apart.size / 1000):
        return False
    first = browser.shown / f"{hashlib.sha256(wanted.tobytes()).hexdigest()}.npy"
    own = browser.shown / f"{os.getpid()}.npy"
    own.unlink(missing_ok=True)  # its bytes may be those of an earlier first
    np.save(own, shown)
    with suppress(FileExistsError):
        os.link(own, first)  # at once, as other processes read it
    np.testing.assert_array_equal(shown, np.load(first))
    return True


def test_the_page_opens_with_a_run_that_moves(browser, address):
    browser.open(address)
    first = browser.wait("document.querySelector('.ddpm-player')?.dataset.k")
    browser.wait("document.querySelector('.ddpm-player').dataset.k !== given[0]", first)


def test_figures_compute_one_after_the_other(browser, address):
    """The second one also asks for a file that the worker loads later."""
    browser.open(f"{address}essay{'.html' if address.endswith('/lab/') else ''}")
    for name in ("guess", "inside", "card"):
        one = f"document.querySelector('ddpm-figure[name={name}]')"
        browser.run(f"{one}.scrollIntoView();")
        browser.wait(f"{one}.dataset.busy === 'false' && {one}.dataset.answers > 0")
        assert browser.run(f"return {one}.shadowRoot.querySelector('.status').textContent;") == ""


@pytest.mark.parametrize(
    ("values", "same"),
    [
        ({"steps": 10, "label": "3", "guidance": 2}, {"labels": 3, "guidance": 2.0}),
        ({"checkpoint": "cifar10-tiny", "steps": 4}, {}),
        ({"checkpoint": "emoji-tiny", "steps": 4, "prompt": "red apple"}, {"prompts": "red apple", "guidance": 3.0}),
    ],
    ids=["digits", "cifar10", "emoji"],
)
def test_pictures_are_those_of_pytorch(visit, values, same):
    opened = visit("watch", {"seed": 7, "count": 1} | values)
    ref = values.get("checkpoint", "mnist-tiny")
    shows(opened, "watch", ddpm_core.sample(model(ref), [7], values["steps"], variance="beta_tilde", **same))


def test_compare_and_grid(visit):
    opened = visit("compare", {"seed": 7, "steps": 3, "steps_b": 4, "count": 1})
    lanes = {"beta": 3, "beta_tilde": 4}
    images = [ddpm_core.sample(model("mnist-tiny"), [7], steps, variance=kind) for kind, steps in lanes.items()]
    shows(opened, "compare", np.concatenate(images))
    opened = visit("grid", {"columns": "2, 3", "seed": 5})
    opened.wait("document.querySelectorAll('.cells-of-grid button').length === 6")


def test_a_touch_by_hand_splits_the_run(visit):
    same = {"steps": 5, "variance": "beta_tilde"}
    opened = visit("watch", {"seed": 7, "count": 1} | same)
    opened.click(".touch button[value='255.255.255']")
    opened.drag(".touched", [(0.2, 0.5), (0.4, 0.5), (0.4, 0.7)])
    opened.wait("document.querySelector('.part-watch .ddpm-player').classList.contains('compare')")
    finished(opened, "watch")
    (text,) = urllib.parse.parse_qs(opened.run("return location.hash.slice(1);"))["touch"]
    shows(opened, "watch", np.concatenate(endings(model("mnist-tiny"), text, [7], **same)))


def test_a_picture_of_ones_own_and_its_link_in_a_fresh_profile(visit, stranger, tmp_path):
    own = ddpm_core.sample(model("mnist-tiny"), [5], 20)
    Image.fromarray(own[0, ..., 0]).save(tmp_path / "own.png")
    opened = visit("latents", {"seed": 7, "steps": 4, "count": 2, "times": "300"})
    source = ".part-latents .source"
    opened.click(f"{source} label:has([value=picture])")
    example = opened.wait("document.querySelector(given[0]).dataset.picture", source)
    opened.choose(f"{source} [type=file]", tmp_path / "own.png")
    opened.wait("document.querySelector(given[0]).dataset.picture !== given[1]", source, example)
    opened.click(".part-latents .run")
    opened.wait("decodeURIComponent(location.hash).includes(document.querySelector(given[0]).dataset.picture)", source)
    finished(opened, "latents")
    x_t = ddpm_core.encode(model("mnist-tiny"), own, 300, [7])
    images = ddpm_core.reconstruct(model("mnist-tiny"), x_t, 300, [8, 9], steps=4, variance="beta_tilde")
    saved = save(opened, "Pixels (PNG)")
    assert same(opened, np.asarray(Image.open(io.BytesIO(saved))), imaging.grid(images)[..., 0])
    stranger.open(opened.run("return location.href;"))
    finished(stranger, "latents")
    assert save(stranger, "Pixels (PNG)") == saved
    assert stranger.run("return window.wrong;") == []


def take(browser, title):
    """Press an entry of the Share menu."""
    if not browser.run("return document.querySelector('#share-menu').open;"):
        browser.click("#share [aria-haspopup]")
    browser.click("#share-menu button", title)


def save(browser, title):
    return browser.saved(lambda: take(browser, title))


def test_every_kind_of_file_is_saved(visit):
    opened = visit("compare", {"seed": 7, "steps": 3, "steps_b": 3, "count": 1})
    for kind in ("Film (GIF)", "WebP"):
        assert Image.open(io.BytesIO(save(opened, kind))).n_frames == 3
    strip = Image.open(io.BytesIO(save(opened, "Film strip (PNG)")))
    assert json.loads(strip.text["Description"])["seed"] == 7
    assert Image.open(io.BytesIO(save(opened, "Picture (PNG)"))).width == 1600
    assert len([*csv.DictReader(io.StringIO(save(opened, "Table (CSV)").decode()))]) == 6
    with zipfile.ZipFile(io.BytesIO(save(opened, "Everything (ZIP)"))) as kept:
        assert kept.testzip() is None
        x_T = np.load(kept.open("x_T.npy"))
    np.testing.assert_array_equal(x_T, gaussian_batch([7], 0, (1, 28, 28)).numpy())
    for title in ("Link", "Copy Python"):
        take(opened, title)
        opened.wait(f"document.querySelector('.menu-said').previousElementSibling.textContent === '{title}'")
        opened.wait("document.querySelector('.menu-said').textContent === 'Copied.'")


def test_the_projector_opens_and_escape_closes_it(visit):
    opened = visit("watch", {"steps": 2, "count": 1})
    frame = ".part-watch figure.x .frame"
    small = opened.box(frame)["height"]
    opened.press("f")
    opened.wait("document.querySelector('.ddpm-player.projector')")
    assert opened.box(frame)["height"] > small
    opened.press(ESCAPE)
    opened.wait("!document.querySelector('.projector')")
    assert opened.box(frame)["height"] == small


def test_the_folder_opens_and_runs_while_its_server_is_stopped(browser, folder):
    site = Site(folder)
    values = {"seed": 7, "steps": 2, "count": 1}
    images = ddpm_core.sample(model("mnist-tiny"), [7], 2, variance="beta_tilde")
    at = site.address + link("watch", values)
    try:
        browser.open(at)
        finished(browser, "watch")
        browser.run("await navigator.serviceWorker.ready;")
    finally:
        site.stop()
    browser.open(at)
    finished(browser, "watch")
    shows(browser, "watch", images)
    browser.click("#places [data-place=course]")  # modules that were not loaded before
    browser.wait("document.querySelector('[data-cards]')?.dataset.cards > 0")


TRAIN = "document.querySelector('.train')"
LINE = [(0.2, 0.3), (0.5, 0.7), (0.8, 0.3)]


def test_the_drawing_board_of_the_plane(browser, address):
    browser.open(address + link("plane", {"shape": "drawing", "steps": 2, "steps_b": 2, "cloud": 50}))
    browser.drag(".part-plane .board", LINE)
    finished(browser, "plane")
    assert "drawing=" in browser.run("return location.hash;")


def test_the_drawing_pad_of_train_takes_a_finger_and_keeps_the_drawing(browser, address):
    browser.open(f"{address}?tab=train")
    browser.click(".train [data-name=data] label:has([value=drawings])")
    browser.drag(".train .sheet", LINE, pointer="touch")
    for _ in range(2):
        browser.wait("document.querySelector('.train .pad')?.dataset.drawn === '1'")
        browser.reload()


def test_a_network_learns_digits_here_and_survives_a_reload(browser, address):
    def stands(state, more="true"):
        browser.wait(f"(({{ state, kept, grids }}) => state === '{state}' && {more})({TRAIN}.dataset)")

    browser.open(f"{address}?tab=train")
    browser.wait(f"{TRAIN}?.querySelector('.start')")
    browser.click(".train .start")
    stands("running", "grids > 0")
    browser.click(".train .pause")
    stands("paused", "kept === 'true'")
    browser.reload()
    browser.wait(f"{TRAIN}?.dataset.state === 'kept'")
    browser.click(".train .resume")
    stands("running")
    browser.click(".train .stop")
    stands("stopped", "kept === 'true'")
