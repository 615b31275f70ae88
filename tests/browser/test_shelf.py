"""Modules of a training in three browsers. They keep it whole or not at all, and learn the same bits."""

import http.server
import threading
from functools import partial

import pytest
from test_static import Quiet
from webdriver import BROWSERS, started

from ui.web.scripts import FILES

FULL = "The browser has no room left. The training goes on: save the model as a ZIP before you leave."
NONE = "The browser keeps nothing here, as in a private window. Save the model as a ZIP before you leave."
REFS = ["trained/Stars-20-drawings", "trained/Stars-20-drawings-2", "trained/model"]


class Modules(Quiet):
    """The modules of the page as they are, and an empty page."""

    def do_GET(self):
        if self.path != "/":
            return super().do_GET()
        self.send_response(200)
        self.send_header("content-type", "text/html")
        self.end_headers()
        self.wfile.write(b"<!doctype html><html data-ready=true><title>Shelf</title>")

    extensions_map = http.server.SimpleHTTPRequestHandler.extensions_map | {".mjs": "text/javascript"}


@pytest.fixture(scope="module")
def address():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Modules, directory=str(FILES)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize(
    "name", [name if name == "chromium" else pytest.param(name, marks=pytest.mark.long) for name in BROWSERS]
)
def test_trainings_and_models_are_kept_whole_or_not_at_all(name, address, tmp_path):
    with started(name, tmp_path / "browser") as browser:
        browser.open(address)
        ask = "return (await import('/tests/local/shelf.mjs'))"
        found = browser.run(f"{ask}.fill()")
        assert found == {
            **{"before": None, "kept": "", "refs": REFS, "full": FULL, "none": NONE, "nothing": [None, []]},
            **{"half": NONE, "all": REFS},
        }
        browser.reload()
        found = browser.run(f"{ask}.empty()")
    assert found["found"] == [1, 0.5, 0, "2", True]
    assert [(model["ref"], model["facts"]) for model in found["all"]] == [(ref, {"Images": "20"}) for ref in REFS]
    assert (found["title"], found["bytes"]) == ("Stars, 20 drawings", [1, 2, 3])
    assert found["after"] == [None, None, REFS[1:]] and found["other"] == []


@pytest.mark.long
def test_three_browsers_learn_the_same_bits(address, tmp_path):
    """Of the weights, their average and the optimiser's moments, with as many workers."""
    found = {}
    for name in BROWSERS:
        with started(name, tmp_path / name) as browser:
            browser.open(address)
            ask = "return (await import('/tests/local/same_bits.mjs')).learned(given[0]);"
            found[name] = [browser.run(ask, prediction) for prediction in ("v", "flow")]
    first, *others = found.values()
    assert len(set(first)) == 2 and others == [first, first], found
