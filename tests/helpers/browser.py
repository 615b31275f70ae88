"""A Chromium for the browser tests.

`browser` is empty at the start of each module, `page` is new for each test and fails it on an error of the page, and
`gpu_page` has WebGPU.

The pages of a module share a cache, as the tabs of one window do. They are those of a visitor who wants little motion:
what plays takes half of the processor's time of a page. A test of it says `page.emulate_media(**MOTION)`.

Starting Chromium takes as much processor time as opening three pages, so each process of the tests starts one. Until
the end playwright has an event loop in the main thread: a test of a coroutine uses `run_async`.

Without playwright or a Chromium such tests skip, except under CI (environment variable CI), where they fail.
"""

import asyncio
import os
import shutil
import socket
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest

# Pages reach this machine only. Under NAME, and http, a browser gives a page less than under 127.0.0.1 or localhost.
NAME = "lab.test"
NOWHERE = f"--host-resolver-rules=MAP {NAME} 127.0.0.1, MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost"
ARGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", NOWHERE]
MOTION = {"reduced_motion": "no-preference"}
CALM = {"reduced_motion": "reduce"}


@contextmanager
def served(*arguments, port=0, launch=(), **options):
    """An app that is served, and asks no Hub. arguments, options: of `ui.build`; launch: of `ui.launch`."""
    import ui
    from ui.models.loaded import Models

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Models, "refresh", lambda self: None)
        app = ui.build(*arguments, **options)
        app.wanted.set()
        ui.launch(app, socket.create_server(("127.0.0.1", port)), **dict(launch))
        yield app
        ui.close(app, seconds=60)  # a model that is loaded when Python ends would abort it


def _missing(why):
    if os.environ.get("CI"):
        pytest.fail(why, pytrace=False)
    pytest.skip(why)


def chromium_path():
    """Path of the Chromium to use (CHROMIUM_PATH, then the usual names), or None for playwright's own."""
    # First the one without windows of its own: it takes two thirds of the processor time.
    names = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
    return os.environ.get("CHROMIUM_PATH") or next(filter(None, map(shutil.which, names)), None)


def run_async(coroutine):
    """Return what a coroutine returns."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, coroutine).result()


@pytest.fixture(scope="session")
def playwright():
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        _missing("playwright is not installed")
    with sync_playwright() as playwright:
        yield playwright


@pytest.fixture(scope="session")
def chromium(playwright):
    from playwright.sync_api import Error

    try:
        chromium = playwright.chromium.launch(executable_path=chromium_path(), args=ARGS)
    except Error as error:
        _missing(f"no Chromium starts: {str(error).splitlines()[0]}")
    yield chromium
    chromium.close()


@pytest.fixture(scope="module")
def browser(chromium):
    # Of all `page`. Without the page's policy, as playwright evaluates strings in it.
    chromium.new_context(viewport={"width": 1280, "height": 720}, bypass_csp=True, **CALM)
    yield chromium
    for context in chromium.contexts:
        context.close()


@contextmanager
def new_page(browser):
    """A page of `browser`. Its `errors` are those of its scripts, and at the end there must be none."""
    page = browser.contexts[0].new_page()
    page.set_default_timeout(120_000)  # on a busy machine
    page.errors = []
    page.on("pageerror", lambda error: page.errors.append(str(error)))
    yield page
    page.close()
    assert not page.errors, page.errors


@pytest.fixture
def page(browser):
    with new_page(browser) as page:
        yield page


@pytest.fixture(scope="module")
def gpu_page(playwright):
    """A page of a browser whose WebGPU is the processor that pretends."""
    flags = ["--enable-unsafe-webgpu", "--use-webgpu-adapter=swiftshader"]
    browser = playwright.chromium.launch(executable_path=chromium_path(), args=[*ARGS, *flags])
    page = browser.new_page()

    def answer(route):
        path = Path(urlsplit(route.request.url).path)
        route.fulfill(path=path) if path.is_file() else route.fulfill(status=404 if path.suffix else 200, body="")

    page.route("http://localhost/**", answer)
    page.goto("http://localhost/")  # a page that may ask for a GPU
    yield page
    browser.close()
