"""The app as its users meet it: through gradio_client, in a browser, and from the command line."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
import zipfile
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from browser import browser, page  # noqa: F401
from gradio_client import Client
from gradio_client.exceptions import AppError
from PIL import Image
from test_ui_jobs import Models as OneModel

import app as command
import ddpm_core
import ui
from ddpm_core.imaging import to_uint8
from ui.runs import listeners
from ui.runs.job import Job
from ui.runs.line import LINE
from ui.runs.models import Models
from ui.runs.settings import DEFAULTS, PAGE
from ui.runs.warmup import Warmup

FAST = {"steps": 3, "count": 2}
PARAMETERS = {
    "checkpoint": "cifar10-tiny",
    "sampler": "ddpm",
    "steps": 50,
    "spacing": "auto",
    "variance": "beta_tilde",
    "eta": 0.0,
    "clip": None,
    "seed": 13,
    "count": None,
    "label": "any",
    "guidance": 1.0,
}


@pytest.fixture(scope="module")
def served():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Models, "refresh", lambda self: None)  # asks the Hub
        warmups, start = [], Warmup.start
        patch.setattr(Warmup, "start", lambda self: warmups.append(self) or start(self))
        demo = ui.build("cifar10-tiny")
        ui.launch(demo, prevent_thread_lock=True)
        assert warmups[0].ready.wait(60)  # it waits in the line, too, which tests look at
        yield demo
        demo.close()


@pytest.fixture(scope="module")
def url(served):
    return served.local_url


@pytest.fixture(scope="module")
def client(url):
    return Client(url, verbose=False)


@pytest.fixture(scope="module")
def model():
    return ddpm_core.load("cifar10-tiny")


def wait_for(condition, seconds=20):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.02)


def pictures(paths):
    return np.stack([np.asarray(Image.open(path)) for path in paths])


# --- gradio_client


@pytest.mark.parametrize("name", ["/sample", "/trajectory"])
def test_every_parameter_has_a_name_and_the_pages_default(client, name):
    listed = client.view_api(return_format="dict")["named_endpoints"][name]["parameters"]
    assert {parameter["parameter_name"]: parameter["parameter_default"] for parameter in listed} == PARAMETERS
    assert all(parameter["parameter_has_default"] for parameter in listed)


def test_the_endpoints_are_the_only_public_ones(client):
    assert set(client.view_api(return_format="dict")["named_endpoints"]) == {"/sample", "/trajectory"}


def test_sample_gives_png_files_of_what_ddpm_core_samples(client, model):
    paths = client.predict(**FAST, seed=7, label="cat", guidance=2, api_name="/sample")
    assert all(path.endswith(".png") for path in paths)
    expected = ddpm_core.sample(model, [7, 8], 3, variance="beta_tilde", labels=3, guidance=2.0)
    np.testing.assert_array_equal(pictures(paths), expected)


def test_image_i_of_seed_k_is_image_0_of_seed_k_plus_i(client):
    batch = pictures(client.predict(seed=2**32 - 2, count=3, steps=2, variance="beta", api_name="/sample"))
    for i in range(2):
        single = client.predict(seed=2**32 - 2 + i, count=1, steps=2, variance="beta", api_name="/sample")
        np.testing.assert_array_equal(pictures(single)[0], batch[i])


def test_without_a_count_there_are_four_images_or_one(client):
    assert len(client.predict(steps=1, api_name="/sample")) in (1, 4)


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


def test_the_spacing_that_nobody_asked_for_suits_the_sampler(client, model):
    steps = list(client.submit(**FAST, sampler="unipc", api_name="/trajectory"))
    expected = list(ddpm_core.trajectory(model, [13, 14], 3, "unipc", spacing="quadratic"))
    assert [(got["t"], got["s"], got["sigma"]) for got in steps] == [(step.t, step.s, 0) for step in expected]
    np.testing.assert_array_equal(pictures(steps[-1]["x_t"]), to_uint8(expected[-1].x))


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"seed": -1}, "from 0 to 4,294,967,295 (2³² − 1), got '-1'"),
        ({"seed": 2**63}, "from 0 to 4,294,967,295 (2³² − 1), got '9223372036854775808'"),
        ({"seed": "abc"}, "got 'abc'"),
        ({"steps": 0}, "Steps must be a whole number from 1"),
        ({"steps": 1001}, "from 1 to 1000 for this checkpoint, got 1001"),
        ({"count": 17}, "The number of images must be a whole number from 1 to 16"),
        ({"eta": 2, "sampler": "ddim"}, "η must be a number from 0 to 1"),
        ({"label": "unicorn"}, "no class 'unicorn': choose from any, airplane"),
        ({"guidance": 3}, "uidance needs a class"),
        ({"variance": "learned_range"}, "learned_range"),
        ({"checkpoint": "hub id"}, "There is no checkpoint 'hub id'"),
        ({"checkpoint": "/nowhere"}, "There is no folder '/nowhere'"),
    ],
    ids=str,
)
def test_what_is_wrong_is_said_in_one_sentence(client, wrong, sentence):
    for name in ("/sample", "/trajectory"):
        with pytest.raises(AppError) as refusal:
            client.predict(**{**FAST, **wrong}, api_name=name)
        assert sentence in str(refusal.value)
        assert "\n" not in str(refusal.value)


def test_cancelling_a_run_frees_the_lock(client):
    for name in ("/sample", "/trajectory"):
        job = client.submit(steps=1000, count=1, api_name=name)
        wait_for(lambda: len(LINE) == 1)
        job.cancel()
        wait_for(lambda: len(LINE) == 0)


def post(url, name, *data):
    """Order a run as a script would, and don't listen: the address to listen at."""
    body = json.dumps({"data": data}).encode()
    asked = urllib.request.Request(f"{url}gradio_api/call/{name}", body, {"Content-Type": "application/json"})
    return f"{asked.full_url}/{json.load(urllib.request.urlopen(asked))['event_id']}"


