"""The app as its users meet it: through gradio_client, in a browser, and from the command line."""

import itertools
import json
import os
import re
import socket
import urllib.error
import urllib.parse
import urllib.request
import zipfile
from types import SimpleNamespace
from unittest.mock import Mock

import httpx
import numpy as np
import pytest
import torch
from browser import CALM, served
from gradio_client import Client
from gradio_client.exceptions import AppError
from PIL import ExifTags, Image
from toylab import wait_for

import app as command
import ddpm_core
import ui
from ddpm_core.imaging import to_uint8
from ddpm_core.noise import gaussian_batch
from ui import web
from ui.machine.limits import ServerLimits
from ui.machine.step_times import StepKind
from ui.runs import listeners
from ui.web.scripts import COMMON, PAGE, scripts

FAST = {"steps": 3, "count": 2}
PHONE = {"width": 390, "height": 844}
PARAMETERS = {
    "checkpoint": "cifar10-tiny",
    "sampler": None,
    "steps": None,
    "spacing": "auto",
    "variance": "beta_tilde",
    "eta": 0.0,
    "clip": None,
    "seed": 13,
    "count": None,
    "label": "any",
    "guidance": None,
    "prompt": "",
    "negative": "",
    "S_churn": 0.0,
    "S_min": 0.0,
    "S_max": None,
    "S_noise": 1.0,
}


@pytest.fixture(scope="module")
def app(narrow_page):
    with served("cifar10-tiny") as app:
        assert app.warmup.ready.wait(120)  # it takes a turn, too, which tests look at
        yield app


@pytest.fixture(scope="module")
def lab(app):
    return app.services


@pytest.fixture(scope="module")
def url(app):
    return app.local_url


@pytest.fixture(scope="module")
def client(url):
    return Client(url, verbose=False)


@pytest.fixture(scope="module")
def model(narrow_page):
    return ddpm_core.load("cifar10-tiny")


def pictures(paths):
    return np.stack([np.asarray(Image.open(path)) for path in paths])


# --- gradio_client


@pytest.mark.parametrize("name", ["/sample", "/trajectory"])
def test_every_parameter_has_a_name_and_the_pages_default(client, name):
    listed = client.view_api(return_format="dict")["named_endpoints"][name]["parameters"]
    assert {parameter["parameter_name"]: parameter["parameter_default"] for parameter in listed} == PARAMETERS
    assert all(parameter["parameter_has_default"] for parameter in listed)
    types = {parameter["parameter_name"]: parameter["python_type"]["type"] for parameter in listed}
    assert types["S_max"] == types["guidance"] == "None | float" and types["S_min"] == "float", types


def test_the_endpoints_are_the_only_public_ones(client):
    assert set(client.view_api(return_format="dict")["named_endpoints"]) == {"/sample", "/trajectory"}


def test_sample_gives_png_files_of_what_ddpm_core_samples(client, model):
    paths = client.predict(**FAST, seed=7, label="cat", guidance=2, api_name="/sample")
    assert all(path.endswith(".png") for path in paths)
    expected = ddpm_core.sample(model, [7, 8], 3, variance="beta_tilde", labels=3, guidance=2.0)
    np.testing.assert_array_equal(pictures(paths), expected)


def test_trajectory_streams_every_step(client, model):
    steps = list(client.submit(**FAST, sampler="ddim", eta=0.5, spacing="trailing", api_name="/trajectory"))
    expected = list(ddpm_core.trajectory(model, [13, 14], 3, "ddim", spacing="trailing", eta=0.5))
    assert len(steps) == 3
    for got, step in zip(steps, expected, strict=True):
        assert (got["index"], got["steps"], got["t"], got["s"]) == (step.index, 3, step.t, step.s)
        assert got["alpha_bar"] == pytest.approx(model.schedule.alpha_bar[step.t].item())
        assert got["sigma"] == pytest.approx(step.sigma)
        np.testing.assert_array_equal(pictures(got["x_t"]), to_uint8(step.x))
        np.testing.assert_array_equal(pictures(got["x0_hat"]), to_uint8(step.x0_hat))


@pytest.mark.parametrize("name", ["mnist-tiny-2-steps", "mnist-tiny-consistency", "cifar10-tiny-4-steps"])
def test_without_sampler_and_steps_a_student_takes_its_own(client, name):
    steps = list(client.submit(checkpoint=name, count=1, api_name="/trajectory"))
    expected = list(ddpm_core.trajectory(ddpm_core.load(name), [13]))
    assert [(step["t"], step["s"]) for step in steps] == [(step.t, step.s) for step in expected]
    for paths in (steps[-1]["x_t"], client.predict(checkpoint=name, count=1, api_name="/sample")):
        np.testing.assert_array_equal(pictures(paths), to_uint8(expected[-1].x).reshape(pictures(paths).shape))
    with pytest.raises(AppError, match="needs the sampler"):
        client.predict(checkpoint=name, sampler="ddpm", api_name="/sample")


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"seed": -1}, "from 0 to 4,294,967,295 (2³² − 1), got '-1'"),
        ({"steps": 1001}, "from 1 to 1000 for this checkpoint, got 1001"),
        ({"count": 17}, "The number of images must be a whole number from 1 to 16"),
        ({"label": "unicorn"}, "no class 'unicorn': choose from any, airplane"),
        ({"guidance": 3}, "uidance needs a class"),
        ({"checkpoint": "hub id"}, "There is no checkpoint 'hub id'"),
    ],
    ids=str,
)
def test_what_is_wrong_is_said_in_one_sentence(client, wrong, sentence):
    for name in ("/sample", "/trajectory"):
        with pytest.raises(AppError) as refusal:
            client.predict(**{**FAST, **wrong}, api_name=name)
        assert sentence in str(refusal.value)
        assert "\n" not in str(refusal.value) and str(refusal.value)[0] not in "'\""


