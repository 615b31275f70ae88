"""The frame player in a real browser, with an app that sends it scripted messages."""

import base64
import io
import json
import os
import threading
import time

os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"  # before the import: gradio calls out otherwise

import fastapi
import gradio as gr
import pytest
import uvicorn
from PIL import Image
from ui.tabs.denoise.player import player

pytest_plugins = ("browser",)

N = 50
STEPS = [[1000 - 20 * k, 980 - 20 * k, 0.001 + 0.0199 * k, 0.5 - 0.01 * k] for k in range(N)]
STEPS[30] = [388, 367, 0.2137, 0.1402]
STEPS[31][0] = 367
STEPS[49][3] = 0.0


def sprite(k, kind):
    """A row of two 4x4 pictures whose colour says the step, the picture and the kind."""
    image = Image.new("RGB", (8, 4))
    for n in range(2):
        image.paste((k, 100 * n, kind), (4 * n, 0, 4 * n + 4, 4))
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()


def frames(*ks):
    return [{"lane": 0, "k": k, "x": sprite(k, 0), "x0": sprite(k, 200)} for k in ks]


def plan(**changes):
    lanes = [{"name": "β̃", "steps": STEPS}]
    return {
        "settings": [50, "42"], "title": "tiny · 50 steps", "size": 4, "count": 2, "pixelated": True,
        "seeds": ["42", "9223372036854775807"], "T": 1000, "lanes": lanes, **changes,
    }  # fmt: skip


def running(run, seq, ks, **more):
    return {"run": run, "seq": seq, "state": "running", "frames": frames(*ks), **more}


@pytest.fixture(scope="module")
def url():
    def write(script):
        for message in json.loads(script):
            yield message
            time.sleep(0.05)

    with gr.Blocks() as demo:
        output = player()
        script = gr.Textbox(elem_id="script", max_lines=1)
        send = gr.Button("Send", elem_id="send")
        send.click(write, script, output, show_progress="hidden", trigger_mode="multiple", concurrency_limit=None)
    _, url, _ = demo.launch(prevent_thread_lock=True, quiet=True, server_name="127.0.0.1")
    yield url
    demo.close()


def test_the_player_works_behind_a_root_path(page):
    with gr.Blocks() as demo:
        player()
    app = gr.mount_gradio_app(fastapi.FastAPI(), demo, path="/my lab")
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=0, log_level="error"))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        while not server.started:
            time.sleep(0.02)
        port = server.servers[0].sockets[0].getsockname()[1]
        page.goto(f"http://127.0.0.1:{port}/my%20lab/")
        page.wait_for_function("window.ddpmPlayer?.state().state === 'idle'")
    finally:
        page.goto("about:blank")
        server.should_exit = True
        thread.join(10)


class Player:
    def __init__(self, page, url):
        page.set_default_timeout(15_000)
        page.goto(url)
        self.page = page
        self.root = page.locator(".ddpm-player")
        page.wait_for_function("window.ddpmPlayer")  # its modules are there
        self.wait(state="idle")

    def send(self, *messages, **attributes):
        """Write messages to the component and wait for the attributes they lead to."""
        self.page.locator("#script").locator("input, textarea").fill(json.dumps(messages))
        self.page.locator("#send").click()
        self.wait(**attributes)

    def wait(self, **attributes):
        selector = "".join(f"[data-{name}='{value}']" for name, value in attributes.items())
        self.page.wait_for_selector(f".ddpm-player{selector}")

    def call(self, function, *arguments):
        return self.page.evaluate(f"(values) => window.ddpmPlayer.{function}(...values)", list(arguments))

    def wait_pixel(self, kind, k, n):
        """Wait until the pane shows the picture n of step k."""
        self.wait_colour(f"figure.{kind} canvas", k, 100 * n, 0 if kind == "x" else 200)

    def wait_colour(self, canvas, *colour):
        """Wait until a canvas has this colour (red, green, blue, or with the opacity)."""
        self.page.wait_for_function(
            """([canvas, colour]) => { const c = document.querySelector(canvas);
            const p = c.getContext('2d').getImageData(1, 1, 1, 1).data; return colour.every((v, i) => v === p[i]) }""",
            arg=[canvas, colour],
        )

    def text(self, name):
        return self.page.locator(f".ddpm-player .{name}").text_content()

    def shown(self, name):
        return self.page.locator(f".ddpm-player .{name}").is_visible()


@pytest.fixture
def app(page, url):
    return Player(page, url)