LONG = ("cifar10-tiny", "ddpm", 1000, "linspace", "beta", 0, True, 1, 16, "any", 1)


@pytest.fixture
def heard(monkeypatch):
    """Of each run, as soon as that is decided: whether somebody listens."""
    answers, comes = [], listeners.StreamListener.comes

    async def noted(self):
        answers.append(await comes(self))
        return answers[-1]

    monkeypatch.setattr(listeners.StreamListener, "comes", noted)
    return answers


@pytest.mark.parametrize("name", ["sample", "trajectory"])
def test_a_run_that_nobody_listens_to_keeps_nobody_waiting(client, url, name, heard, monkeypatch):
    monkeypatch.setattr(listeners, "PATIENCE", 0.5)
    addresses = [post(url, name, *LONG) for _ in range(3)]
    started = time.monotonic()
    client.predict(**FAST, api_name="/sample")
    assert time.monotonic() - started < 5  # one of them takes minutes
    wait_for(lambda: sorted(heard) == [False, False, False, True])  # else who listens now comes in time
    wait_for(lambda: len(LINE) == 0)
    with urllib.request.urlopen(addresses[0]) as stream:
        assert "its page or script was gone" in stream.read().decode()


@pytest.mark.parametrize("name", ["sample", "trajectory"])
def test_a_run_ends_when_its_listener_leaves_also_while_it_waits(url, name, monkeypatch):
    monkeypatch.setattr(listeners, "PATIENCE", 0.5)
    with urllib.request.urlopen(post(url, name, *LONG)) as stream:
        wait_for(lambda: len(LINE) == 1)
        assert b"event: generating" in stream.readline()
        with urllib.request.urlopen(post(url, name, *LONG)):
            wait_for(lambda: len(LINE) == 2)
            time.sleep(1)
            assert len(LINE) == 2  # heard, and waiting
        wait_for(lambda: len(LINE) == 1)
    wait_for(lambda: len(LINE) == 0)  # one of them takes minutes


@pytest.fixture
def toy(monkeypatch):
    """The parameters of a run of half a minute with a model whose steps take .03 s."""
    models = OneModel(lambda x, t, labels: time.sleep(0.03) or 0.3 * x)
    for name in ("loaded", "known", "get", "fetch"):
        monkeypatch.setattr(Models, name, lambda self, *given, name=name: getattr(models, name)(*given))
    monkeypatch.setattr(Models, "flop", lambda self, ref: None)
    models.get("toy")
    models.model.schedule = ddpm_core.NoiseSchedule.linear()
    return ("toy", "ddpm", 1000, *LONG[3:])