def test_cancelling_a_run_frees_the_lock(client, lab, slow_network):
    for name in ("/sample", "/trajectory"):
        job = client.submit(steps=1000, count=1, api_name=name)
        wait_for(lambda: len(lab.turns) == 1)
        job.cancel()
        wait_for(lambda: len(lab.turns) == 0)


def ask(url, path, **body):
    asked = urllib.request.Request(f"{url}gradio_api/{path}", json.dumps(body).encode())
    asked.add_header("Content-Type", "application/json")
    return json.load(urllib.request.urlopen(asked))


def post(url, name, *data):
    """Order a run as a script would, and don't listen: the address to listen at."""
    return f"{url}gradio_api/call/{name}/{ask(url, f'call/{name}', data=data)['event_id']}"


NAMED = PARAMETERS | {"steps": 1000, "count": 4}
LONG = [*NAMED.values()]


@pytest.fixture
def heard(monkeypatch):
    """Of each run, in the order in which they were asked for: whether somebody listens; None as long as it waits."""
    answers, comes = [], listeners.Listener.wait_for_client

    async def noted(self):
        answers.append(None)
        number = len(answers) - 1
        try:
            await comes(self)
        except listeners.NobodyListens:
            answers[number] = False
            raise
        answers[number] = True

    monkeypatch.setattr(listeners.Listener, "wait_for_client", noted)
    return answers


@pytest.fixture
def pass_patience(monkeypatch):
    """The listeners' clock stands still; calling this makes it pass their patience."""
    now = [0.0]
    monkeypatch.setattr(listeners, "clock", lambda: now[0])

    def on():
        now[0] += 2 * listeners.PATIENCE

    return on


def test_a_run_ends_when_its_listener_leaves_also_while_it_waits(url, lab, pass_patience, slow_network):
    with urllib.request.urlopen(post(url, "trajectory", *LONG)) as stream:
        wait_for(lambda: len(lab.turns) == 1)
        wait_for(lambda: stream.readline().startswith(b"event: generating"))  # a busy machine sends heartbeats before
        with urllib.request.urlopen(post(url, "trajectory", *LONG)) as waiting:
            wait_for(lambda: len(lab.turns) == 2)
            pass_patience()
            for _ in range(2):  # after the second of these it has been looked who listens
                wait_for(lambda: waiting.readline().startswith(b"event: generating"))
            assert len(lab.turns) == 2  # heard, and waiting
        wait_for(lambda: pass_patience() or len(lab.turns) == 1)
    wait_for(lambda: pass_patience() or len(lab.turns) == 0)  # one of them takes minutes


@pytest.mark.parametrize("route", ["call/sample", "call/v2/sample", "call/trajectory", "queue/join"])
def test_a_run_without_a_listener_is_not_begun_on_any_route(url, lab, route, heard, pass_patience):
    """queue/join is what gradio_client asks; at the other routes who comes too late is told why."""
    if route == "queue/join":
        events = json.load(urllib.request.urlopen(f"{url}config"))["dependencies"]
        (index,) = [event["id"] for event in events if event["api_name"] == "sample"]
        ask(url, route, session_hash="deaf", fn_index=index, data=LONG)
        event = None
    else:
        event = ask(url, route, **(NAMED if "v2" in route else {"data": LONG}))["event_id"]
    wait_for(lambda: heard == [None])
    pass_patience()
    wait_for(lambda: heard == [False])
    assert len(lab.turns) == 0
    if event:
        with urllib.request.urlopen(f"{url}gradio_api/call/{route.rpartition('/')[2]}/{event}") as stream:
            assert "its page or script was gone" in stream.read().decode()


ODD = (None, 3, -0.5, float("nan"), 10**400, True, "", "x", "a\0b", "\ud800", "x" * 5000, [], ["a"], {}, {"a": 1})
ASKED = ("ref", "run", "kind", "page")


@pytest.mark.parametrize("odd", ODD, ids=lambda odd: repr(odd)[:20])
def test_odd_values_are_answered(app, odd):
    """In each field of each part, in what is asked beside them, and as the name of either."""
    calls = [(odd, "cost", {}), ("watch", odd, {}), ("course", "cost", odd), ("course", "cards", {"name": odd})]
    calls += [("train", "follow", {name: odd}) for name in ("path", "version", "points", "grids")]
    calls += [("engine", ask, {name: odd}) for ask in ("facts", "run", "room") for name in ASKED]
    for call in calls:
        answer = app.ask(*call)
        error = answer.get("error", "")
        assert "\n" not in error and "codec" not in error and "byte" not in error, call
        assert len(error) < 400 + len(str(odd)), call  # what was asked for may be repeated
        assert answer or call[1] == "stop", call


# --- A browser


def opened(page, url, part="watch", **values):
    """A part with these settings, known to the server. It may run them by itself."""
    query = urllib.parse.urlencode({"tab": part, **values})
    page.goto(f"{url}?{query}")
    page.wait_for_selector(f".part-{part}[data-ready=true][data-described]")
    return page


def choose(page, part="watch", **values):
    for name, value in values.items():
        field = f".part-{part} [data-name={name}]"
        if page.locator(f"{field} select").count():
            page.select_option(f"{field} select", str(value))
        elif page.locator(f"{field} input[type=radio]").count():
            page.check(f"{field} input[value={value}]", force=True)
        else:
            page.fill(f"{field} input:not([type=range])", str(value))
            page.press(f"{field} input:not([type=range])", "Tab")


def state(page, part="watch", **data):
    """Wait until the part's data-* attributes have these values."""
    page.wait_for_selector(f".part-{part}" + "".join(f"[data-{key}='{value}']" for key, value in data.items()))


