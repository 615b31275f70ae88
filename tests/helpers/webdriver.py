"""Start Chromium, Firefox or WebKit with an empty profile, and use it like a visitor.

All three take the commands of WebDriver (https://www.w3.org/TR/webdriver2). Chromium and WebKit take them by HTTP,
through a driver. Firefox takes them itself, over a socket (Marionette).

A test whose browser is missing skips, except under CI, where it fails: see `browser.py`.
"""

import json
import os
import shutil
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from contextlib import ExitStack, contextmanager, suppress

from browser import ARGS, _missing, chromium_path

BROWSERS = ("chromium", "firefox", "webkit")
PAGE = 1280, 900  # width and height of the page, in pixels
PATIENCE = 60  # seconds to wait before a test fails
PATHS = {  # paths of a driver's commands, below its session
    "SetWindowRect": "/window/rect",
    "Navigate": "/url",
    "Refresh": "/refresh",
    "ExecuteAsyncScript": "/execute/async",
    "PerformActions": "/actions",
    "ElementSendKeys": "/element/{id}/value",
    "DevTools": "/goog/cdp/execute",  # only Chromium has this one
}
FIREFOX = {  # Firefox's preferences
    "marionette.port": 0,  # any free port
    "browser.startup.page": 0,  # a blank page
    "browser.download.useDownloadDir": True,
    "browser.download.folderList": 2,  # the folder browser.download.dir
    "browser.download.alwaysOpenPanel": False,
    "browser.download.viewableInternally.enabledTypes": "",  # otherwise a saved WebP would open in a new tab
}
ESCAPE, END = "\ue00c", "\ue010"  # WebDriver's codes of these keys
ASYNC = """const done = arguments[arguments.length - 1];
(async (...given) => { %s })(...[...arguments].slice(0, -1)).then(
  (value) => done({ value }), (error) => done({ error: String(error) }));"""
PLACE = """const [selector, text] = given;
const seen = (one) => one.checkVisibility() && one.getBoundingClientRect().width > 0;
const one = [...document.querySelectorAll(selector)].find((one) => seen(one) && one.textContent.includes(text));
if (!one) return null;
one.scrollIntoView({ block: "center", behavior: "instant" });
const before = one.getBoundingClientRect();
await new Promise((later) => requestAnimationFrame(() => setTimeout(later, 50))); // the page may scroll in this frame
const { x, y, width, height } = one.getBoundingClientRect();
const hit = document.elementFromPoint(x + width / 2, y + height / 2);
return x === before.x && y === before.y && one.contains(hit) ? { x, y, width, height } : null;"""


class Browser:
    """A window of a browser. ask(command, values) sends a command of WebDriver, and returns its answer."""

    def __init__(self, ask, downloads):
        self._ask = ask
        self._downloads = downloads
        self._height = PAGE[1]

    def open(self, address):
        """Open an address, and wait until the page is ready."""
        self._ask("Navigate", {"url": address})
        self._opened()

    def reload(self):
        self._ask("Refresh", {})
        self._opened()

    def _opened(self):
        self.wait("document.documentElement.dataset.ready === 'true'")
        self._fit()
        self.run("""window.wrong = [];
            addEventListener("error", ({ message }) => window.wrong.push(message));
            addEventListener("unhandledrejection", ({ reason }) => window.wrong.push(String(reason)));""")

    def _fit(self):
        """Set the window's height so that the page keeps its size: WebKit adds a bar for each saved file."""
        self._height += PAGE[1] - self.run("return innerHeight;")
        self._ask("SetWindowRect", {"width": PAGE[0], "height": self._height})

    def run(self, body, *given):
        """Run the body of an asynchronous function in the page, and return its result. `given` are its arguments."""
        asked = {"script": ASYNC % body, "args": given}
        while (answer := self._ask("ExecuteAsyncScript", asked)) is None:
            time.sleep(0.05)  # Firefox returns None while the document changes
        if "error" in answer:
            raise RuntimeError(answer["error"])
        return answer.get("value")

    def wait(self, expression, *given):
        """Wait until an expression of JavaScript is true, and return its value."""
        end = time.monotonic() + PATIENCE
        while not (value := self.run(f"return {expression};", *given)):
            assert time.monotonic() < end, f"{expression} {given}: {self.run('return document.body.innerText')[:2000]}"
            time.sleep(0.05)
        return value

    def box(self, selector, text=""):
        """Return the box of the first visible element with this text, once nothing moves or covers it."""
        end = time.monotonic() + PATIENCE
        while not (box := self.run(PLACE, selector, text)):
            assert time.monotonic() < end, f"nothing visible is {selector} {text!r}"
            time.sleep(0.05)
        return box

    def click(self, selector, text=""):
        self.drag(selector, [(0.5, 0.5)], text)

    def drag(self, selector, points, text="", pointer="mouse"):
        """Press at the first point, move to the others, and release. points: shares of the element's sides."""
        box = self.box(selector, text)
        moves = [
            {
                "type": "pointerMove",
                "duration": 20,
                "origin": "viewport",
                "x": round(box["x"] + across * box["width"]),
                "y": round(box["y"] + down * box["height"]),
            }
            for across, down in points
        ]
        first, *others = moves
        actions = [first, {"type": "pointerDown", "button": 0}, *others, {"type": "pointerUp", "button": 0}]
        self._act({"type": "pointer", "id": pointer, "parameters": {"pointerType": pointer}, "actions": actions})

    def press(self, key):
        actions = [{"type": way, "value": key} for way in ("keyDown", "keyUp")]
        self._act({"type": "key", "id": "keys", "actions": actions})

    def _act(self, source):
        self._ask("PerformActions", {"actions": [source]})

    def choose(self, selector, file):
        """Choose a file in a field for files."""
        (element,) = self.run("return document.querySelector(given[0]);", selector).values()
        self._ask("ElementSendKeys", {"id": element, "text": str(file)})

    def saved(self, press):
        """Call press(), and return the bytes of the file that the browser saves."""
        for old in self._downloads.glob("[!.]*"):
            old.unlink()
        self._fit()
        press()
        end, size = time.monotonic() + PATIENCE, 0
        while time.monotonic() < end:
            time.sleep(0.1)
            found = [*self._downloads.glob("[!.]*")]  # while a file is written, there may be two
            with suppress(FileNotFoundError):  # Firefox writes under another name, then renames the file
                if len(found) == 1 and size == (size := found[0].stat().st_size) > 0:
                    return found[0].read_bytes()
        raise AssertionError(f"nothing was saved: {found}")