def test_frames_are_collected_drawn_and_read_out(app):
    assert app.text("status-text") == "Ready" and "Press Run" in app.text("lanes")
    app.send(
        {"run": "a", "seq": 1, "state": "loading", "text": "12 of 455 MB", "progress": 0.03, "left": 28},
        state="loading",
    )
    assert app.text("status-text") == "12 of 455 MB" and app.text("status-left") == "28 s left"
    app.send(
        running("a", 2, [0, 3], plan=plan()),
        running("a", 3, [30], left=2.1),
        state="running",
        frames=3,
        k=30,
        live="true",
    )
    assert app.text("readouts") == "step 31/50 · t 388→367 · ᾱ .21 · SNR .27 · σ .14 (18 grey levels) · 2 s left"
    assert app.text("sentence") == "The layout is set; detail follows."
    app.wait_pixel("x", 30, 0)
    app.wait_pixel("x0", 30, 0)
    app.send(running("a", 4, [49]), {"run": "a", "seq": 5, "state": "finished"}, state="finished", k=49)
    assert app.text("readouts").endswith("σ 0: no noise added")
    app.wait_pixel("x", 49, 0)
    assert app.text("announce") == "Finished"
    assert app.call("state") == {"run": "a", "state": "finished", "frames": 4, "k": 49, "live": True}


def test_scrubbing_detaches_and_live_reattaches(app):
    app.send(running("a", 1, [0, 1, 2], plan=plan()), k=2, live="true")
    app.page.locator(".scrubber").fill("1")
    app.wait(k=1, live="false")
    app.send(running("a", 2, [3, 4]), frames=5, k=1, live="false")
    app.wait_pixel("x", 1, 0)
    assert app.page.locator(".scrubber").get_attribute("aria-valuetext") == "step 2 of 50, t 960"
    app.page.locator(".live").click()
    app.wait(k=4, live="true")
    app.send(running("a", 3, [5]), frames=6, k=5)
    box = app.page.locator(".area").bounding_box()
    app.page.mouse.click(box["x"] + box["width"] * 2.9 / 49, box["y"] + 50)  # the chart scrubs, too
    app.wait(k=3, live="false")


@pytest.mark.parametrize(("n", "step"), [(6, 2), (5, 2), (2, None)])
def test_the_middle_number_under_the_chart_stands_at_its_step(app, n, step):
    steps = [[1000 - 100 * k, 900 - 100 * k, 0.1 * k, 0.5] for k in range(n)]
    app.send(running("a", 1, range(n), plan=plan(lanes=[{"name": "β̃", "steps": steps}])), frames=n)
    numbers = app.page.locator(".area + .axis span")
    assert numbers.all_text_contents() == ["t 1000", *([] if step is None else [f"t {steps[step][0]}"]), "t 0"]
    if step is not None:
        app.page.locator(".scrubber").fill(str(step))
        app.wait(k=step)
        marker, number = app.page.locator(".marker").bounding_box(), numbers.nth(1).bounding_box()
        assert abs(marker["x"] + marker["width"] / 2 - number["x"]) < 2  # the number is centred at a box without width


def test_keys_step_jump_and_play_over_the_frames_held(app):
    app.send(running("a", 1, [0, 2, 4, 49], plan=plan()), {"run": "a", "seq": 2, "state": "finished"}, state="finished")
    press = app.page.keyboard.press
    press("Home")
    assert app.call("state")["k"] == 49  # without focus the keys are the page's
    app.root.focus()
    for key, k in (
        ("Home", 0),
        ("ArrowRight", 2),
        ("ArrowRight", 4),
        ("ArrowLeft", 2),
        ("End", 49),
        ("ArrowRight", 49),
    ):
        press(key)
        app.wait(k=k)
    press("Home")
    app.page.locator(".scrubber").focus()
    press("ArrowRight")
    app.wait(k=2)
    press(" ")
    app.wait(k=49)  # played to the end
    app.page.locator(".speed").focus()
    press("Home")
    assert app.page.locator(".speed").input_value() == "0.5" and app.call("state")["k"] == 49


def test_the_batch_is_picked_by_click_and_arrows(app):
    app.send(running("a", 1, [0, 1], plan=plan()), k=1)
    thumbs = app.page.get_by_role("radio")
    assert [thumb.get_attribute("aria-label") for thumb in thumbs.all()] == ["seed 42", "seed 9223372036854775807"]
    thumbs.nth(1).click()
    app.wait_pixel("x", 1, 1)
    app.page.keyboard.press("ArrowLeft")
    app.wait_pixel("x", 1, 0)
    assert thumbs.nth(0).get_attribute("aria-checked") == "true" and app.call("state")["k"] == 1
    assert "seed 42, step 2 of 50" in app.page.locator("figure.x canvas").get_attribute("aria-label")