def run(page, part="watch"):
    """Press Run, wait for the end, and return the final picture as the page shows it."""
    before = page.get_attribute(f".part-{part}", "data-run")
    page.click(f".part-{part} .run")
    page.wait_for_selector(f".part-{part}[data-state=finished]:not([data-run='{before}'])")
    page.locator(f".part-{part} .scrubber").press("End")
    return shown(page, part)


def shown(page, part="watch"):
    """The picture x_t, when it is drawn."""
    canvas = f"document.querySelector('.part-{part} figure.x canvas').toDataURL()"
    last, now = None, page.evaluate(canvas)
    while now != last:
        page.wait_for_timeout(150)
        last, now = now, page.evaluate(canvas)
    return now


QUICK = {"steps": 7, "count": 1}


@pytest.fixture
def quick(lab):
    """A run of the first model is known to be quick, however busy the machine was when it was timed."""
    for count, lanes in itertools.product((1, 4), (1, 2)):
        lab.step_times.note(StepKind("cifar10-tiny", count, lanes), 1e-3)


def test_the_page_is_alive_before_anything_is_pressed(page, url, quick):
    """With a recorded run; where the app begins with another model than that run's, with a run of this model."""
    page.goto(f"{url}?tab=plane")
    page.wait_for_selector(".part-plane .tag:visible:text('Example')")
    page.goto(url)
    page.wait_for_selector(".part-watch[data-state=finished] .title:has-text('CIFAR-10 tiny')")
    assert page.locator(".part-watch .tag:visible").count() == 0
    assert "It turns random pixels, pure noise, into a new one" in page.inner_text(".part-watch .lead")


def test_run_shows_frames_as_they_arrive_and_scrubbing_shows_earlier_ones(page, url):
    lab = opened(page, url, steps=24, count=2)
    if lab.get_attribute(".part-watch", "data-state") == "idle":
        lab.click(".part-watch .run")
    lab.wait_for_selector(".part-watch[data-state=finished] .ddpm-player[data-frames='24']")
    lab.locator(".scrubber").press("End")
    final = shown(lab)
    lab.locator(".scrubber").press("Home")
    lab.wait_for_selector(".ddpm-player[data-k='0'][data-live=false]")
    assert shown(lab) != final
    lab.click(".chart > summary")
    assert "step 1/24" in lab.inner_text(".readouts")
    lab.locator(".scrubber").press("End")
    assert shown(lab) == final
    assert "σ 0: no noise added" in lab.inner_text(".readouts")


def test_the_first_picture_of_a_run_is_on_screen_before_the_readouts_are_written(page, url):
    lab = opened(page, url, steps=24, count=2)
    run(lab)
    lab.evaluate("""() => {
        const draw = CanvasRenderingContext2D.prototype.drawImage;
        CanvasRenderingContext2D.prototype.drawImage = function (...what) {
            draw.apply(this, what);
            if (window.read || !this.canvas.closest?.(".part-watch figure.x")) return;
            const read = () => document.querySelector(".part-watch .readouts").textContent;
            window.read = [read()];
            requestAnimationFrame(() => window.read.push(read()));
        };
    }""")
    lab.click(".part-watch .run")
    lab.wait_for_function("window.read?.length === 2")
    assert all("step 24/24" in text for text in lab.evaluate("window.read"))
    lab.wait_for_function("!document.querySelector('.part-watch .readouts').textContent.includes('step 24/24')")
    lab.wait_for_selector(".part-watch[data-state=finished]")


def test_steps_seed_and_variance_change_the_picture_and_nothing_else_does(page, url):
    lab = opened(page, url, **QUICK)
    first = run(lab)
    assert run(lab) == first
    for other in ({"seed": 14}, {"seed": 13, "variance": "beta", "steps": 9}):
        choose(lab, **other)
        assert run(lab) != first
    choose(lab, steps=7, variance="beta_tilde")
    wait_for(lambda: run(lab) == first)  # a change has begun a run of its own, which may end in between


def test_a_change_runs_by_itself_where_that_is_quick_and_the_address_follows(page, url, lab):
    window = opened(page, url, **QUICK, checkpoint="mnist-tiny")  # not the app's first: it is timed when it is chosen
    window.wait_for_selector(".part-watch[data-state=finished]")
    before = window.get_attribute(".part-watch", "data-run")
    window.evaluate("Math.random = () => 0.0135")  # of 999 other seeds or of 1000, this draws the one that is there: 13
    window.click(".part-watch .dice")
    window.wait_for_selector(f".part-watch[data-state=finished]:not([data-run='{before}'])")
    seed = window.input_value(".part-watch [data-name=seed] input")
    assert seed != "13" and f"seed={seed}" in window.url


def test_stop_keeps_the_frames_and_run_in_a_run_starts_anew(page, url, lab, slow_network):
    window = opened(page, url, steps=1000, count=4)
    window.click(".part-watch .run")
    window.wait_for_selector(".part-watch[data-state=running] .ddpm-player:not([data-frames='0'])")
    old = window.get_attribute(".part-watch", "data-run")
    choose(window, seed=5)
    window.click(".part-watch .run")
    window.wait_for_selector(f".part-watch[data-state=running]:not([data-run='{old}'])")
    window.wait_for_selector(".ddpm-player .title:has-text('seed 5')")  # the old run's stays until the first new frame
    window.click(".part-watch .stop")
    state(window, state="stopped")
    assert int(window.get_attribute(".ddpm-player", "data-frames")) > 0
    wait_for(lambda: len(lab.turns) == 0)


