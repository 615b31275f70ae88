"""A Chromium for the browser tests.

`browser` has no pages at the start of each module. `page` is new for each test, and fails the test if the page has an
error. `gpu_page` has WebGPU.

The pages of a module share a cache, like the tabs of one window. They ask for reduced motion, because an animation
takes half of the processor time of a page. A test of an animation calls `page.emulate_media(**MOTION)`.

Starting Chromium takes as much processor time as opening three pages, so each process of the tests starts only one.
Until the end, playwright runs an event loop in the main thread: a test of a coroutine uses `run_async`.

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

# Pages reach this machine only. Over http, a browser allows a page under NAME less than one under 127.0.0.1 or
# localhost.
NAME = "lab.test"
NOWHERE = f"--host-resolver-rules=MAP {NAME} 127.0.0.1, MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost"
ARGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", NOWHERE]
MOTION = {"reduced_motion": "no-preference"}
CALM = {"reduced_motion": "reduce"}


@contextmanager
def served(*arguments, port=0, launch=(), **options):
    """Serve an app that sends no requests to the Hub. arguments, options: those of `ui.build`; launch: those of
    `ui.launch`.
    """
    import ui
    from ui.models.loaded import Models

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Models, "refresh", lambda self: None)
        app = ui.build(*arguments, **options)
        app.wanted.set()
        ui.launch(app, socket.create_server(("127.0.0.1", port)), **dict(launch))
        yield app
        ui.close(app, seconds=60)  # a model that is still loaded when Python ends would abort it


def _missing(why):
    if os.environ.get("CI"):
        pytest.fail(why, pytrace=False)
    pytest.skip(why)


def chromium_path():
    """Return the path of the Chromium to use (CHROMIUM_PATH, then the usual names), or None for playwright's own."""
    # The first one has no windows, which saves a third of the processor time.
    names = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
    return os.environ.get("CHROMIUM_PATH") or next(filter(None, map(shutil.which, names)), None)


def run_async(coroutine):
    """Run a coroutine and return its result."""
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
    # The context of all `page`s. It bypasses the page's policy, because playwright evaluates strings in the page.
    chromium.new_context(viewport={"width": 1280, "height": 720}, bypass_csp=True, **CALM)
    yield chromium
    for context in chromium.contexts:
        context.close()


@contextmanager
def new_page(browser):
    """Yield a page of `browser`. Its `errors` are those of its scripts; at the end there must be none."""
    page = browser.contexts[0].new_page()
    page.set_default_timeout(120_000)  # long, for a busy machine
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
    """Yield a page of a browser whose WebGPU runs on the processor."""
    flags = ["--enable-unsafe-webgpu", "--use-webgpu-adapter=swiftshader"]
    browser = playwright.chromium.launch(executable_path=chromium_path(), args=[*ARGS, *flags])
    page = browser.new_page()

    def answer(route):
        path = Path(urlsplit(route.request.url).path)
        route.fulfill(path=path) if path.is_file() else route.fulfill(status=404 if path.suffix else 200, body="")

    page.route("http://localhost/**", answer)
    page.goto("http://localhost/")  # browsers offer WebGPU to this address
    yield page
    browser.close()