def test_old_runs_and_repeated_messages_are_ignored(app):
    app.send(running("a", 1, [0, 1, 2], plan=plan()), run="a", frames=3)
    app.send(running("a", 1, [3]), running("a", 2, [2, 4]), frames=4, k=4)
    app.call("starting", [50, "42"])
    app.wait(state="starting", frames=4)
    assert "dim" in app.root.get_attribute("class")
    app.send(running("a", 9, [5]), {"run": "b", "seq": 1, "state": "queued"}, run="b", state="queued", frames=4)
    app.send(running("b", 2, [0], plan=plan()), running("a", 10, [6]), running("b", 3, [1]), run="b", frames=2, k=1)
    assert "dim" not in app.root.get_attribute("class")


def test_frames_before_the_plan_are_kept_for_it(app):
    app.send(running("a", 1, [0, 1]), run="a", frames=0)
    app.send({"run": "a", "seq": 2, "state": "finished", "plan": plan()}, state="finished", frames=2, k=1)


def test_an_error_keeps_the_frames_and_text_is_never_html(app):
    hostile = "<img src=x onerror='window.hacked=1'>"
    app.send(running("a", 1, [0, 1], plan=plan(title=hostile, seeds=[hostile, "43"])), frames=2)
    app.send({"run": "a", "seq": 2, "state": "error", "text": f"Not a number {hostile}"}, state="error", frames=2)
    assert app.text("status-text") == app.text("announce") == f"Not a number {hostile}"
    assert app.text("title") == hostile and app.page.evaluate("window.hacked") is None
    app.root.focus()
    app.page.keyboard.press("Home")
    app.wait(k=0)


def test_changed_settings_are_noted_until_they_are_those_of_the_pictures(app):
    app.call("settings", [60, "42"])
    assert not app.shown("note")
    app.call("starting", [50, "42"])
    app.send(running("a", 1, [0], plan=plan()), run="a", frames=1)
    assert not app.shown("note")
    before = app.text("readouts")
    app.call("settings", [60, "42"])
    assert app.text("note") == "Settings changed: Run to apply" and app.shown("note") and app.text("readouts") == before
    app.call("settings", [50, "42"])
    assert not app.shown("note")


def lanes(n):
    """Two lanes: STEPS, and every fifth of them as a run of its own."""
    fewer = [[t, STEPS[k + 4][1], *rest] for k, (t, _, *rest) in list(enumerate(STEPS))[::5]]
    return [{"name": "βₜ", "steps": STEPS}, {"name": "β̃ₜ, 10 steps", "steps": fewer}][:n]


def in_lane(number, *ks):
    return [frame | {"lane": number, "x": sprite(k * 4 + 10, 60)} for k, frame in zip(ks, frames(*ks), strict=True)]


def test_two_lanes_move_by_t_and_one_with_fewer_steps_holds_its_picture(app):
    two = [*frames(*range(50)), *in_lane(1, *range(10))]
    message = {
        "run": "a",
        "seq": 1,
        "state": "running",
        "plan": plan(lanes=lanes(2), caption="One x_T."),
        "frames": two,
    }
    app.send(message, {"run": "a", "seq": 2, "state": "finished"}, state="finished", frames=60, k=49)
    assert [app.page.locator(".lane h4").nth(i).text_content() for i in range(2)] == ["A: βₜ", "B: β̃ₜ, 10 steps"]
    assert app.text("caption") == "One x_T."
    app.page.locator(".scrubber").fill("7")
    app.wait(k=7)
    rows = app.page.locator(".readouts p")
    assert rows.nth(0).text_content().startswith("A step 8/50 · t 860→840")
    assert rows.nth(1).text_content().startswith("B step 1/10 · t 1000→900")  # until it comes to 800
    app.page.locator(".scrubber").fill("2")
    app.wait(k=2)
    assert "still x_T" in app.page.locator(".lane-1 .at").first.text_content()