def test_what_is_changed_while_a_run_goes_on_is_seen_at_once(page, url, slow_network):
    window = opened(page, url, steps=1000, count=4)
    window.click(".part-watch .run")
    window.wait_for_selector(".part-watch[data-state=running] .ddpm-player:not([data-frames='0'])")
    state(window, outdated="false")
    window.evaluate("for (const one of document.querySelectorAll('.part-watch .how, .more')) one.open = true")
    choose(window, sampler="ddim")
    state(window, state="running", outdated="true")
    window.wait_for_selector(".origin:visible:text-matches('^This run: .* DDPM')")
    choose(window, sampler="ddpm")
    state(window, state="running", outdated="false")
    window.wait_for_selector(".origin", state="hidden")
    window.click(".part-watch .stop")


def test_a_page_that_is_loaded_again_finds_its_run(page, url, slow_network):
    window = opened(page, url, steps=1000, count=4)
    window.click(".part-watch .run")
    window.wait_for_selector(".part-watch[data-state=running] .ddpm-player:not([data-frames='0'])")
    before = window.get_attribute(".part-watch", "data-run")
    window.reload()
    window.wait_for_selector(f".part-watch[data-run='{before}'] .ddpm-player:not([data-frames='0'])")
    window.click(".part-watch .stop")
    state(window, state="stopped")


def test_after_a_restart_the_page_says_that_its_run_is_gone(page, slow_network):
    port = 20_000 + os.getpid() % 10_000  # it is needed again
    with served("cifar10-tiny", port=port) as first:
        window = opened(page, first.local_url, steps=1000, count=1)
        window.click(".part-watch .run")
        state(window, state="running")
        ui.close(first, 0.2)
    window.wait_for_selector(".part-watch[data-state=lost]")  # by the last message, or by its connection
    with served("cifar10-tiny", port=port):
        window.wait_for_selector(".part-watch .status:has-text('The run was lost: Run starts it again')")
        assert window.is_enabled(".part-watch .run")


def test_a_copy_of_a_window_is_another_visitor(page, url):
    visitors = {}

    def note(request):
        if request.method == "POST" and '"page"' in (request.post_data or ""):
            visitors.setdefault(request.frame.page, set()).add(request.post_data_json["page"])

    page.context.on("request", note)
    opened(page, url)
    with page.context.expect_page() as opening:
        page.evaluate("() => { window.open(location.href); }")  # with all that this window keeps
    opening.value.wait_for_selector(".part-watch[data-described]")
    opening.value.close()
    page.reload()
    page.wait_for_selector(".part-watch[data-described]")
    assert [len(sessions) for sessions in visitors.values()] == [1, 1]
    assert len(set.union(*visitors.values())) == 2


def test_two_windows_take_turns_and_a_closed_one_lets_the_other_go_on(page, url, slow_network):
    one = opened(page, url, steps=1000, count=4)
    one.click(".part-watch .run")
    state(one, state="running")
    other = opened(page.context.new_page(), url, steps=1000, count=4)
    other.click(".part-watch .run")
    for window in (one, other):
        window.wait_for_selector(".status-text:text('Running, shared with 1 other')")
    one.goto("about:blank")
    other.wait_for_selector(".status-text:text-is('Running')")
    other.click(".part-watch .stop")
    state(other, state="stopped")
    other.close()


def test_a_run_takes_the_plan_that_described_its_form(page, url):
    lab = opened(page, url, **QUICK)
    lab.evaluate("void (page.knowledge.plan = () => Promise.reject(new Error('planned once more')))")
    lab.evaluate("page.knowledge.describe('compare', { checkpoint: 'mnist-tiny', steps: 3 })")
    run(lab)
    assert "seed" in lab.inner_text(".ddpm-player .title")


def test_what_a_sampler_or_a_class_needs_is_shown_with_it(page, url):
    lab = opened(page, url, **QUICK)
    lab.evaluate("document.querySelector('.part-watch .more').open = true")
    for name, visible in (("guidance", False), ("eta", False), ("variance", True)):
        assert lab.is_visible(f"[data-name={name}]") == visible
    choose(lab, label="frog", sampler="ddim")
    for name, visible in (("guidance", True), ("eta", True), ("variance", False)):
        assert lab.is_visible(f"[data-name={name}]") == visible
    run(lab)
    assert "DDIM η 0 · frog" in lab.inner_text(".ddpm-player .title")
    assert not lab.is_visible("[data-name=S_churn]")
    choose(lab, sampler="heun", S_churn=2)
    run(lab)
    assert "Heun S_churn 2 · frog" in lab.inner_text(".ddpm-player .title")
    assert "S_churn=2" in lab.url and "S_noise" not in lab.url


def test_a_sampler_of_the_apps_owner_runs_in_the_page(page, narrow_page):
    def halved(predict, schedule, pairs, x, *, noise):
        for k, (t, s) in enumerate(pairs):
            found = predict(x, t)
            x = found.x0_hat / 2
            yield ddpm_core.Step(k, t, s, x, found.x0_hat, 0.0)

    with served("mnist-tiny", samplers={"mine:halved": halved}) as app:
        lab = opened(page, app.local_url, checkpoint="mnist-tiny", sampler="mine:halved", steps=2, count=1)
        run(lab)
        assert "mine:halved" in lab.inner_text(".ddpm-player .title")


def taken(page, title):
    """What an entry of the Share menu copies: headless Chromium has no clipboard to read."""
    page.evaluate("navigator.clipboard.writeText = async (text) => { window.copied = text; }; window.copied = null")
    page.click("#share > button:text('Share')")
    page.click(f"#share .menu button:has-text('{title}')")
    page.wait_for_function("window.copied !== null")
    page.keyboard.press("Escape")
    return page.evaluate("window.copied")


