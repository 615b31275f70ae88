"""What strangers, and the websites that they look at, can do to a page: with a real server on the loopback.

X-Forwarded-For says where a client is, as a proxy on this machine says it.
"""

import contextlib
import http.client
import json
import os
import re
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from pathlib import Path
from urllib.parse import quote, urlencode

import pytest
import toylab
from browser import CALM, served
from gradio_client import Client
from parts import ON_PAGE
from pieces import unpacked
from soak.calls import page_data
from toylab import wait_for

import ui
from ui.export import invitation
from ui.runs import listeners
from ui.runs.asked import UNCLEAR
from ui.serving import connections, gate, gradio_faults, server

API = "/gradio_api"
MODELS = {"part": "engine", "what": "models", "values": {}}  # a question of the page
ADDRESSES = (f"198.51.100.{n}" for n in count(1))  # of nobody (RFC 5737): each test takes new ones
QUICK = {"checkpoint": "mnist-tiny", "steps": 2, "count": 1}


@pytest.fixture(scope="module")
def own(torch_page):
    """A page for its own user."""
    with served("mnist-tiny") as app:
        assert app.warmup.ready.wait(240)
        yield app.server.port, app


@pytest.fixture(scope="module", autouse=True)
def short_memory():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(gradio_faults, "GRACE", 0.1)
        yield


@pytest.fixture(scope="module")
def public(torch_page):
    with served("mnist-tiny", public=True) as app:
        assert app.warmup.ready.wait(240)
        yield app.server.port, app


