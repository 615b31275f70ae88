"""Time sketches, in a browser without a server and with one: `python -m benchmarks browser typing`, about a minute.

A student draws a sketch, or its model does, as with a guidance that the visitor has chosen: the two take turns. Prints
for each the milliseconds from a letter to its picture: the median, the quartiles and the least. Also the processor's
time of one sketch, of the browser's processes and of the server (Linux only), the ratio of each turn, and how many
pictures came while words were typed at 180 ms a letter. Before that, of Between words without a server, the
milliseconds from another word to the sketches of the four corners and of all 49 places.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import socket
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import torch

import ui
from benchmarks._measure import describe, spread
from benchmarks.app import ARGS
from benchmarks.browser.opening import served
from ddpm_core.commands.reading import Parser
from ui.static.folder import write

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

QUERY = "?tab=watch&checkpoint=emoji-tiny&steps=1000&count=4"  # a run that does not begin by itself
WAYS = {"a student": ("", "3 steps"), "the model": ("&guidance=3", "4 steps")}  # what draws: of its link, of its title
WORDS = [f"{colour} {thing}" for colour in ("red", "green", "blue") for thing in ("apple", "heart", "fox", "car")]
# Sketches begin also on a busy machine, where none would, and the run of the query does not.
ALWAYS = "() => { page.knowledge.describe = async (part, { steps }) => ({ auto: Number(steps) !== 1000 }); }"
TYPE = """(text) => new Promise((done) => {
  const input = document.querySelector("[data-name=prompt] input");
  const title = document.querySelector(".ddpm-player .title");
  input.value = text;
  input.dispatchEvent(new Event("input", { bubbles: true }));
  const began = performance.now();
  const look = () => {
    if (title.textContent.includes(`“${text}”`)) requestAnimationFrame(() => done(performance.now() - began));
    else requestAnimationFrame(look);
  };
  look();
})"""

# In the page: types a text, and gives how many pictures came until its last letter.
LETTERS = """([text, ms]) => new Promise((done) => {
  const input = document.querySelector("[data-name=prompt] input");
  const title = document.querySelector(".ddpm-player .title");
  const seen = new Set();
  let end = 0;
  const observer = new MutationObserver(() => seen.add(title.textContent));
  observer.observe(title, { childList: true, characterData: true, subtree: true });
  const timer = setInterval(() => {
    if (end === text.length) {
      clearInterval(timer);
      observer.disconnect();
      return done(seen.size);
    }
    input.value = text.slice(0, ++end);
    input.dispatchEvent(new Event("input", { bubbles: true }));
  }, ms);
})"""
LETTER, TYPED = 180, "yellow taxi"  # ms

# In the page: changes the words at a corner, and gives the milliseconds to the corners and to all pictures.
SQUARE = """(text) => new Promise((done) => {
  const input = document.querySelector("[data-name=a] input");
  const { dataset } = input.closest(".part");
  const began = performance.now();
  let corners = 0;
  input.value = text;
  input.dispatchEvent(new Event("input", { bubbles: true }));
  const look = () => {
    const count = Number(dataset.sketches);
    if (count === 4) corners ||= performance.now() - began;
    if (count === 49 && corners) done([corners, performance.now() - began]);
    else requestAnimationFrame(look);
  };
  look();
})"""


def worked() -> float:
    """Return the processor's seconds of this process and of all that it has started."""
    processes = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue  # it has ended
        processes[int(stat.parent.name)] = int(fields[1]), int(fields[11]) + int(fields[12])
    ours = {os.getpid()}
    while more := {pid for pid, (parent, _) in processes.items() if parent in ours} - ours:
        ours |= more
    return sum(processes[pid][1] for pid in ours if pid in processes) / os.sysconf("SC_CLK_TCK")