def test_files_and_scripts_are_in_one_menu(page, url, tmp_path):
    lab = opened(page, url, **QUICK)
    run(lab)
    names = {"Film (GIF)": ".gif", "WebP": ".webp", "Film strip (PNG)": "-strip.png", "Table (CSV)": ".csv"}
    names["Everything (ZIP)"] = ".zip"
    for title, end in names.items():
        lab.click("#share > button:text('Share')")
        with lab.expect_download() as download:
            lab.click(f"#share .menu button:text-is('{title}')")
        name = f"CIFAR-10-tiny-7-steps-beta_tilde-seed-13{end}"
        assert download.value.suggested_filename == name
        lab.wait_for_selector(f"#share .menu-said:has-text('Saved: {name}.')")
        download.value.save_as(tmp_path / f"file{end}")
        lab.keyboard.press("Escape")
    with zipfile.ZipFile(tmp_path / "file.zip") as archive:
        x_T, x_0 = (np.load(archive.open(f"x_{t}.npy")) for t in "T0")
        last = np.asarray(Image.open(archive.open("seed-13/x_0000.png")))
        about = json.loads(archive.read("settings.json"))
        assert archive.read("steps.csv") == (tmp_path / "file.csv").read_bytes()
    assert about["lanes"][0]["steps_done"] == 7
    np.testing.assert_array_equal(x_T, gaussian_batch([13], 0, (3, 32, 32)).numpy())
    np.testing.assert_array_equal(last, to_uint8(torch.from_numpy(x_0))[0])
    film, webp, strip = (Image.open(tmp_path / f"file{end}") for end in (".gif", ".webp", "-strip.png"))
    assert film.n_frames == webp.n_frames == 7 and (film.width, webp.width) == (576, 1024)
    film.seek(6), webp.seek(6)
    lossless = np.asarray(webp.convert("RGB"))
    np.testing.assert_array_equal(lossless[-1024::32, ::32], last)
    assert (lossless[:-1024] < 100).any()  # letters
    small = np.asarray(film.convert("RGB"))[-576::18, ::18].astype(int)
    assert np.abs(small - last).mean() < 10  # of 256 colours, noise
    scale = (strip.width - 6 * 2) // (7 * 32)
    np.testing.assert_array_equal(np.asarray(strip)[-32 * scale :: scale, -32 * scale :: scale], last)
    utf8 = webp.getexif()[ExifTags.Base.ImageDescription].encode("latin-1")  # as Pillow reads it
    said = [film.info["comment"], strip.info["Description"], utf8]
    assert [json.loads(one) for one in said] == [about] * 3
    lab.locator(".part-watch .scrubber").press("Home")
    lab.click("#share > button:text('Share')")
    with lab.expect_download() as download:
        lab.click("#share .menu button:text-is('Picture (PNG)')")
    download.value.save_as(tmp_path / "slide.png")
    assert "-step-1-of-" in download.value.suggested_filename  # what is on screen
    assert Image.open(tmp_path / "slide.png").width == 1600
    lab.keyboard.press("Escape")
    assert "seeds=range(13, 14)" in taken(lab, "Copy Python")
    assert "set_timesteps" in taken(lab, "Copy for diffusers")


def test_a_comparison_is_reproduced_from_its_link_in_a_fresh_browser(page, browser, url):
    lab = opened(page, url, "compare", seed=9, count=1)
    run(lab, "compare")
    lab.wait_for_selector(".ddpm-player[data-frames='20']")
    assert "10 steps · DDPM βₜ against DDPM β̃ₜ · seed 9" in lab.inner_text(".part-compare .title")
    assert "the final step can hardly remove that of DDPM βₜ" in lab.inner_text(".part-compare .caption")
    lab.wait_for_selector(".part-compare .sentence:has-text('A keeps noise that its last step could not remove')")
    link = taken(lab, "Link")
    assert lab.url == link

    other = browser.new_page(viewport={"width": 1280, "height": 720}, **CALM)
    other.goto(link)
    other.wait_for_selector(".part-compare[data-ready=true][data-described]")
    assert other.input_value(".part-compare [data-name=seed] input") == "9"
    run(other, "compare")  # which a link does by itself only where that is known to be quick
    canvases = "[...document.querySelectorAll('.part-compare .lanes figure.x canvas')].map(c => c.toDataURL())"
    shown(lab, "compare"), shown(other, "compare")
    both = other.evaluate(canvases)
    assert both == lab.evaluate(canvases) and both[0] != both[1]
    other.close()


ENDINGS = "[...document.querySelectorAll('.part-watch figure.x canvas:not(.touched)')].map((one) => one.toDataURL())"


