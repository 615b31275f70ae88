"""What golden.py records of links: the files of the runs to which they lead, as a browser saves them."""

from __future__ import annotations

import random
import urllib.parse
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import golden_page
from browser import ARGS, CALM, chromium_path
from playwright.sync_api import Page, sync_playwright
from screenshots import served

# For each part: how many of the 60 links lead to it, and which file has the pixels of its pictures, or its points.
LINKS = {
    "watch": (20, "Everything (ZIP)"),
    "compare": (15, "Everything (ZIP)"),
    "grid": (5, "Everything (ZIP)"),
    "latents": (7, "Pixels (PNG)"),
    "repair": (7, "Pixels (PNG)"),
    "plane": (5, "Table (CSV)"),
    "between": (1, "Pixels (PNG)"),
}
LONG = ("picture", "picture_b", "hidden", "drawing", "touch")  # these fields stand after the # of an address


def address(part: str, values: dict[str, Any], draw: random.Random) -> str:
    """Return a link with these values. Some are written as earlier versions wrote them."""
    tab = {"tab": part}
    if part == "watch":
        tab = draw.choice([tab, tab, {"tab": "denoise"}, {}])
    elif part == "compare":
        tab = draw.choice([tab, tab, {"tab": "denoise", "compare": "true"}])
    short = tab | {name: value for name, value in values.items() if name not in LONG}
    long = {name: value for name, value in values.items() if name in LONG}
    query = urllib.parse.urlencode({name: str(value).replace("True", "true") for name, value in short.items()})
    return f"?{query}" + (f"#{urllib.parse.urlencode(long)}" if long else "")


def ends(page: Page, url: str, part: str, link: str) -> dict[str, Any]:
    """Open a link, wait until its run has ended, and return its saved files."""
    page.goto("about:blank")  # otherwise a link that differs only after its # would not load the page
    page.goto(url + link)
    page.wait_for_selector("html[data-ready=true]")
    place = f".part-{part}"
    page.wait_for_selector(f"{place}[data-ready=true][data-described]")
    page.wait_for_function(
        f"""() => {{
            const part = document.querySelector("{place}");
            const {{ state }} = part.dataset;
            if (state === "idle") part.querySelector(".run").click(); // else it has begun by itself
            return ["finished", "error"].includes(state) || part.querySelector(".estimate.wrong") !== null;
        }}""",
        polling=100,
    )
    if page.get_attribute(place, "data-state") != "finished":
        raise ValueError(page.inner_text(f"{place} .estimate") or page.inner_text(f"{place} .status"))
    page.get_by_role("button", name="Share").click()
    with page.expect_download() as download:
        page.locator("#share-menu").get_by_role("button", name=LINKS[part][1]).click()
    name, content = download.value.suggested_filename, Path(download.value.path()).read_bytes()
    found = golden_page.of_file(name, content)
    if name.endswith(".zip"):  # only the last state of each picture
        found = {inner: one for inner, one in found.items() if not inner.startswith("steps") and _is_last(inner)}
    return {"address": golden_page.unpacked(page.url.removeprefix(url)), name: found}


def _is_last(inner: str) -> bool:
    return not inner.endswith(".png") or inner.endswith("x_0000.png")


@contextmanager
def cases(static: bool) -> Iterator[dict[str, Callable[[], Any]]]:
    """Yield 60 links, each with a function that returns the files of its run. static: use the page without a server."""
    with served(static) as url, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium_path(), args=ARGS)
        context = browser.new_context(**CALM)
        page = context.new_page()
        page.set_default_timeout(120_000)
        draw, found = random.Random(5), {}
        for part, (n, _) in LINKS.items():
            for values in golden_page.drawn(4, part, n, cheap=True):
                link = address(part, values, draw)
                found[link] = lambda part=part, link=link: ends(page, url, part, link)
        yield found
        browser.close()