def test_the_kind_and_the_difference_of_two_lanes_are_chosen_and_a_tap_enlarges(app):
    two = [*frames(0, 4), *in_lane(1, 0)]
    message = {"run": "a", "seq": 1, "state": "running", "plan": plan(lanes=lanes(2)), "frames": two}
    app.send(message, {"run": "a", "seq": 2, "state": "finished"}, state="finished", frames=3, k=4)
    assert app.page.locator("figure.x canvas:visible").count() == 2 and not app.shown("lanes .lane-0 .x0 canvas")
    app.page.get_by_role("button", name="best guess").click()
    assert app.page.locator("figure.x0 canvas:visible").count() == 2 and not app.shown("lanes .lane-0 .x canvas")
    app.page.get_by_role("button", name="now").click()
    app.page.get_by_role("button", name="×4").click()
    app.wait_colour(".difference canvas", 24, 0, 240)  # step 4 of A is (4, 0, 0), step 0 of B (10, 0, 60)
    app.page.get_by_role("button", name="off").click()
    assert not app.shown("difference canvas")
    app.page.locator(".lane-1 .x .frame").click()
    assert not app.shown("lanes .lane-0") and app.shown("lanes .lane-1")
    app.page.locator(".lane-1 .x .frame").click()
    assert app.shown("lanes .lane-0")


def test_one_lane_after_a_difference_is_drawn_and_the_next_comparison_shows_the_difference_again(app):
    def two(run):
        both = [*frames(0, 4), *in_lane(1, 0)]
        return {"run": run, "seq": 1, "state": "finished", "plan": plan(lanes=lanes(2)), "frames": both}

    app.send(two("a"), run="a", frames=3, k=4)
    app.page.get_by_role("button", name="×4").click()
    app.send({**running("b", 1, [0, 7], plan=plan()), "state": "finished"}, run="b", frames=2, k=7)
    app.wait_pixel("x", 7, 0)
    assert not app.shown("gains")
    app.page.locator(".scrubber").fill("0")
    app.wait_pixel("x", 0, 0)
    app.send(two("c"), run="c", frames=3, k=4)
    app.wait_pixel("x", 4, 0)
    app.wait_colour(".difference canvas", 24, 0, 240)


def test_a_transparent_picture_replaces_the_one_before(app):
    def clear(k, alpha):
        buffer = io.BytesIO()
        Image.new("RGBA", (8, 4), (200, 0, 0, alpha)).save(buffer, "PNG")
        uri = "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()
        return {"lane": 0, "k": k, "x": uri, "x0": uri}

    message = {"run": "a", "seq": 1, "state": "finished", "plan": plan(), "frames": [clear(0, 255), clear(1, 0)]}
    app.send(message, state="finished", k=1)
    app.page.locator(".scrubber").fill("0")
    app.wait_colour("figure.x canvas", 200, 0, 0, 255)
    app.page.locator(".scrubber").fill("1")
    app.wait_colour("figure.x canvas", 0, 0, 0, 0)


def test_two_lanes_stand_side_by_side_on_a_phone(app):
    app.page.set_viewport_size({"width": 390, "height": 844})
    two = [*frames(0, 4), *in_lane(1, 0)]
    app.send({"run": "a", "seq": 1, "state": "running", "plan": plan(lanes=lanes(2)), "frames": two}, frames=3)
    a, b = (app.page.locator(f".lane-{i} .x .frame").bounding_box() for i in range(2))
    assert a["y"] == b["y"] and a["x"] + a["width"] < b["x"] and 150 < a["width"] == b["width"] < 190
    assert b["x"] + b["width"] <= 390 and app.page.evaluate("document.documentElement.scrollWidth") <= 390


def test_the_projector_view_is_large_and_heeds_a_remote_control(app):
    app.send(
        running("a", 1, [0, 1, 2], plan=plan()), {"run": "a", "seq": 2, "state": "finished"}, state="finished", k=2
    )
    app.page.locator("#script").locator("input, textarea").press("f")  # typed, not pressed
    assert "projector" not in app.root.get_attribute("class")
    app.page.locator("#send").press("f")
    app.page.wait_for_selector(".ddpm-player.projector")
    app.page.wait_for_selector(".room p:has-text('--host 0.0.0.0')")
    box = app.root.bounding_box()
    assert (box["x"], box["y"], box["width"], box["height"]) == (0, 0, 1280, 720)
    size = "parseFloat(getComputedStyle(document.querySelector('.readouts p')).fontSize)"
    assert app.page.evaluate(size) >= 24
    assert app.page.locator("figure.x .frame").bounding_box()["height"] > 300
    for key, k in (("PageUp", 1), ("PageUp", 0), ("PageDown", 1)):
        app.page.keyboard.press(key)
        app.wait(k=k)
    app.page.keyboard.press("Escape")
    assert "projector" not in app.root.get_attribute("class")