def test_a_touch_splits_the_run_and_its_link_gives_the_same_endings(page, browser, url):
    """By keyboard, by mouse and by finger; undone by a press."""
    lab = opened(page, url, steps=8, count=1, seed=9)
    alone = run(lab)
    lab.get_by_role("button", name="Add noise").press("Enter")  # the slider goes to the middle
    sheet = lab.locator(".touched")
    sheet.press("ArrowRight")
    sheet.press(" ")
    state(lab, state="finished")
    lab.wait_for_selector(".part-watch .ddpm-player.compare")
    key = urllib.parse.parse_qs(urllib.parse.urlsplit(lab.url).fragment)["touch"][0]
    assert re.fullmatch(r"4\d\d-noise-100-8\.6-7\.7-8\.7-9\.7-8\.8", key)
    lab.locator(".part-watch .scrubber").press("End")
    lab.get_by_role("button", name="White").click()
    sheet.scroll_into_view_if_needed()  # Playwright scrolled for the click
    box = sheet.bounding_box()
    lab.mouse.move(box["x"] + 9, box["y"] + 9)
    lab.mouse.wheel(0, 100)
    lab.mouse.wheel(0, 100)  # one cell
    lab.mouse.down()
    lab.mouse.move(box["x"] + 2.5 * box["width"] / 16, box["y"] + 9)
    lab.mouse.up()
    lab.wait_for_function("(key) => decodeURIComponent(location.hash).startsWith(`#touch=${key}_`)", arg=key)
    state(lab, state="finished")
    assert re.search(r"_4\d\d-255\.255\.255-100-0\.0-1\.0-2\.0$", lab.url)
    lab.locator(".part-watch .scrubber").press("End")
    lab.wait_for_selector(".part-watch .sentence:has-text('A and B share')")
    assert lab.locator(".part-watch .touch path.lane-1").count() == 1
    assert shown(lab) == alone
    both = lab.evaluate(ENDINGS)
    assert both[0] == alone != both[1]

    other = browser.new_page(viewport=PHONE, has_touch=True, bypass_csp=True, **CALM)
    other.goto(lab.url)
    other.wait_for_selector(".part-watch[data-ready=true][data-described]")
    run(other)
    assert other.evaluate(ENDINGS) == both
    other.get_by_role("button", name="Black").tap()
    other.locator(".touched").tap()
    other.wait_for_function("location.hash.split('_').length === 3")
    for _ in range(3):
        other.get_by_role("button", name="Undo").tap()
    other.wait_for_selector(".part-watch[data-state=finished] .ddpm-player:not(.compare)")
    assert not urllib.parse.urlsplit(other.url).fragment
    other.close()

    choose(lab, sampler="unipc")
    lab.locator(".part-watch .estimate", has_text="can't be continued or changed on the way: use 'ddpm'").wait_for()


def test_a_touch_begins_at_a_state_that_the_server_keeps_and_at_noise_where_it_keeps_none(page, app, url, monkeypatch):
    """Both endings are the same."""
    asked, begin = [], app.runs.begin

    def note(part, values, *given):
        asked.append(values.get("from"))
        return begin(part, values, *given)

    monkeypatch.setattr(app.runs, "begin", note)
    lab = opened(page, url, steps=8, count=1, seed=9)
    run(lab)
    lab.get_by_role("button", name="Add noise").press("Enter")
    sheet, ends = lab.locator(".touched"), {}

    def touch(act):
        before = lab.get_attribute(".part-watch", "data-run")
        asked.clear()
        act()
        lab.wait_for_selector(f".part-watch[data-state=finished]:not([data-run='{before}'])")
        lab.locator(".part-watch .scrubber").press("End")
        shown(lab)
        text = lab.evaluate("location.hash")
        ends.setdefault(text, []).append(lab.evaluate(ENDINGS))
        assert all(one["run"] == before for one in asked if one)
        lab.locator(".part-watch .scrubber").press("Home")
        for _ in range(4):
            lab.locator(".part-watch .scrubber").press("ArrowRight")
        return [one and one["s"] for one in asked]

    (_,), second = touch(lambda: sheet.press(" ")), touch(lambda: sheet.press(" "))
    assert second[1:] == [] and second[0] > 300
    app.parts["watch"].kept_states._of.clear()
    assert touch(lambda: sheet.press("z")) == [*second, None]
    assert touch(lambda: sheet.press(" ")) == second
    assert [len(same) for same in ends.values()] == [2, 2]
    assert all(one == other for one, other in ends.values())
    assert touch(lambda: (sheet.press("z"), sheet.press("z")))[-1] is None


def test_places_are_steps_of_the_browsers_history_and_old_links_open_theirs(page, url, quick):
    page.goto(f"{url}?tab=denoise&compare=true&seed=77&__theme=dark")
    page.wait_for_selector(".part-compare[data-ready=true]")
    assert page.input_value(".part-compare [data-name=seed] input") == "77"
    assert page.evaluate("document.documentElement.classList.contains('dark')")
    page.wait_for_selector(".part-compare[data-state=finished]")
    first, described = (page.get_attribute(".part-compare", f"data-{name}") for name in ("run", "described"))
    page.click("#places [data-place=inside]")
    page.wait_for_selector(".part-network[data-ready=true]")
    page.go_back()
    page.wait_for_selector(f".part-compare[data-ready=true]:not([data-described='{described}']):visible")
    assert page.get_attribute(".part-compare", "data-run") == first  # what is shown is not computed again
    page.go_forward()
    page.wait_for_selector(".part-network:visible")
    assert "tab=network" in page.url


@pytest.mark.parametrize("name", ["constructor", "__proto__", "toString"])
def test_an_address_that_names_what_every_object_has_opens_watch(page, url, name):
    page.goto(f"{url}?tab={name}&lesson={name}&label={name}&only={name}")
    page.wait_for_selector(".part-watch[data-ready=true]:visible")
    field = '{ name: "label", kind: "classname", default: "any", names: null, follows: "classes", label: "Class" }'
    offered = f"""async () => {{
      const {{ $need }} = await import(new URL("common.js", document.querySelector("script[src]").src));
      const {{ makeControl }} = $need("form/controls.js");
      const control = makeControl({field}, {{ changed() {{}} }});
      control.offer({{ classes: ["{name}"], titles: {{}} }});
      return control.element.querySelector("option, label").textContent;
    }}"""
    assert page.evaluate(offered) == name  # a class of a strange model


def test_a_place_that_is_left_before_its_run_begins_neither_runs_nor_changes_the_address(page, url):
    page.goto(f"{url}?tab=course")
    page.wait_for_selector(".course")
    page.evaluate(
        "page.open('watch', { seed: 123 }, { push: true, cause: 'press' }).then(() => page.open('course', null))"
    )
    page.wait_for_selector(".part-watch[data-ready=true][data-described]", state="attached")
    assert page.get_attribute(".part-watch", "data-state") == "idle"
    assert "seed=123" in page.evaluate("location.search") and page.is_visible(".course")


