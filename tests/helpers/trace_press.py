"""Count what runs between a press on Run in Watch and the first picture: named functions and files, in both languages.

    python tests/helpers/trace_press.py [--edition browser] [--root ANOTHER_CHECKOUT] [--list]

The run: mnist-tiny, DDPM, 50 steps, 4 pictures. Each press has a new page, which is left alone for a while before it.
JavaScript is counted by Chromium's precise coverage of the page and of the first worker. Python is counted by a profile
function in every thread of the server. A function counts once; lambdas, comprehensions, modules and callbacks without a
name don't count. Report the first press, because later ones find full caches.
"""

import argparse
import functools
import http.server
import json
import os
import re
import socket
import sys
import tempfile
import threading
import time
from pathlib import Path

RUNTIME = "ui/web/runtime"  # folder of the bundles
KEY = re.compile(r'^"([\w/.-]+\.js)"\(\) \{$', re.M)  # the line where a module of a bundle begins
HOVER = 3000  # milliseconds in which the browser's engine loads before the press
ARM = """() => {
  for (const name of ["drawImage", "putImageData"]) {
    const draw = CanvasRenderingContext2D.prototype[name];
    CanvasRenderingContext2D.prototype[name] = function (...given) {
      const drawn = draw.apply(this, given);
      if (window.armed && this.canvas.closest?.(".part-watch .lanes")) { window.armed = false; debugger; }
      return drawn;
    };
  }
}"""


class PythonCalls:
    """Counts the calls of a folder's functions in any thread while `on` is set, by file, name and line."""

    def __init__(self, root):
        self.on, self.counts, self._prefix = False, {}, f"{root}/"

    def see(self, frame, event, argument):
        code = frame.f_code
        if self.on and event == "call" and code.co_filename.startswith(self._prefix):
            key = code.co_filename.removeprefix(self._prefix), code.co_qualname, code.co_firstlineno
            self.counts[key] = self.counts.get(key, 0) + 1

    def found(self):
        return [
            {"who": "server", "file": file, "name": name, "at": line}
            for file, name, line in self.counts
            if not file.startswith((".venv/", "tests/"))
        ]


class Worker:
    """The first worker of a page, reached through the page's DevTools session."""

    def __init__(self, page, cdp):
        self._page, self._cdp, self._answers, self._id, self._session = page, cdp, {}, 0, None
        cdp.on("Target.attachedToTarget", self._attached)
        cdp.on("Target.receivedMessageFromTarget", self._received)
        cdp.send("Target.setAutoAttach", {"autoAttach": True, "waitForDebuggerOnStart": False, "flatten": False})

    def _attached(self, event):
        if event["targetInfo"]["type"] == "worker" and "worker.js" in event["targetInfo"]["url"]:
            self._session = self._session or event["sessionId"]

    def _received(self, event):
        message = json.loads(event["message"])
        if "id" in message:
            self._answers[message["id"]] = message.get("result", {})

    def send(self, method, parameters=None):
        if self._session is None:
            return {}
        self._id += 1
        message = json.dumps({"id": self._id, "method": method, "params": parameters or {}})
        self._cdp.send("Target.sendMessageToTarget", {"sessionId": self._session, "message": message})
        end = time.monotonic() + 10
        while self._id not in self._answers and time.monotonic() < end:
            self._page.wait_for_timeout(10)
        return self._answers.get(self._id, {})


def begin_coverage(send):
    send("Debugger.enable")
    send("Profiler.enable")
    send("Profiler.startPreciseCoverage", {"callCount": True, "detailed": False})


def modules(text, url):
    """Return (offset, module) for each module of a served file, in order."""
    own = re.sub(r"^.*?/web/[0-9a-f]+/", "", url)
    found = [(one.start(), one[1]) for one in KEY.finditer(text)]
    if not found:
        return [(0, own)]
    end = [*re.finditer(r"^\}\);$", text, re.M)][-1]  # end of the last module
    return [(0, "runtime"), *found, (end.start(), "app.js" if own == "page.js" else own)]