NAMES = (
    "DDIM, η 0.35, quadratic, 10 steps, mnist-tiny-consistency",
    "UniPC, trailing, 1000 steps, cifar10-tiny-4-steps",
)


@pytest.mark.parametrize("size", [(1024, 768), (1280, 720), (1280, 800), (1920, 1080)], ids="{0[0]}×{0[1]}".format)
@pytest.mark.parametrize("count", [1, 2])
def test_on_a_wall_the_pictures_take_the_room_and_the_labels_are_whole(app, size, count):
    """70 % of the height; where the screen is too narrow for that beside each other, its width."""
    app.page.set_viewport_size({"width": size[0], "height": size[1]})
    own = [{"name": name, "steps": STEPS} for name in NAMES[:count]]
    shown = [{**frame, "lane": lane} for lane in range(count) for frame in frames(48, 49)]
    seeds = [str(seed) for seed in range(16)]
    wide = plan(lanes=own, seeds=seeds, count=16, caption="Two lanes from one x_T. " * 8)
    app.send({"run": "a", "seq": 1, "state": "finished", "plan": wide, "frames": shown}, state="finished")
    app.page.locator("#send").press("f")
    app.page.wait_for_selector(".room p:has-text('--host 0.0.0.0')")
    app.page.wait_for_selector(".sentence:has-text('Measured')")
    boxes = [box.bounding_box() for box in app.root.locator(".frame").all() if box.is_visible()]
    assert len(boxes) == 2
    for box in boxes:
        assert box["width"] == pytest.approx(box["height"], abs=1)
        assert box["height"] >= min(0.7 * size[1], 0.48 * size[0])
        assert box["x"] >= 0 and box["x"] + box["width"] <= size[0]
    cut = """(all) => all.filter((node) => getComputedStyle(node).overflow !== "visible" &&
             (node.scrollWidth > node.clientWidth || node.scrollHeight > node.clientHeight))"""
    for label in (".lane h4", "figcaption", ".readouts p", ".sentence", ".room p", ".status-text"):
        visible = app.root.locator(f"{label}:visible")
        assert visible.evaluate_all(f"{cut}.map((node) => node.textContent)") == [], label
    assert app.root.evaluate("root => [root.scrollWidth, root.scrollHeight]") == [*size]
    for name in (".transport", ".facts", ".room"):
        box = app.root.locator(name).bounding_box()
        assert box["y"] + box["height"] <= size[1] and all(
            box["y"] >= one["y"] + one["height"] or box["y"] + box["height"] <= one["y"] for one in boxes
        ), name


def test_silence_is_a_lost_connection_until_the_next_message(app):
    app.root.evaluate("root => { root.dataset.timeout = 300 }")
    app.send(running("a", 1, [0, 1], plan=plan()), state="lost", frames=2)
    lost = "Connection lost: these frames are kept; Run repeats the run exactly"
    assert app.text("status-text") == app.text("announce") == lost
    app.root.evaluate("root => { root.dataset.timeout = 15000 }")
    app.send(running("a", 2, [2]), state="running", frames=3, k=2)
    app.root.evaluate("root => { root.dataset.timeout = 100 }")
    app.send({"run": "a", "seq": 3, "state": "finished"}, state="finished")
    app.page.wait_for_timeout(300)
    assert app.call("state")["state"] == "finished"  # a run that has ended may be silent


def test_a_phone_shows_one_pane_with_large_targets(app):
    app.page.set_viewport_size({"width": 390, "height": 844})
    app.send(running("a", 1, [0, 1], plan=plan()), k=1)
    assert app.shown("x canvas") and not app.shown("x0 canvas")
    app.page.get_by_role("button", name="best guess").click()
    assert app.shown("x0 canvas") and not app.shown("x canvas")
    assert app.page.evaluate("document.documentElement.scrollWidth") <= 390
    targets = app.page.locator(".ddpm-player :is(button, select, input, summary):visible").all()
    assert len(targets) == 10
    for target in targets:
        box = target.bounding_box()
        assert box["width"] >= 44 and box["height"] >= 44, target.evaluate("node => node.outerHTML")


def test_reduced_motion_slows_the_live_view_and_still_shows_the_last_frame(app):
    app.page.emulate_media(reduced_motion="reduce")
    app.send(running("a", 1, [0], plan=plan()), run="a", frames=1)
    app.send(*(running("a", 2 + k, [1 + k]) for k in range(4)), frames=5)
    assert app.call("state")["k"] < 4
    app.wait(k=4)
    app.send(running("a", 9, [49]), {"run": "a", "seq": 10, "state": "finished"}, state="finished", k=49)