def test_a_place_that_is_left_before_it_is_loaded_learns_of_its_model_when_it_is_opened_again(page, url):
    page.goto(f"{url}?tab=course")
    page.wait_for_selector(".course")
    page.evaluate("page.open('compare', null); page.open('course', null)")  # the module of Compare is not here yet
    page.wait_for_selector(".part-compare", state="attached")
    page.click("#places [data-place=compare]")
    page.wait_for_selector(".part-compare[data-ready=true][data-described]")


# A field that is changed without a run, as where that would take long.
CHANGED = "document.querySelector('.part-{} [data-name=seed] input').value = '77'"


def test_the_last_runs_open_with_the_settings_that_they_had(page, url):
    window = opened(page, url, "compare", checkpoint="mnist-tiny", seed=9321, steps=3, steps_b=3, count=1)
    assert window.is_visible(".part-compare [data-name=count]") and not window.is_visible("[data-name=sampler]")
    for _ in range(2):
        window.evaluate("document.querySelector('.part-compare .run').click(); " + CHANGED.format("compare"))
        state(window, "compare", state="finished")
        choose(window, "compare", seed=9321)
    window.click("#places [data-place=watch]")
    window.click(".part-watch .past button >> nth=0")
    window.wait_for_selector(".part-compare:visible")
    assert window.input_value(".part-compare [data-name=seed] input") == "9321"
    kept = json.loads(window.evaluate("localStorage['lab-runs']"))
    seeds = [run["values"]["seed"] for run in kept if run["part"] == "compare"]  # also those of other tests
    assert seeds.count("9321") == 1


def test_a_grid_fills_and_its_cells_open_in_watch(page, url):
    lab = opened(page, url, "grid", columns="2, 4", clip="false")
    if lab.get_attribute(".part-grid", "data-state") == "idle":
        lab.click(".part-grid .run")
    state(lab, "grid", state="finished", cells=6)
    lab.evaluate(CHANGED.format("grid"))
    lab.click(".cells-of-grid td:nth-child(3) button >> nth=0")
    lab.wait_for_selector(".part-watch[data-ready=true]")
    assert lab.input_value(".part-watch [data-name=steps] input[type=number]") == "4"
    assert lab.is_checked(".part-watch [data-name=variance] input[value=beta]")
    assert lab.input_value(".part-watch [data-name=seed] input") == "13"
    assert not lab.is_checked(".part-watch [data-name=clip] input")


# The boxes of what is seen, all at one moment: a run may draw them anew.
VISIBLE = """(selector) => [...document.querySelectorAll(selector)]
    .filter((one) => one.checkVisibility()).map((one) => one.getBoundingClientRect().toJSON())"""


@pytest.mark.parametrize("part", ["watch", "compare"])
def test_on_a_wall_the_pictures_take_the_room(page, url, part):
    """At least 0.95 of the largest two squares that fit beside each other."""
    page.goto(f"{url}?tab={part}")
    page.wait_for_selector(f".part-{part} .ddpm-player:not([data-frames='0'])")
    code = "data:image/svg+xml,<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 1 1'/>"
    page.evaluate(f'page.invitation = async () => ({{ address: "http://192.0.2.7/", code: "{code}", why: "" }})')
    page.locator(".scrubber").press("Home")
    for width, height in ((1024, 768), (1280, 720), (1280, 800), (1920, 1080)):
        page.set_viewport_size({"width": width, "height": height})
        page.keyboard.press("f")
        page.wait_for_selector(f".part-{part} .projector h2:text-matches('0 steps')")
        boxes = page.evaluate(VISIBLE, f".part-{part} .frame")
        assert len(boxes) == 2
        page.wait_for_selector(".projector .room img")
        assert page.locator(".room").bounding_box()["y"] > max(box["y"] + box["height"] for box in boxes)
        slider = page.locator(".projector .scrubber").bounding_box()
        page.evaluate("document.querySelector('.projector .sentence').textContent = 'two lines of words '.repeat(5)")
        jump = page.locator(".projector .scrubber").bounding_box()["y"] - slider["y"]
        assert abs(jump) < 1  # the heights of lines are rounded
        for box in boxes:
            assert box["height"] >= 0.95 * min(height, width / 2), (width, height)
            assert box["x"] >= 0 and box["x"] + box["width"] <= width and box["y"] + box["height"] <= height
        for _ in range(6):  # Tab does not go to what lies behind
            page.keyboard.press("Tab")
            assert page.evaluate("document.activeElement.matches('body, .projector, .projector *')")
        page.keyboard.press("Escape")
        page.wait_for_selector(".ddpm-player:not(.projector)")


def test_on_a_laptop_run_is_in_sight_twelve_stops_of_tab_away_and_nothing_is_cut_off(page, url):
    page.goto(url)
    page.wait_for_selector(".part-watch[data-ready=true][data-described]")
    lab = page
    box = lab.locator(".part-watch .run").bounding_box()
    assert box["y"] + box["height"] <= 720
    assert lab.evaluate("document.documentElement.scrollWidth") <= 1280
    for _ in range(12):
        lab.keyboard.press("Tab")
        if lab.evaluate("document.activeElement.matches('.run')"):
            return
    raise AssertionError("Run is further away")


def test_the_first_page_is_light(url):
    texts = ("parts/watch/example.json", PAGE, COMMON, web.STYLE)
    names = [*texts, *(name for name in web.list_files() if name.startswith("models/"))]
    with httpx.Client(base_url=url, headers={"accept-encoding": "gzip"}) as client:
        page, *files = [client.get(path) for path in ("", *(f"web/{web.version()}/{name}" for name in names))]
    assert "<h1>DDPM Lab</h1>" in page.text and files[1].text == scripts(web.CLIENT)[PAGE]
    assert all(answer.headers["content-encoding"] == "gzip" for answer in (page, *files[: len(texts)]))
    assert sum(int(answer.headers["content-length"]) for answer in (page, *files)) < 205_000