def test_a_short_run_does_not_wait_for_the_end_of_a_long_one(url, client, toy):
    started = time.monotonic()
    with urllib.request.urlopen(post(url, "trajectory", *toy)) as stream:
        assert b"event: generating" in stream.readline()
        assert len(client.predict("toy", **FAST, api_name="/sample")) == 2
        assert time.monotonic() - started < 15 and len(LINE) == 1
    wait_for(lambda: len(LINE) == 0)


@pytest.mark.parametrize("route", ["call/sample", "call/v2/sample", "call/trajectory", "queue/join", "page"])
def test_a_run_without_a_listener_is_not_begun_on_any_route(url, toy, route, heard, monkeypatch):
    """queue/join is what gradio_client asks, and the page, which has told its settings before."""
    monkeypatch.setattr(listeners, "PATIENCE", 0.1)
    begun = []
    monkeypatch.setattr(Job, "_work", lambda self: begun.append(self))

    def send(path, **body):
        asked = urllib.request.Request(f"{url}gradio_api/{path}", json.dumps(body).encode())
        asked.add_header("Content-Type", "application/json")
        urllib.request.urlopen(asked).close()

    if route in ("queue/join", "page"):
        session = {"session_hash": f"deaf {route}"}
        name = "stream" if route == "page" else "sample"
        events = json.load(urllib.request.urlopen(f"{url}config"))["dependencies"]
        (index,) = [event["id"] for event in events if event["api_name"] == name]
        if route == "page":
            send("run/prepare", **session, data=[*(DEFAULTS | {"checkpoint": "toy"}).values(), True, "", ""])
        send("queue/join", **session, fn_index=index, data=[] if route == "page" else toy)
    else:
        send(route, **(dict(zip(PARAMETERS, toy, strict=True)) if "v2" in route else {"data": toy}))
    wait_for(lambda: heard)
    assert heard == [False] and not begun and len(LINE) == 0


@pytest.mark.parametrize("odd", [["a"], None], ids=str)
def test_odd_values_of_the_controls_are_answered(url, odd):
    """Whatever a script sends in the place of the page."""
    for name in PAGE:
        body = json.dumps({"data": list((DEFAULTS | {"compare": True, name: odd}).values())}).encode()
        asked = urllib.request.Request(f"{url}gradio_api/run/describe", body, {"Content-Type": "application/json"})
        assert urllib.request.urlopen(asked).status == 200, name


def test_runs_are_not_taken_past_the_queue(url):
    asked = urllib.request.Request(f"{url}gradio_api/run/sample", b'{"data": []}', {"Content-Type": "application/json"})
    with pytest.raises(urllib.error.HTTPError, match="404"):
        urllib.request.urlopen(asked)


# --- A browser


@pytest.fixture
def lab(page, url):  # noqa: F811
    """The page, quick settings chosen."""
    return opened(page, url)


def opened(page, url, steps=7, count=1):  # noqa: F811
    page.goto(f"{url}?steps={steps}&count={count}")
    page.wait_for_selector(f"#summary:has-text('{steps} steps')", state="attached")
    return page


def choose(page, steps=None, seed=None, variance=None):  # noqa: F811
    for selector, value in (("#steps input[type=number]", steps), ("#seed input", seed)):
        if value is not None:
            page.fill(selector, str(value))
            page.press(selector, "Tab")
    if variance is not None:
        page.check(f"#variance input[value={variance}]")


def player(page, **data):  # noqa: F811
    """Wait until the player's data-* attributes have these values."""
    page.wait_for_selector(".ddpm-player" + "".join(f"[data-{key}='{value}']" for key, value in data.items()))


def run(page):  # noqa: F811
    """Press Run, wait for the end, and return the final picture as the page shows it."""
    before = page.get_attribute(".ddpm-player", "data-run")
    page.click("#run")
    page.wait_for_selector(f".ddpm-player[data-state=finished]:not([data-run='{before}'])")
    return shown(page)