def javascript(send, who):
    """Return the functions that were called since the last coverage."""
    for script in send("Profiler.takePreciseCoverage").get("result", []):
        if "/web/" not in script["url"]:
            continue
        text = send("Debugger.getScriptSource", {"scriptId": script["scriptId"]})["scriptSource"]
        starts = modules(text, script["url"])
        for one in script["functions"]:
            extent = one["ranges"][0]
            if extent["count"]:
                at = extent["startOffset"]
                file = [name for start, name in starts if start <= at][-1]
                yield {"who": who, "file": f"ui/web/{file}", "name": one["functionName"], "at": at}


def press(browser, url, calls, quiet, has_worker):
    """Press Run on a new page. Return the functions that ran, and the addresses that the page requested."""
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    cdp = page.context.new_cdp_session(page)
    paused, asked = [], []
    page.on("request", lambda request: asked.append(request.url) if calls.on else None)
    cdp.on("Debugger.paused", lambda event: paused.append(event))
    worker = Worker(page, cdp) if has_worker else None
    page.goto(url)
    page.wait_for_selector(".part-watch[data-ready=true]")
    page.wait_for_timeout(1000 * quiet)
    if worker:
        page.hover(".part-watch .run")
        page.wait_for_timeout(HOVER)
    page.evaluate(ARM)
    sides = {"page": cdp.send} | ({"worker": worker.send} if worker else {})
    for send in sides.values():
        begin_coverage(send)
    page.evaluate("window.armed = true")
    for send in sides.values():
        send("Profiler.takePreciseCoverage")
    calls.counts.clear()
    calls.on, began = True, time.monotonic()
    click = "setTimeout(() => document.querySelector('.part-watch .run').click(), 0)"
    cdp.send("Runtime.evaluate", {"expression": click})
    while not paused:
        assert time.monotonic() < began + 30, "no picture was painted"
        page.wait_for_timeout(2)
    calls.on = False
    found = [one for who, send in [*sides.items()][::-1] for one in javascript(send, who)]
    cdp.send("Debugger.resume")
    page.close()
    return found + calls.found(), asked


def is_named(function):
    last = function["name"].split(".")[-1]
    return bool(last) and last != "js" and not last.startswith("<")


def count(functions):
    """Return [named functions, files in which anything ran] for each side, and their sums."""
    rows = {}
    for who in ("page", "worker", "server"):
        own = [one for one in functions if one["who"] == who]
        files = {one["file"] for one in own if one["file"] != RUNTIME}
        rows[who] = [len({(one["file"], one["name"], one["at"]) for one in own if is_named(one)}), len(files)]
    rows["sum"] = [sum(column) for column in zip(*rows.values(), strict=True)]
    return rows


def serve(edition, calls):
    """Return the address of an edition of the page, and a function that stops its server."""
    if edition == "server":
        threading.setprofile(calls.see)
        import ui

        app = ui.build("mnist-tiny")
        listening = socket.create_server(("127.0.0.1", 0))
        threading.Thread(target=ui.launch, args=(app, listening), daemon=True).start()
        while not (app.warmup.ready.is_set() and app.api.done()):
            time.sleep(0.1)
        return app.local_url, lambda: ui.close(app)
    from ui.static.folder import write

    folder = Path(tempfile.mkdtemp()) / "lab"
    write(folder, ["mnist-tiny"])

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

    Quiet.extensions_map |= {".js": "text/javascript", ".wasm": "application/wasm"}
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=folder))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return f"http://127.0.0.1:{server.server_port}/", server.shutdown


def main():
    flags = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    flags.add_argument("--root", default=".", help="the checkout that is traced")
    flags.add_argument("--edition", default="server", choices=["server", "browser"])
    flags.add_argument("--presses", type=int, default=1)
    flags.add_argument("--quiet", type=float, default=9.0, help="seconds before the press")
    flags.add_argument("--list", action="store_true", help="also print each function of the first press")
    given = flags.parse_args()
    root = Path(given.root).resolve()
    os.chdir(root)
    sys.path.insert(0, str(root))
    from playwright.sync_api import sync_playwright

    calls = PythonCalls(root)
    url, end = serve(given.edition, calls)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
        for number in range(given.presses):
            found, asked = press(browser, url, calls, given.quiet, given.edition == "browser")
            print(json.dumps(count(found)), [re.sub(r"^.*?//[^/]*", "", address) for address in asked], flush=True)
            if given.list and not number:
                for one in sorted(filter(is_named, found), key=lambda one: (one["file"], one["at"])):
                    print(one["file"], one["name"])
        browser.close()
    end()


if __name__ == "__main__":
    main()