@contextmanager
def started(name, folder):
    """Start one of BROWSERS with its profile and downloads in `folder`. It ends with the block."""
    (folder / "Downloads").mkdir(parents=True)
    with ExitStack() as ends:
        start = {"chromium": _chromium, "firefox": _firefox, "webkit": _webkit}[name]
        yield Browser(start(folder, ends), folder / "Downloads")


def _chromium(folder, ends):
    driver, chromium = _found("chromedriver"), chromium_path() or _missing("no Chromium is installed")
    options = {"binary": chromium, "args": [*ARGS, "--headless"]}
    ask = _driven(driver, folder, ends, {"goog:chromeOptions": options})
    allowed = {"behavior": "allow", "downloadPath": str(folder / "Downloads")}
    ask("DevTools", {"cmd": "Browser.setDownloadBehavior", "params": allowed})
    return ask


def _webkit(folder, ends):
    """Start WebKitGTK's own small browser on a virtual screen. Its downloads go to the home folder."""
    driver, screen = _found("WebKitWebDriver"), _found("Xvfb")
    command = [screen, "-displayfd", "1", "-screen", "0", "1280x4000x24", "-nolisten", "tcp"]
    shown = _process(ends, command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    profile = {f"XDG_{kind}_HOME": f"{folder}/profile" for kind in ("CONFIG", "CACHE", "DATA")}
    display = {"DISPLAY": f":{int(shown.stdout.readline())}", "NO_AT_BRIDGE": "1"}
    environment = os.environ | profile | display | {"HOME": f"{folder}/Downloads"}
    return _driven(driver, folder, ends, {}, env=environment)


def _driven(driver, folder, ends, options, **process):
    """Start a driver and a session of it. Return a function that sends commands to the session."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with (folder / "log").open("w") as log:
        _process(ends, [driver, f"--port={port}"], stdout=log, stderr=log, **process)
    _until(lambda: socket.create_connection(("127.0.0.1", port)).close() or True, folder)

    def ask(path, body, method="POST"):
        request = urllib.request.Request(
            f"http://127.0.0.1:{port}/session{path}", json.dumps(body).encode(), method=method
        )
        request.add_header("Content-Type", "application/json")
        try:
            with urllib.request.urlopen(request, timeout=2 * PATIENCE) as answer:
                return json.load(answer)["value"]
        except urllib.error.HTTPError as error:
            raise RuntimeError(json.load(error)["value"]["message"]) from None

    session = "/" + ask("", {"capabilities": {"alwaysMatch": options}})["sessionId"]
    ends.callback(ask, session, {}, "DELETE")
    return lambda command, values: ask(session + PATHS[command].format(**values), values)


def _firefox(folder, ends):
    firefox = shutil.which("firefox-esr") or _found("firefox")
    profile, port = folder / "profile", folder / "profile/MarionetteActivePort"
    profile.mkdir()
    preferences = FIREFOX | {"browser.download.dir": str(folder / "Downloads")}
    lines = [f"user_pref({json.dumps(name)}, {json.dumps(value)});\n" for name, value in preferences.items()]
    (profile / "user.js").write_text("".join(lines))
    with (folder / "log").open("w") as log:
        command = [firefox, "--marionette", "--headless", "--profile", str(profile)]
        process = _process(ends, command, stdout=log, stderr=log)
    _until(port.read_text, folder)
    connection = ends.enter_context(socket.create_connection(("127.0.0.1", int(port.read_text())), 2 * PATIENCE))
    answers = ends.enter_context(connection.makefile("rb"))

    def message():
        """Read one message: its length in bytes, a colon and JSON. Raises ValueError if Firefox has ended."""
        length = b"".join(iter(lambda: answers.read(1).strip(b":"), b""))
        return json.loads(answers.read(int(length)))

    def ask(command, values):
        asked = json.dumps([0, 0, command if ":" in command else f"WebDriver:{command}", values]).encode()
        connection.sendall(b"%d:%s" % (len(asked), asked))
        _, _, error, answer = message()
        if error:
            raise RuntimeError(error["message"])
        return answer.get("value", answer)

    message()  # Firefox's name and version
    ask("NewSession", {})
    ends.callback(process.wait, PATIENCE)
    ends.callback(ask, "Marionette:Quit", {"flags": ["eForceQuit"]})
    return ask


def _found(command):
    return shutil.which(command) or _missing(f"{command} is not installed")


def _process(ends, command, **options):
    process = ends.enter_context(
        subprocess.Popen(command, start_new_session=True, **options)
    )  # the stack waits until the process ends

    def end():
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)  # a driver does not end its Chromium

    ends.callback(end)
    return process


def _until(ready, folder):
    end = time.monotonic() + PATIENCE
    while True:
        try:
            if ready():
                return
        except OSError:
            pass
        assert time.monotonic() < end, (folder / "log").read_text()[-2000:]
        time.sleep(0.05)