def shown(page):  # noqa: F811
    """The picture x_t, when it is drawn."""
    canvas = "document.querySelector('.ddpm-player figure.x canvas').toDataURL()"
    last, now = None, page.evaluate(canvas)
    while now != last:
        page.wait_for_timeout(150)
        last, now = now, page.evaluate(canvas)
    return now


def test_run_shows_frames_as_they_arrive_and_scrubbing_shows_earlier_ones(page, url):  # noqa: F811
    lab = opened(page, url, steps=60, count=4)
    lab.click("#run")
    lab.wait_for_selector(".ddpm-player[data-state=running]:not([data-frames='0'])")
    seen = int(lab.get_attribute(".ddpm-player", "data-frames"))
    assert seen < 60
    player(lab, state="finished", frames=60, k=59)
    final = shown(lab)
    lab.locator(".scrubber").press("Home")
    player(lab, k=0, live="false")
    assert shown(lab) != final
    assert "step 1/60" in lab.inner_text(".readouts")
    lab.locator(".scrubber").press("End")
    assert shown(lab) == final
    assert "σ 0: no noise added" in lab.inner_text(".readouts")


def test_steps_seed_and_variance_change_the_picture_and_nothing_else_does(lab):
    first = run(lab)
    player(lab, frames=7)
    assert run(lab) == first
    choose(lab, seed=14)
    assert run(lab) != first
    choose(lab, seed=13, variance="beta")
    wide = run(lab)
    assert wide != first
    choose(lab, steps=9, variance="beta_tilde")
    assert run(lab) != first
    player(lab, frames=9)
    choose(lab, steps=7)
    assert run(lab) == first


def test_a_page_whose_state_gradio_has_dropped_loses_nothing(lab, served):
    """Of many pages and calls gradio drops the state of those unused for longest: see SESSIONS."""
    first = run(lab)
    choose(lab, steps=8)
    lab.wait_for_selector(".ddpm-player .note:visible")  # the server has answered
    pages = set(served.state_holder.session_data)
    assert pages

    def are_dropped():
        for i in range(ui.SESSIONS):
            served.state_holder[f"other {i}"]
        return pages.isdisjoint(served.state_holder.session_data)

    wait_for(are_dropped)  # a call of the page that is still on its way brings its state back
    with lab.expect_download() as download:
        lab.click("#save-png")
    assert "7-steps" in download.value.suggested_filename
    assert lab.input_value("#steps input[type=number]") == "8"
    choose(lab, steps=7)
    assert run(lab) == first


def test_changed_settings_leave_the_readouts_and_say_that_run_applies_them(lab):
    run(lab)
    readouts = lab.inner_text(".readouts")
    assert not lab.is_visible(".ddpm-player .note")
    choose(lab, steps=8)
    lab.wait_for_selector(".ddpm-player .note:visible")
    assert lab.inner_text(".readouts") == readouts
    choose(lab, steps=7)
    lab.wait_for_selector(".ddpm-player .note", state="hidden")


@pytest.mark.parametrize("seed", ["-1", str(2**63), "abc"])
def test_a_wrong_seed_is_refused_with_the_range_before_and_after_run(lab, seed):
    choose(lab, seed=seed)
    lab.wait_for_selector("#estimate .wrong:visible >> text=from 0 to 4,294,967,295")
    lab.click("#run")
    player(lab, state="error")
    assert "from 0 to 4,294,967,295" in lab.inner_text(".status-text")


def test_a_late_answer_about_older_settings_is_not_shown(page, url):  # noqa: F811
    """A page that opens asks several times what its settings mean: here only its changes are answered at once."""
    page.add_init_script(
        """
        const send = window.fetch;
        let first;
        window.fetch = async (...given) => {
          const { data = [], fn_index } = JSON.parse(given[1]?.body ?? "{}");
          const answer = await send(...given);
          const late = data.length === COUNT && fn_index !== (first ??= fn_index);
          if (late) await new Promise((resolve) => setTimeout(resolve, 3000));
          return answer;
        };
    """.replace("COUNT", str(len(PAGE)))
    )
    lab = opened(page, url)
    choose(lab, seed=-1)
    lab.wait_for_selector("#estimate .wrong:visible")
    lab.wait_for_timeout(3000)
    assert lab.is_visible("#estimate .wrong")