def opened(browser: Browser, address: str, steps: str) -> Page:
    """Return the page of an address, once its sketches have so many steps: without a server, the first one is the
    model's.
    """
    page = browser.new_page(viewport={"width": 1280, "height": 800})
    page.set_default_timeout(300_000)
    page.goto(address)
    page.wait_for_selector(".part-watch[data-ready=true][data-described]")
    page.evaluate(ALWAYS)
    for i in range(5):
        page.evaluate(TYPE, f"warm up {i}")
        if steps in page.locator(".ddpm-player .title").inner_text():
            return page
    title = page.locator(".ddpm-player .title").inner_text()
    raise SystemExit(f"{address}: no sketch of {steps}, but {title}")


def sketch(page: Page, text: str) -> tuple[float, float]:
    """Return the milliseconds until a sketch is seen, and the processor's."""
    page.bring_to_front()
    before = worked()
    return page.evaluate(TYPE, text), 1000 * (worked() - before)


def squares(browser: Browser, address: str) -> list[tuple[float, float]]:
    """Return, for each of some words at a corner of Between words, the milliseconds to the corners and to all."""
    page = browser.new_page(viewport={"width": 1280, "height": 800})
    page.set_default_timeout(300_000)
    page.goto(f"{address}?tab=between&checkpoint=emoji-tiny")
    page.wait_for_selector(".part-between[data-ready=true][data-described]")
    found = [page.evaluate(SQUARE, text) for text in ("warm up", "once more", *WORDS)]
    page.close()
    return found[2:]


def main(arguments: Sequence[str]) -> None:
    """The command."""
    from playwright.sync_api import sync_playwright

    raw = argparse.RawDescriptionHelpFormatter
    prog = "python -m benchmarks browser typing"
    Parser(prog=prog, description=__doc__, formatter_class=raw).parse_args(arguments)
    print(json.dumps(describe(torch.device("cpu"))))
    print("| from a letter to the picture | drawn by | ms | least | processor, ms |\n| --- | --- | --- | --- | --- |")
    with tempfile.TemporaryDirectory() as temporary, sync_playwright() as playwright:
        write(Path(temporary, "lab"), ["emoji-tiny", "emoji-tiny-3-steps"])
        path = next(filter(None, map(shutil.which, ("chromium-headless-shell", "chromium"))), None)
        browser = playwright.chromium.launch(executable_path=path, args=ARGS)
        app = ui.build("emoji-tiny")
        ui.launch(app, socket.create_server(("127.0.0.1", 0)))
        with served(Path(temporary)) as (address, _):
            corners, whole = zip(*squares(browser, f"{address}/lab/"), strict=True)
            print(f"alone, Between words: corners {_middle(corners, 0)}, all {_middle(whole, 0)} ms", flush=True)
            for name, at in (("in the browser alone", f"{address}/lab/"), ("with a server", app.local_url)):
                pages = [opened(browser, at + QUERY + more, steps) for more, steps in WAYS.values()]
                turns = [[sketch(page, text) for page in pages] for text in WORDS]
                for way, found in zip(WAYS, zip(*turns, strict=True), strict=True):
                    times, processor = zip(*found, strict=True)
                    cells = f"{_middle(times, 0)} | {min(times):.0f} | {sum(processor) / len(processor):.0f}"
                    print(f"| {name} | {way} | {cells} |", flush=True)
                for way, page in zip(WAYS, pages, strict=True):
                    page.bring_to_front()
                    count = page.evaluate(LETTERS, [TYPED, LETTER])
                    print(f"{name}, {way}: {count} pictures of {len(TYPED)} letters", flush=True)
                ratios = [one / other for (one, _), (other, _) in turns]
                print(f"{name}, {' / '.join(WAYS)}: {_middle(ratios, 2)}", flush=True)
                for page in pages:
                    page.close()
        browser.close()
        ui.close(app)


def _middle(numbers: Sequence[float], digits: int) -> str:
    """Return the median and the quartiles."""
    found = spread(list(numbers))
    low, high = found["quartiles"]
    return f"{found['median']:.{digits}f} ({low:.{digits}f} to {high:.{digits}f})"