def test_on_a_phone_pictures_come_first_and_run_is_at_hand(browser, url):
    phone = browser.new_page(viewport=PHONE, has_touch=True, is_mobile=True, **CALM)
    opened(phone, url)
    assert not phone.is_visible(".part-watch [data-name=steps]") and phone.is_visible(".part-watch .lead")
    phone.tap(".part-watch .how > summary")
    choose(phone, steps=2)
    phone.tap(".part-watch .run")
    state(phone, state="finished")
    assert phone.evaluate("document.documentElement.scrollWidth") <= 390
    for selector in (".run", ".roll", ".how > summary"):
        box = phone.locator(f".part-watch {selector}").bounding_box()
        assert box["height"] >= 44 and box["width"] >= 44
    assert phone.locator(".part-watch .run").bounding_box()["y"] > 760
    with phone.expect_file_chooser():
        phone.get_by_role("button", name="My own picture").tap()
    phone.close()


# --- The command line


def refusal(*arguments):
    with pytest.raises(SystemExit) as end:
        command.main([*arguments])
    text = str(end.value)
    assert "\n" not in text
    return text


def test_flags_that_cannot_work_end_with_one_sentence(capsys):
    assert "--auth takes user:password" in refusal("--auth", "secret")
    assert "from 0 to 65535" in refusal("--port", "70000")
    assert "there is no folder '/nowhere'" in refusal("--checkpoint", "/nowhere")
    assert "device 'abacus' is not available" in refusal("--device", "abacus")
    assert "--limit takes NAME=VALUE, got 'speed=1'" in refusal("--limit", "speed=1")
    assert "must be a number above 0" in refusal("--limit", "run-seconds=0")
    assert "no such address" in refusal("--host", "no.such.host.invalid")
    with socket.create_server(("127.0.0.1", 0)) as busy:
        port = busy.getsockname()[1]
        assert re.search(rf"cannot use port {port} \(address already in use\)", refusal("--port", str(port)))


def test_without_a_port_the_first_free_one_is_taken(monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as busy:
        first = busy.getsockname()[1]
        monkeypatch.setenv("GRADIO_SERVER_PORT", str(first))
        _, listening = command._listen("127.0.0.1", None)
        with listening:
            assert first < listening.getsockname()[1] < first + 100
        monkeypatch.setenv("GRADIO_NUM_PORTS", "1")
        assert f"no port from {first} to {first} is free" in refusal()


@pytest.mark.parametrize("host", ["::1", "[::1]"])
def test_an_ipv6_address_may_have_brackets(host, ipv6, monkeypatch):
    if not ipv6:
        pytest.skip("this machine has no IPv6")
    asked = []
    monkeypatch.setattr(ui, "build", lambda *_: SimpleNamespace(local_url=""))
    monkeypatch.setattr(
        ui, "launch", lambda _, listening, shown, **__: asked.append((listening.getsockname()[0], shown))
    )
    monkeypatch.setattr(ui, "close", lambda *_, **__: True)
    monkeypatch.setattr(command, "_wait", Mock(side_effect=KeyboardInterrupt))
    command.main(["--host", host, "--port", "0"])
    assert asked == [("::1", "[::1]")]


@pytest.mark.parametrize(
    ("words", "public"),
    [
        ("", False),
        ("--host localhost", False),
        ("--host 127.0.0.2", False),
        ("--host 0.0.0.0", True),
        ("--host 0", True),  # the same
        ("--host 0.0.0.0 --auth me:secret", False),
        ("--host 0.0.0.0 --trust-network", False),
        ("--host 0.0.0.0 --trust-network --share", True),
        ("--share --auth me:secret", True),
        ("GRADIO_SERVER_NAME=0.0.0.0", True),
        ("GRADIO_SERVER_NAME=0.0.0.0 --host 127.0.0.1", False),
    ],
)
def test_who_comes_from_the_network_without_a_password_is_a_visitor(words, public, monkeypatch, capsys):
    built = []
    monkeypatch.setattr(ui, "build", lambda *given: built.append(given) or SimpleNamespace(local_url="", share_url=""))
    monkeypatch.setattr(ui, "launch", lambda *_, opened, **__: opened())
    monkeypatch.setattr(ui, "close", lambda *_, **__: True)
    monkeypatch.setattr(command, "_wait", Mock(side_effect=KeyboardInterrupt))
    variables, flags = re.fullmatch(r"(\w+=\S+)? ?(.*)", words).groups()
    for variable in filter(None, [variables]):
        monkeypatch.setenv(*variable.split("="))
    command.main([*flags.split(), "--port", "0"])
    ((_, _, is_public, limits, *_),) = built
    assert is_public is public and limits == (ServerLimits.public() if public else ServerLimits())
    assert ("--trust-network" in capsys.readouterr().out) == (public and "--share" not in words)


def test_a_host_of_ipv6_is_looked_at_in_the_same_way():
    assert [command._is_here(host) for host in ("::1", "::", "fe80::1")] == [True, False, False]


@pytest.mark.parametrize(
    ("environment", "desktop"),
    [
        ({}, False),
        ({"DISPLAY": ":0"}, True),
        ({"WAYLAND_DISPLAY": "wayland-0"}, True),
        ({"DISPLAY": ":0", "SSH_CONNECTION": "somewhere"}, False),
        ({"DISPLAY": ":0", "SPACE_ID": "me/lab"}, False),
    ],
    ids=str,
)
def test_a_browser_opens_on_a_desktop_only(environment, desktop, monkeypatch):
    monkeypatch.setattr(command.os, "environ", environment)
    monkeypatch.setattr(command.sys, "platform", "linux")
    assert command._desktop() == desktop