def test_what_is_found_out_about_a_model_is_said_without_another_change(page, url, monkeypatch):  # noqa: F811
    looked = []
    monkeypatch.setattr(Models, "look", lambda self, ref: time.sleep(1) or looked.append(ref))
    monkeypatch.setattr(Models, "to_download", lambda self, ref: 5_000_000 if looked else None)
    lab = opened(page, url)
    lab.fill("#checkpoint input", "someone/model")
    lab.press("#checkpoint input", "Enter")
    lab.wait_for_selector("#estimate:has-text('5 MB to download first')")
    assert looked == ["someone/model"]


def test_an_unlocked_seed_is_drawn_anew_for_each_run(lab):
    lab.uncheck("#lock input")
    choose(lab, steps=1)
    pictures = {run(lab) for _ in range(3)}
    assert len(pictures) == 3
    assert lab.input_value("#seed input") in lab.inner_text(".ddpm-player .title")
    lab.wait_for_selector(".ddpm-player .note", state="hidden")


def test_stop_keeps_the_frames_and_run_in_a_run_starts_anew(page, url):  # noqa: F811
    lab = opened(page, url, steps=1000, count=4)
    lab.click("#run")
    lab.wait_for_selector(".ddpm-player[data-state=running]:not([data-frames='0'])")
    old = lab.get_attribute(".ddpm-player", "data-run")
    choose(lab, seed=5)
    lab.wait_for_selector(".ddpm-player .note:visible")
    lab.click("#run")
    lab.wait_for_selector(f".ddpm-player[data-state=running]:not([data-run='{old}']):not([data-frames='0'])")
    lab.wait_for_selector(".ddpm-player .title:has-text('seed 5')")  # the old run's stays until the first new frame
    lab.click("#stop")
    player(lab, state="stopped")
    assert int(lab.get_attribute(".ddpm-player", "data-frames")) > 0
    wait_for(lambda: len(LINE) == 0)


def test_two_windows_take_turns_and_a_closed_one_lets_the_other_go_on(page, browser, url):  # noqa: F811
    lab = opened(page, url, steps=1000, count=4)
    lab.click("#run")
    lab.wait_for_selector(".ddpm-player[data-state=running]")
    other = opened(browser.new_page(), url, count=4)
    other.click("#run")
    player(other, state="finished", frames=7)  # though the first one takes much longer
    player(lab, state="running")
    choose(other, steps=1000)
    other.click("#run")
    for window in (lab, other):
        window.wait_for_selector(".status-text:text('Running, shared with 1 other')")
    lab.goto("about:blank")
    other.wait_for_selector(".status-text:text-is('Running')")
    other.click("#stop")
    player(other, state="stopped")
    other.close()


def test_nothing_scrolls_inside_the_controls_and_scrollbars_are_dark_in_dark_mode(lab, url):
    lab.goto(f"{url}?__theme=dark&compare=true")
    lab.wait_for_selector("#compare input:checked", state="attached")
    lab.click("#advanced > button")
    lab.wait_for_selector("#guidance input[type=number]:visible")
    scrolling = """(all) => all.filter((node) => /auto|scroll/.test(getComputedStyle(node).overflow)
                   && (node.scrollHeight > node.clientHeight || node.scrollWidth > node.clientWidth))"""
    assert lab.locator("#controls *").evaluate_all(f"{scrolling}.map((node) => node.className)") == []
    schemes = "(all) => [...new Set(all.map((node) => getComputedStyle(node).colorScheme))]"
    assert lab.locator("html, #controls, .ddpm").evaluate_all(schemes) == ["dark"]


def test_a_class_and_guidance_ddim_and_eta_belong_together(lab):
    lab.click("#advanced > button")
    assert lab.is_disabled("#guidance input[type=number]")
    assert lab.is_disabled("#eta input[type=number]")
    lab.click("#label input")
    lab.get_by_role("option", name="frog").click()
    lab.check("#sampler input[value=ddim]")
    lab.wait_for_selector("#guidance input[type=number]:not([disabled])")
    lab.wait_for_selector("#eta input[type=number]:not([disabled])")
    lab.wait_for_selector("#variance input[disabled]")
    assert "DDIM sets its own σ through η" in lab.inner_text("#variance")
    assert "auto is linspace here" in lab.inner_text("#spacing")
    lab.check("#sampler input[value=unipc]")
    lab.wait_for_selector("#eta input[type=number][disabled]")
    lab.wait_for_selector("#spacing:has-text('auto is quadratic here')")
    assert "UniPC adds no noise" in lab.inner_text("#variance") and lab.is_disabled("#variance input >> nth=0")
    lab.check("#sampler input[value=ddim]")
    lab.wait_for_selector("#eta input[type=number]:not([disabled])")
    run(lab)
    assert "DDIM η 0 · frog" in lab.inner_text(".ddpm-player .title")