@contextlib.contextmanager
def asked(port, method, path, content=None, address=None, **headers):
    """The answer to a request, open as long as the block."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    headers = {name.replace("_", "-"): value for name, value in headers.items()}
    headers |= {"X-Forwarded-For": address} if address else {}
    if content is not None and not isinstance(content, bytes):
        content, headers = json.dumps(content).encode(), headers | {"Content-Type": "application/json"}
    try:
        connection.request(method, path, content, headers)
        yield connection.getresponse()
    finally:
        connection.close()


def got(port, method, path, *more, **headers):
    """(status, text, headers)"""
    with asked(port, method, path, *more, **headers) as answer:
        return answer.status, answer.read().decode("utf-8", "replace"), dict(answer.headers.items())


def detail(answer):
    return json.loads(answer[1])["detail"]


def messages(port, part, values=QUICK, page="a page", **more):
    """Of a run of a page, to its end."""
    return answered(port, {"part": part, "values": toylab.asked(**values), "page": page}, **more)[1]


def answered(port, content, **more):
    """(status, messages) of a run that is asked for; of one that is refused the answer."""
    with asked(port, "POST", "/run", content, **more) as answer:
        found = answer.read()
        return answer.status, unpacked(found) if answer.status == 200 else found


def told(port, question, **more):
    """The answer to a question."""
    with asked(port, "POST", "/ask", question, **more) as answer:
        assert answer.status == 200, question
        return unpacked(answer.read())[0]


def ordered(port, values=QUICK, **more):
    """A run that a script asks for, without listening."""
    return got(port, "POST", f"{API}/call/v2/sample", values, **more)


def heard(port, answer, **more):
    """What a script hears of its run, to its end."""
    return got(port, "GET", f"{API}/call/sample/{json.loads(answer[1])['event_id']}", **more)[1]


# --- Runs to which nobody listens


def test_runs_to_which_nobody_listens_are_few_of_an_address_and_keep_nobody_out(public, monkeypatch):
    port, app = public
    monkeypatch.setattr(listeners, "PATIENCE", 300.0)
    loud, other = next(ADDRESSES), next(ADDRESSES)
    runs = app.api.result().get_blocks()._queue.event_ids_to_events
    for _ in range(listeners.UNHEARD_OF_ONE):
        ordered(port, address=loud)
    wait_for(lambda: app.api.result().unheard.of[loud] == listeners.UNHEARD_OF_ONE)
    said = heard(port, ordered(port, address=loud), address=loud)
    assert "Too many runs have nobody listening (at most 128, 64 of one address): wait a moment" in said
    for _ in range(10):
        ordered(port, address=loud)
    wait_for(lambda: len(runs) == listeners.UNHEARD_OF_ONE)
    assert "event: complete" in heard(port, ordered(port, address=other), address=other)
    assert messages(port, "watch", address=other)[-1]["state"] == "finished"
    assert len(runs) == listeners.UNHEARD_OF_ONE
    monkeypatch.setattr(listeners, "PATIENCE", 0.5)
    wait_for(lambda: not runs and not app.api.result().unheard.of)


def test_the_page_shows_why_a_run_was_not_taken(page, public, monkeypatch):
    port, app = public
    page.goto(f"http://127.0.0.1:{port}/?tab=watch&steps=2&count=1")
    page.wait_for_selector(".part-watch[data-state=finished] .run:enabled")  # the link's own run, and then its cost

    def refused(route):  # only this request: after a run the page asks for its cost again, and Run waits for the answer
        monkeypatch.setattr(app.requests, "most", 0)
        route.continue_()

    page.route("**/run", refused)
    page.click(".part-watch .run")
    page.wait_for_selector(".part-watch[data-state=error] :text('There are too many requests at once')")


# --- Other websites


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:7860", "127.0.0.1.evil.example", "localhost.evil.example"]
)
def test_a_name_that_others_made_lead_here_is_not_served(own, host):
    port, _ = own
    for path in ("/", f"{API}/info"):
        answer = got(port, "GET", path, Host=host)
        assert answer[0] == 403 and "start the app with --root-path https://" in detail(answer), path
    assert got(port, "GET", "/health", Host=host)[0] == 200  # counts only


def test_ones_own_names_are_served(own):
    port, app = own
    hosts = [f"localhost:{port}", "127.0.0.1", f"[::1]:{port}", "192.168.1.7:80", socket.gethostname(), "lab:7860"]
    app.origins.serve("https://lab.example/lab")  # as --root-path does
    for host in [*hosts, "lab.example"]:
        assert got(port, "GET", "/", Host=host)[0] == 200, host


@pytest.mark.parametrize(
    ("host", "origin", "forwarded"),
    [
        ("127.0.0.1:{port}", "http://127.0.0.1:{port}", None),
        ("lab.example", "https://lab.example", None),
        ("0123abcd.gradio.live", "https://0123abcd.gradio.live", None),
        ("10.0.0.1:7860", "https://owner-space.hf.space", "owner-space.hf.space"),
        ("10.0.0.1:7860", "https://lab.example:8443", "lab.example:8443"),
    ],
)
def test_a_page_of_the_app_asks_wherever_it_is_served(public, host, origin, forwarded):
    port, _ = public
    headers = {"Host": host.format(port=port), "Origin": origin.format(port=port)}
    headers |= {"X_Forwarded_Host": forwarded} if forwarded else {}
    assert got(port, "POST", "/ask", MODELS, **headers)[0] == 200


@pytest.mark.parametrize("origin", ["https://evil.example", "http://localhost:9", "http://127.0.0.1:9", "null", "x"])
@pytest.mark.parametrize("page", ["own", "public"])
def test_another_site_may_not_ask(page, origin, request):
    port, _ = request.getfixturevalue(page)
    for method, path, content in [("POST", "/ask", MODELS), ("GET", "/", None), ("GET", f"{API}/info", None)]:
        status, text, headers = got(port, method, path, content, Origin=origin)
        assert status == 403 and "comes from another site" in text, path
        assert not [name for name in headers if name.lower().startswith("access-control")]


def test_another_site_gets_no_permission(own):
    port, _ = own
    headers = {"Origin": "https://evil.example", "Access_Control_Request_Method": "POST", "Host": "192.168.1.7"}
    for path in ("/ask", f"{API}/call/sample"):
        assert not [name for name in got(port, "OPTIONS", path, **headers)[2] if "control-allow" in name.lower()]


def test_in_a_browser_a_page_of_another_site_reads_nothing_and_starts_nothing(page, own):
    """Both origins are of this machine, under two names, as a browser tells sites apart."""
    port, app = own

    class Site(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(b"<title>another site</title>")

        def log_message(self, *_):
            pass

    site = ThreadingHTTPServer(("127.0.0.1", 0), Site)
    threading.Thread(target=site.serve_forever, daemon=True).start()
    before = app.services.events.read()
    ask = """async ([address, kind, body]) => {
        const headers = { "content-type": kind };
        const how = body === null ? {} : { method: "POST", headers, body };
        return fetch(address, { credentials: "include", ...how }).then((answer) => answer.text(), () => null);
    }"""
    body = json.dumps({"part": "watch", "values": toylab.asked(**QUICK)})
    try:
        for ours, theirs in (("127.0.0.1", "localhost"), ("localhost", "127.0.0.1"), ("127.0.0.1", "127.0.0.1")):
            page.goto(f"http://{theirs}:{site.server_port}/")
            here = f"http://{ours}:{port}"
            assert page.evaluate(ask, [f"{here}/", "", None]) is None
            assert page.evaluate(ask, [f"{here}{API}/info", "", None]) is None
            for kind in ("application/json", "text/plain"):  # the second one is sent without asking
                assert page.evaluate(ask, [f"{here}/run", kind, body]) is None
        assert app.services.events.read() | {"seconds": 0} == before | {"seconds": 0}
        picture = (
            "(src) => new Promise((done) => Object.assign(new Image(), { onload: done, onerror: () => done(0), src }))"
        )
        assert page.evaluate(picture, f"http://localhost:{port}/preview.png") == 0
        page.goto(f"http://localhost:{port}/")
        assert page.evaluate(picture, f"http://localhost:{port}/preview.png") != 0
        assert '"state"' in page.evaluate(ask, [f"http://localhost:{port}/run", "application/json", body])
    finally:
        site.shutdown()


@pytest.mark.parametrize(
    "path", [r"\\evil\x", "//evil/x", r" \\evil\x ", r"/\evil\x", r"\/evil/x", r"\\?\UNC\evil\x", r"\??\UNC\evil\x"]
)
def test_no_folder_of_another_machine_is_looked_at(own, path, monkeypatch):
    """Windows tells that machine who its user is, already when it looks. A link of any website can name one."""
    port, app = own
    looked = []

    def spied(look):
        return lambda at, *more, **named: looked.append(str(at)) or look(at, *more, **named)

    for name in ("stat", "lstat", "listdir", "scandir", "open"):
        monkeypatch.setattr(os, name, spied(getattr(os, name)))
    for part, what, values in (
        ("engine", "facts", {"ref": path}),
        ("engine", "pace", {"refs": [path]}),
        ("train", "follow", {"path": path}),
    ):
        answer = app.ask(part, what, values)
        assert "is on another machine: choose a folder of this machine" in answer["error"], what
    got(port, "GET", f"/preview.png?{urlencode({'tab': 'watch', 'checkpoint': path})}")
    got(port, "GET", f"{API}/file={quote(path)}")
    file = {"path": path, "meta": {"_type": "gradio.FileData"}}
    got(port, "POST", "/ask", MODELS | {"values": {"file": file}})
    got(port, "POST", f"{API}/call/sample", {"data": [file]})
    assert messages(port, "watch", QUICK | {"checkpoint": path})[-1]["state"] == "error"
    assert [at for at in looked if "evil" in at] == []
    with pytest.raises(ValueError, match="on another machine"):
        ui.build(path)


def test_scripts_have_no_origin(public):
    port, _ = public
    found = Client(f"http://127.0.0.1:{port}/", verbose=False).predict(
        "mnist-tiny", steps=1, count=1, api_name="/sample"
    )
    assert Path(found[0]["path"] if isinstance(found[0], dict) else found[0]).suffix == ".png"


# --- Memory


def test_a_session_has_a_short_name(public):
    port, app = public
    answer = got(port, "POST", f"{API}/call/sample", {"session_hash": "x" * 60_000})
    assert answer[0] == 400 and detail(answer) == "session_hash is too long: up to 100 characters are taken"
    for path, name in (("/ask", "page"), ("/run", "page"), ("/run", "load")):
        answer = got(port, "POST", path, MODELS | {name: "x" * 900_000})
        assert answer[0] == 422 and f"at most 100 characters ({name})" in detail(answer)
    assert got(port, "GET", f"{API}/queue/data?session_hash={'x' * 3000}")[0] == 414
    assert all(len(name) <= 100 for name in app.api.result().get_blocks()._queue.pending_messages_per_session)


def test_what_is_over_is_forgotten(public, monkeypatch):
    """Runs that were heard to their end, that nobody heard, and those of scripts."""
    port, app = public
    monkeypatch.setattr(listeners, "PATIENCE", 2.0)
    queue = app.api.result().get_blocks()._queue
    kept = (
        queue.pending_event_ids_session,
        queue.event_ids_to_events,
        queue.pending_messages_per_session,
        app.api.result().iterators,
    )
    before = [set(one) for one in kept]
    for _ in range(5):
        heard(port, ordered(port))
        ordered(port, address=next(ADDRESSES))
    Client(f"http://127.0.0.1:{port}/", verbose=False).predict("mnist-tiny", steps=1, count=1, api_name="/sample")
    wait_for(lambda: not any(set(one) - old for one, old in zip(kept, before, strict=True)))


@pytest.mark.parametrize("odd", [{"prompts": "x" * 100_000}, {"labels": "x" * 100_000}, {"eta": "x" * 100_000}])
def test_no_text_of_a_run_is_a_megabyte(odd, public):
    port, _ = public
    (*_, last) = messages(port, "watch", QUICK | odd)
    assert last["state"] == "error" and last["text"] == UNCLEAR


# --- Slow and many connections


def test_half_a_head_is_not_waited_for_and_an_open_stream_stays(public, monkeypatch):
    port, _ = public
    monkeypatch.setattr(connections, "HEAD", 0.5)
    with asked(port, "GET", f"{API}/heartbeat/x", address=next(ADDRESSES)) as stream:
        slow = []
        for text in (b"", b"GET / HTTP/1.1\r\nHost: x\r\n", b"GET / HT"):
            slow.append(socket.create_connection(("127.0.0.1", port), timeout=20))
            if text.endswith(b"HT"):  # after a whole request
                slow[-1].sendall(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
                assert slow[-1].recv(10_000).startswith(b"HTTP/1.1 200 ")
            slow[-1].sendall(text)
        for one in slow:
            with contextlib.suppress(ConnectionResetError):
                while one.recv(1000):
                    pass
            one.close()
        assert stream.readline() == b"data: ALIVE\n"


def test_half_heads_make_room_when_there_are_too_many(public):
    port, app = public
    here = app.server.connections
    before, here.most = here.most, here.of.total() + 20
    try:
        half = [socket.create_connection(("127.0.0.1", port), timeout=20) for _ in range(60)]
        for one in half:
            one.sendall(b"GET / HTTP/1.1\r\n")
        assert got(port, "GET", "/health")[0] == 200
        wait_for(lambda: here.of.total() <= here.most)
    finally:
        here.most = before
        for one in half:
            one.close()


def test_a_body_has_to_come(public, monkeypatch):
    port, _ = public
    monkeypatch.setattr(gate, "PIECE", 0.3)
    with socket.create_connection(("127.0.0.1", port), timeout=20) as slow:
        slow.sendall(b"POST /ask HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n{")
        assert slow.recv(100).startswith(b"HTTP/1.1 408 ")


def test_a_request_that_is_a_little_too_large_hears_so(public):
    """Whoever still sends when the connection is closed hears nothing."""
    port, _ = public
    assert detail(got(port, "POST", "/ask", b"x" * 1_900_000)) == "This request is too large: up to 1 MB are taken"


def test_what_is_wrong_with_a_request_is_a_sentence_that_does_not_repeat_it(public):
    """Repeating a megabyte took seconds, in which nobody was answered."""
    port, _ = public
    for path, wrong in (("/ask", MODELS | {"part": [{}] * 9}), ("/run", [{}] * 9), (f"{API}/queue/join", [{}] * 9)):
        answer = got(port, "POST", path, wrong)
        said = r"This request could not be understood: Input should be a valid [\w ]+ \(\w*\)"
        assert answer[0] == 422 and re.fullmatch(said, detail(answer)), path


def test_an_address_has_so_many_requests_at_once(public, monkeypatch):
    port, app = public
    monkeypatch.setattr(app.requests, "of_one", 5)
    greedy = next(ADDRESSES)
    with contextlib.ExitStack() as open_ones:
        for n in range(5):
            open_ones.enter_context(asked(port, "GET", f"{API}/heartbeat/x{n}", address=greedy))
        answer = got(port, "GET", f"{API}/info", address=greedy)
        assert answer[0] == 503 and "too many requests at once (at most 1024, 5 of one address)" in detail(answer)
        assert got(port, "GET", f"{API}/info", address=next(ADDRESSES))[0] == 200
    wait_for(lambda: got(port, "GET", f"{API}/info", address=greedy)[0] == 200)


def test_the_questions_of_one_address_leave_threads_for_the_others(public, monkeypatch):
    """They wait for each other, and all are answered: a class is behind one address."""
    port, app = public
    begun, over = [], threading.Event()
    slow = {"part": "course", "what": "cards", "values": {}}
    cards = app.parts["course"].questions["cards"]

    def waits(values):
        begun.append(values)
        over.wait(60)
        return cards(values)

    monkeypatch.setitem(app.parts["course"].questions, "cards", waits)
    greedy = next(ADDRESSES)
    with ThreadPoolExecutor(100) as pool:
        answers = [pool.submit(told, port, slow, address=greedy) for _ in range(100)]
        try:
            wait_for(lambda: len(begun) >= server.QUESTIONS_OF_ONE)
            assert told(port, MODELS, address=next(ADDRESSES))["models"]
            assert len(begun) == server.QUESTIONS_OF_ONE
        finally:
            over.set()
        assert all(one.result() for one in answers)
    assert greedy not in app.shares


def test_the_address_of_this_machine_is_told_to_its_user_alone(public, monkeypatch):
    """Who shows a page for the room on a projector; strangers learn nothing of the network behind a proxy."""
    port, app = public
    monkeypatch.setattr(app.server, "host", "0.0.0.0")
    monkeypatch.setattr(invitation, "own_address", lambda: "192.0.2.7")
    asks = {"part": "engine", "what": "room", "values": {"page": f"http://localhost:{port}/"}}
    here, there = (told(port, asks, address=one) for one in (None, next(ADDRESSES)))
    assert here["address"] == f"http://192.0.2.7:{port}/"
    assert there == {"why": "nowhere"}


# --- A login


@pytest.fixture(scope="module")
def locked(torch_page):
    with served("mnist-tiny", public=True, launch={"auth": ("me", "secret")}) as app:
        assert app.warmup.ready.wait(240)
        yield app.server.port


def entered(port, password, address=None):
    """The answer to a try to log in, and its cookies."""
    body = urlencode({"username": "me", "password": password}).encode()
    kind = "application/x-www-form-urlencoded"
    with asked(port, "POST", "/login", body, address or next(ADDRESSES), Content_Type=kind) as answer:
        cookies = answer.headers.get_all("set-cookie") or []
        return (answer.status, answer.read().decode()), cookies


def test_before_the_login_there_is_nothing_but_its_page(locked):
    status, text, headers = got(locked, "GET", "/")
    assert status == 200 and "asks for a name and a password" in text and 'id="given"' not in text
    assert headers["cache-control"] == "no-store"
    for path, content in (
        ("/ask", MODELS),
        ("/run", {"part": "watch", "values": {}}),
        (f"{API}/call/sample", {"data": []}),
        (f"{API}/cancel", {}),
    ):
        assert got(locked, "POST", path, content)[0] == 401, path
    for path in (f"{API}/heartbeat/x", f"{API}/info", f"{API}/file=/x", "/config"):
        assert got(locked, "GET", path)[0] == 401, path
    assert got(locked, "GET", "/health")[0] == 200
    assert got(locked, "GET", "/logout")[0] == 404  # nobody logs others out


def test_after_the_login_there_is_the_page_and_other_sites_requests_do_not_bear_the_cookie(locked):
    assert entered(locked, "wrong")[0][0] == 400
    (status, _), cookies = entered(locked, "secret")
    assert status == 200 and len(cookies) == 2
    for cookie in cookies:
        assert re.findall("samesite=[^;]*", cookie.lower()) == ["samesite=lax"], cookie
    known = "; ".join(cookie.split(";")[0] for cookie in cookies)
    assert page_data(got(locked, "GET", "/", Cookie=known)[1])["first"] == "mnist-tiny"
    assert 'id="given"' not in got(locked, "GET", "/", Cookie=re.sub("=.*", "=guess", known))[1]


def test_a_browser_logs_in_and_runs(page, locked):
    page.goto(f"http://127.0.0.1:{locked}/")
    for password in ("wrong", "secret"):
        page.fill("[name=username]", "me")
        page.fill("[name=password]", password)
        page.click("button")
        if password == "wrong":
            page.wait_for_selector(".wrong:text('Name or password is wrong.')")
    page.wait_for_selector(".part-watch[data-ready=true][data-described]")
    page.click(".part-watch .run")
    page.wait_for_selector(".part-watch[data-state=finished]")


def test_passwords_are_not_guessed(locked):
    guesser = next(ADDRESSES)
    statuses = [entered(locked, f"guess {n}", guesser)[0][0] for n in range(gate.WRONG + 3)]
    assert statuses == [400] * gate.WRONG + [429] * 3
    answer, _ = entered(locked, "secret", guesser)
    assert answer[0] == 429 and re.search(r"wrong passwords from your address: try again in \d+ s", detail(answer))
    assert entered(locked, "secret")[0][0] == 200


def test_logins_at_once_try_no_more_passwords(locked):
    """Their last bytes come together, so none of them is known to be wrong when the others are looked at."""
    guesser = next(ADDRESSES)
    with contextlib.ExitStack() as open_ones:
        tries = []
        for n in range(4 * gate.WRONG):
            body = urlencode({"username": "me", "password": f"guess {n:02}"}).encode()
            head = f"POST /login HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Forwarded-For: {guesser}\r\n"
            head += f"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {len(body)}\r\n\r\n"
            one = open_ones.enter_context(socket.create_connection(("127.0.0.1", locked), timeout=30))
            one.sendall(head.encode() + body[:-1])
            tries.append((one, body[-1:]))
        time.sleep(0.2)  # all heads are looked at
        for one, last in tries:
            one.sendall(last)
        statuses = [int(one.recv(4096).split()[1]) for one, _ in tries]
    assert statuses.count(400) == gate.WRONG and statuses.count(429) == 3 * gate.WRONG


def test_a_class_behind_one_address_logs_in_at_once(locked):
    with ThreadPoolExecutor(30) as pool:
        answers = list(pool.map(lambda _: entered(locked, "secret", "198.51.99.1")[0][0], range(30)))
    assert answers == [200] * 30


# --- What is said


def test_a_run_that_is_not_known_is_one_sentence_and_nothing_in_the_log(public, caplog, capfd):
    port, _ = public
    for path in ("call/sample/0123abcd", "call/sample/" + "a" * 32, "call/v2/sample/x", "queue/data?session_hash=none"):
        answer = got(port, "GET", f"{API}/{path}")
        assert answer[0] == 404 and detail(answer) == "This run is no longer here: press Run again"
    answer = got(port, "POST", "/run", {"part": "watch", "values": {"resume": "0123abcd"}})
    assert answer[0] == 404 and detail(answer) == "This run is no longer here: press Run again"
    for content in ({"part": "engine"}, {"values": {}}, {}):
        assert 400 <= got(port, "POST", "/ask", content)[0] < 500
    assert "Traceback" not in capfd.readouterr().err
    assert not [record for record in caplog.records if record.exc_info and record.levelname != "INFO"]


def test_an_error_of_our_own_is_in_the_log(public, caplog, monkeypatch):
    port, app = public

    def broken(values):
        raise KeyError("gone")

    monkeypatch.setitem(app.parts["course"].questions, "cards", broken)
    answer = got(port, "POST", "/ask", {"part": "course", "what": "cards", "values": {}})
    assert answer[0] == 500 and detail(answer) == "The app failed unexpectedly (KeyError): its log says more"
    assert "KeyError: 'gone'" in caplog.text


def test_what_one_says_of_the_address_is_not_told_to_others(public):
    port, _ = public
    for headers in (
        {"X_Forwarded_Host": "evil.example"},
        {"X_Gradio_Server": "http://evil.example"},
        {"Host": "evil.example"},
    ):
        assert got(port, "GET", f"{API}/info", **headers)[0] == 200
        assert got(port, "POST", f"{API}/call/v2/sample", {"steps": 0}, address=next(ADDRESSES), **headers)[0] == 200
        assert "evil" not in got(port, "GET", f"{API}/info")[1]


def test_a_page_says_what_it_may_load_and_who_may_show_it(own, public):
    policies = {}
    for name, (port, _) in {"own": own, "public": public}.items():
        status = got(port, "GET", "/")[0]
        with asked(port, "GET", "/") as answer:
            policies[name] = " ".join(answer.headers.get_all("content-security-policy") or [])
            assert answer.headers["x-content-type-options"] == "nosniff"
        assert "default-src 'self'" in policies[name] and "object-src 'none'" in policies[name]
        assert status == 200 and "script-src 'self' 'wasm-unsafe-eval' 'sha256-" in policies[name]
    assert "frame-ancestors 'self'" in policies["own"]
    assert "frame-ancestors" not in policies["public"]  # huggingface.co shows the page of a Space in its own


def test_the_page_loads_nothing_that_its_policy_forbids(browser, own):
    port, _ = own
    page = browser.new_page(**CALM)
    page.set_default_timeout(120_000)
    page.add_init_script("""window.wrong = [];
        addEventListener("securitypolicyviolation", ({ effectiveDirective }) => wrong.push(effectiveDirective));""")
    page.goto(f"http://127.0.0.1:{port}/?tab=watch")
    page.wait_for_selector("html[data-ready=true]")
    for part in ON_PAGE:
        page.evaluate("(part) => page.open(part, null)", part)
        page.wait_for_selector("#place > section:not([hidden])")
        assert page.evaluate("wrong") == [], part
    page.close()