def test_the_final_pictures_and_the_trajectory_are_saved_as_files(lab, tmp_path):
    assert lab.is_disabled("#save-png")
    run(lab)
    for name, end in (("png", ".png"), ("gif", ".gif"), ("strip", "-strip.png"), ("zip", ".zip")):
        with lab.expect_download() as download:
            lab.click(f"#save-{name}")
        assert download.value.suggested_filename == f"CIFAR-10-tiny-7-steps-beta_tilde-seed-13{end}"
        download.value.save_as(tmp_path / name)
    assert [Image.open(tmp_path / name).format for name in ("png", "gif", "strip")] == ["PNG", "GIF", "PNG"]
    assert "x_T.npy" in zipfile.ZipFile(tmp_path / "zip").namelist()


def clipboard(page):  # noqa: F811
    """Keep what the page copies: headless Chromium has no clipboard to read."""
    page.evaluate("navigator.clipboard.writeText = async (text) => { window.copied = text; }")


def copied(page, button):  # noqa: F811
    page.evaluate("window.copied = null")
    page.click(button)
    page.wait_for_function("window.copied !== null")
    return page.evaluate("window.copied")


def test_a_comparison_is_reproduced_from_its_link_in_a_fresh_browser(lab, browser):  # noqa: F811
    clipboard(lab)
    choose(lab, seed=9)
    lab.check("#compare input")
    lab.wait_for_selector("#seen:has-text('same noise z')")
    lab.click("#lessons-ab button >> nth=0")
    lab.wait_for_selector("#steps-b input[type=number]:visible")
    lab.wait_for_function("document.querySelector('#steps-b input[type=number]').value === '10'")
    run(lab)
    player(lab, frames=20)
    assert "10 steps · DDPM βₜ against DDPM β̃ₜ · seed 9" in lab.inner_text(".ddpm-player .title")
    assert "the final step can hardly remove that of DDPM βₜ" in lab.inner_text(".ddpm-player .caption")
    link = copied(lab, "#copy-link")
    assert lab.url == link

    other = browser.new_context(viewport={"width": 1280, "height": 720}).new_page()
    other.goto(link)
    other.wait_for_selector("#compare input:checked")
    other.wait_for_selector("#variance-b input[value=beta_tilde]:checked")
    assert other.input_value("#seed input") == "9"
    player(other, state="idle")  # nothing runs by itself
    other.click("#run")
    player(other, state="finished", frames=20)
    canvases = "[...document.querySelectorAll('.lanes figure.x canvas')].map(c => c.toDataURL())"
    shown(lab), shown(other)
    both = other.evaluate(canvases)
    assert both == lab.evaluate(canvases) and both[0] != both[1]
    other.context.close()


def test_a_link_restores_the_other_tabs_and_says_what_it_leaves_out(page, url):  # noqa: F811
    page.goto(f"{url}?steps=0&seed=77&spacing=quadratic&tab=learn&__theme=dark")
    page.wait_for_selector("[role=tab][aria-selected=true]:has-text('Learn')")
    page.wait_for_selector("text=In the address, steps: Steps must be a whole number from 1")
    page.get_by_role("tab", name="Denoise").click()
    assert page.input_value("#seed input") == "77"
    assert page.input_value("#steps input[type=number]") == "50"


def test_copied_scripts_are_those_of_the_settings(lab):
    clipboard(lab)
    choose(lab, seed=123)
    lab.wait_for_selector("#summary:has-text('seed 123')", state="attached")
    assert "seeds=range(123, 12" in copied(lab, "#copy-python") and "steps=7" in lab.evaluate("window.copied")
    assert "set_timesteps" in copied(lab, "#copy-diffusers")
    lab.check("#compare input")
    lab.wait_for_selector("#copy-diffusers:disabled")
    lab.wait_for_selector("#seen:has-text('same noise z')")
    assert "side_by_side" in copied(lab, "#copy-python")


def test_on_a_laptop_run_is_in_sight_and_nothing_is_cut_off(lab):
    box = lab.locator("#run").bounding_box()
    assert box["y"] + box["height"] < 720
    assert lab.locator("#controls").bounding_box()["width"] == 320
    assert lab.evaluate("document.documentElement.scrollWidth") <= 1280


def test_on_a_phone_pictures_come_first_and_run_is_at_hand(browser, url):  # noqa: F811
    phone = browser.new_page(viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    phone.goto(url)
    phone.wait_for_selector("#summary:has-text('seed 13')")
    assert not phone.is_visible("#steps")
    phone.tap("#summary")
    choose(phone, steps=2)
    phone.wait_for_selector("#summary:has-text('2 steps')")
    phone.tap("#run")
    player(phone, state="finished", frames=2)
    assert not phone.is_visible("#steps")
    assert phone.evaluate("document.documentElement.scrollWidth") <= 390
    for selector in ("#run", "#stop", "#dice-bar", "#summary"):
        box = phone.locator(selector).bounding_box()
        assert box["height"] >= 44
        assert box["width"] >= 44
    assert phone.locator("#run").bounding_box()["y"] > 760
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


@pytest.mark.parametrize("host", ["::1", "[::1]"])
def test_the_page_is_served_at_an_ipv6_address(host):
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("this machine has no IPv6")
    arguments = [sys.executable, "app.py", "--host", host, "--port", "0", "--no-browser"]
    server = subprocess.Popen(arguments, cwd=Path(command.__file__).parent, stdout=subprocess.PIPE, text=True)
    try:
        address = re.fullmatch(r"DDPM Lab: (http://\[::1\]:\d+/)\n", server.stdout.readline())[1]
        assert json.load(urllib.request.urlopen(address + "health"))["status"] == "ok"
    finally:
        server.terminate()
        server.communicate(timeout=60)


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


def test_the_command_prints_the_address_asks_for_the_password_and_logs():
    arguments = [sys.executable, "app.py", "--port", "0", "--auth", "me:secret", "--no-browser", "--log-json"]
    root = Path(command.__file__).parent
    server = subprocess.Popen(arguments, cwd=root, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        line = server.stdout.readline()
        address = re.fullmatch(r"DDPM Lab: (http://127\.0\.0\.1:\d+/)\n", line)[1]
        with pytest.raises(urllib.error.HTTPError, match="401"):
            urllib.request.urlopen(address + "config")
        body = urllib.parse.urlencode({"username": "me", "password": "secret"}).encode()
        assert urllib.request.urlopen(address + "login", body).status == 200
        assert json.load(urllib.request.urlopen(address + "health"))["status"] == "ok"
    finally:
        server.terminate()
        lines = server.communicate(timeout=60)[1].splitlines()
        assert server.returncode == 0
    events = [json.loads(line)["event"] for line in lines]
    assert [event for event in events if event != "message"] == ["started", "stopping", "stopped"]


def test_ctrl_c_during_a_run_ends_the_command_in_order():
    arguments = [sys.executable, "app.py", "--port", "0", "--no-browser"]
    root = Path(command.__file__).parent
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    # A process that a shell starts in the background ignores Ctrl-C, and so would its children.
    as_usual = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    # Python's own warnings depend on which of two threads imports first.
    quiet = {**os.environ, "PYTHONWARNINGS": "ignore"}
    server = subprocess.Popen(arguments, cwd=root, preexec_fn=as_usual, env=quiet, **pipes)
    try:
        url = server.stdout.readline().removeprefix("DDPM Lab: ").strip()
        with urllib.request.urlopen(post(url, "sample", "mnist-tiny", *LONG[1:])) as stream:  # the one that is ready
            assert b"event: generating" in stream.readline()
            server.send_signal(signal.SIGINT)
            said = server.communicate(timeout=120)[1]
        assert (server.returncode, said) == (0, "")
    finally:
        server.kill()
