"""What `python -m ui.static` writes: in node, and in a browser whose other connections are cut."""

import base64
import csv
import functools
import gzip
import hashlib
import html
import http.server
import io
import json
import os
import random
import re
import shutil
import subprocess
import threading
import urllib.parse
import zipfile
import zlib
from pathlib import Path

import kinds
import numpy as np
import pipelines
import plans
import pytest
import toylab
from browser import ARGS, CALM, MOTION, NAME, _missing, browser, chromium_path  # noqa: F401, a fixture
from parts import ON_PAGE
from PIL import Image
from test_ui_files import grain

import ddpm_core
from ddpm_core import imaging, restore
from ddpm_core.checkpoint import refs
from ddpm_core.checkpoint.refs import CheckpointError
from ddpm_core.noise import gaussian_batch
from ddpm_core.samplers import SWITCHES
from ui.forms.fields import sentence
from ui.runs import touch
from ui.serving.scripted import run_of_link
from ui.serving.server import build
from ui.static.__main__ import main
from ui.static.folder import CLIENT, write
from ui.web import DIGITS
from ui.web.scripts import COMMON, PAGE, WORKER, scripts

MODELS = ["mnist-tiny", "cifar10-tiny", "mnist-tiny-consistency", "mnist-tiny-2-steps", "emoji-tiny"]
ROOT = Path(__file__).parents[2]
TOUCH = "490-noise-100-7.7-6.7_300-255.255.255-50-3.3_490-clean-80-4.4"
LOCAL = ROOT / "ui/web/tests/local"


@pytest.fixture(scope="module")
def folder(tmp_path_factory, narrow_page):
    out = tmp_path_factory.mktemp("site") / "a" / "lab"
    assert write(out, MODELS) == []
    return out


@pytest.fixture(scope="module")
def app(narrow_page):
    return build("mnist-tiny", device="cpu")


def node(script, *arguments):
    if not shutil.which("node"):
        _missing("node is not installed")
    done = subprocess.run(["node", LOCAL / script, *map(str, arguments)], capture_output=True, timeout=120)
    assert done.returncode == 0, done.stderr.decode()[-3000:]
    return json.loads(done.stdout)


def settings(draw):
    """Values of a part as its form has them; some are wrong."""
    ref = draw.choice(MODELS)
    one = {
        "checkpoint": ref,
        "steps": draw.choice([1, 2, 4, 8, 10, 20, 50, 100, 1000, 1001, "x"]),
        "sampler": draw.choice(["ddpm", "ddpm", "ddim", "dpm++", "unipc", "heun", "heun", "consistency", "euler"]),
        "variance": draw.choice(["beta", "beta_tilde", "analytic", "learned"]),
        "spacing": draw.choice(
            ["auto", "auto", "linspace", "trailing", "leading", "quadratic", "quadratic_T", "optimised"]
        ),
        "eta": draw.choice([0, 0.5, "1", 0.123456789, 2]),
        **{name: draw.choice([False, True]) for name in SWITCHES},
        "S_churn": draw.choice([0, 2, "40", 0.5, 101]),
        "S_min": draw.choice([0, 0.05, "x"]),
        "S_max": draw.choice(["", None, 50, "7.5"]),
        "S_noise": draw.choice([1, 1.003, "0.9"]),
        "seed": draw.choice([0, 13, 2**32 - 1, -1, "7"]),
        "label": draw.choice(["any", "any", "3", "cat", "red"]),
        "guidance": draw.choice(["", None, 1, 2.5, "3", 11]),
        "prompt": draw.choice(["", "", "red apple", 'l\'été "x"  y']),
        "negative": draw.choice(["", "", "blurred"]),
        "count": draw.choice([1, 2, 4, 16, 17]),
        "clip": draw.choice([None, True, False]),
    }
    part = draw.choice(["watch", "compare", "grid", "latents", "repair", "plane"])
    if part == "compare":
        one |= {f"{name}_b": value for name, value in settings(draw)[1].items() if name in PAIR and draw.random() < 0.5}
        one["checkpoint_b"] = draw.choice(["same", *MODELS])
    one |= {
        "rows": draw.choice(["variance", "sampler"]),
        "columns": draw.choice(["5, 10", "2 4 50", "", "10, x"]),
        "mode": draw.choice(["reconstruct", "interpolate"]),
        "times": draw.choice(["", "500", "1000, 562, 62", "2000", "0.5, 12.25", "σ 50, 10, 0.5", "sigma .2", "σ"]),
        "task": draw.choice(["mask", "downsample", "grey", "blur"]),
        "method": draw.choice(["ddnm", "replacement", "repaint"]),
        "method_b": draw.choice(["none", "ddnm", "repaint"]),
        "shape": draw.choice(["ring", "moons", "drawing"]),
        "drawing": draw.choice(["", "1,2 3,-40", "x"]),
        "steps_b": draw.choice([1, 10, 50]),
        "touch": draw.choice(["", "", TOUCH, TOUCH, "490-0.128.255-7-3.3", "490-noise-100-16.0", "x"]),
        "width": draw.choice([0.06, "0.1", 3]),
    }
    wanted = draw.sample(sorted(one), draw.randint(1, len(one)))
    return part, {name: one[name] for name in wanted}


UNSEEN = "red \u202e\u2066\u3164\ufe0f\u05d0\x1b\u0430pple é \U000e0100😀"  # by repr, or at all
APART = ("estimate", "seconds", "auto", "steps", "shown", "order", "of", "asked", "refs")
PAIR = ("prompt", "steps", "variance", "sampler", "spacing", "eta", "S_churn", "S_max", *SWITCHES, "guidance")


def normal(answer):
    """What the page says of settings, but for what an engine tells and what is compared apart; packed pixels are
    unpacked.
    """
    answer = {name: value for name, value in answer.items() if value and name not in APART}
    script = answer.get("python", "")
    for packed in re.findall(r'b64decode\("([\w=-]+)"\)', script):
        script = script.replace(packed, zlib.decompress(base64.urlsafe_b64decode(packed)).hex())
    return answer | ({"python": script} if script else {})


def counted(app, part, asked):
    """How many steps of each kind the server would compute of what the page asks."""
    run = app.parts[part].request(asked)
    plan = run.checked_plan([app.services.models.known(ref) for ref in run.refs])
    return {(kind.ref, kind.batch, kind.lanes): n for kind, n in plan.steps.items()}


def test_both_editions_of_the_page_plan_the_same_and_the_server_counts_as_they_do(folder, app, tmp_path):
    draw = random.Random(4)
    asked = [("watch", {}), ("compare", {}), ("grid", {}), ("latents", {}), ("repair", {}), ("plane", {})]
    asked += [("watch", {"checkpoint": path}) for path in (r"\\host\x", " //host/x ", r"\??\UNC\host\x")]
    asked += [("watch", {"checkpoint": "emoji-tiny", "prompt": UNSEEN})]
    asked += [settings(draw) for _ in range(150)]
    (tmp_path / "asked.json").write_text(json.dumps(asked))
    answers = node("texts.mjs", folder, tmp_path / "asked.json")
    for (part, values), answer in zip(asked, answers, strict=True):
        said = plans.described(app, part, values)
        if isinstance(said, str):
            assert answer["error"] == sentence(ValueError(said)), (part, values)
        else:
            kinds_of = {tuple(step["kind"].values()): step["n"] for step in said["steps"]}
            assert part == "plane" or kinds_of == counted(app, part, said["asked"]), (part, values)
            assert normal(answer) == normal(said), (part, values)


def test_a_folder_whose_address_is_known_says_it_to_other_sites(tmp_path, narrow_page, capsys):
    main([str(tmp_path / "out"), "--models", "mnist-tiny", "--address", "https://lab.example/ddpm"])
    page = (tmp_path / "out/index.html").read_text("utf-8")
    assert '<link rel="canonical" href="https://lab.example/ddpm/">' in page
    preview = re.search('og:image" content="https://lab.example/ddpm/(web/[^"]*)"', page)
    assert preview and (tmp_path / "out" / preview[1]).is_file()
    with pytest.raises(SystemExit, match="--address is a web address without"):
        main([str(tmp_path / "out"), "--address", "lab.example"])


def test_every_icon_of_the_manifest_is_in_the_folder_and_has_its_size(folder):
    found = json.loads((folder / "app.webmanifest").read_text("utf-8"))["icons"]
    assert [icon.get("purpose") for icon in found].count("maskable") == 1
    for icon in found[1:]:
        assert "x".join(map(str, Image.open(folder / icon["src"]).size)) == icon["sizes"]
    touch = re.search('apple-touch-icon" href="([^"]*)"', (folder / "index.html").read_text("utf-8"))
    assert touch and Image.open(folder / touch[1]).size == (180, 180)


def test_what_a_form_offers_for_a_model_is_the_same_without_a_server(folder, app):
    for ref, offered in node("about.mjs", folder).items():
        assert plans.offered(app.services, ref) == offered | {
            name: plans.offered(app.services, ref)[name] for name in ("examples", "count")
        }


def test_the_inside_of_a_network_is_the_same_without_a_server(folder, app):
    asked = {"checkpoint": "mnist-tiny", "seed": "7", "steps": "4", "block": "up 1"}
    for values in ({"off": "middle, time", "first": "3", "place": "30 70"}, {"graft": "1", "last": "2"}):
        theirs = node("inside.mjs", folder, json.dumps(asked | values))
        assert theirs["state"] == "finished", theirs["text"]
        _, messages = toylab.messages(app.parts["network"], "network", asked | values)
        (plan, *frames), (their_plan, *their_frames) = toylab.results(messages), theirs["results"]
        assert {**plan, "r2": None} == {**their_plan, "r2": None}
        assert len(frames) == len(their_frames) == 8
        for ours, other in zip(frames, their_frames, strict=True):
            assert [ours[name] for name in ("lane", "k", "t")] == [other[name] for name in ("lane", "k", "t")]
            pairs = [(ours[name], other[name]) for name in ("x", "x0", "channels")]
            pairs += [pair for pair in zip(ours["colours"], other["colours"], strict=True)]
            looks = zip(ours.get("looks", ()), other.get("looks", ()), strict=True)
            assert ("looks" in ours) == ("place" in values)
            for one, two in looks:
                assert one["layer"] == two["layer"]
                pairs.append((one["maps"], two["maps"]))
            for one, two in pairs:
                gap = np.abs(one.astype(int) - np.reshape([picture["data"] for picture in two], one.shape))
                assert gap.max() <= 1 and (gap > 0).mean() < 0.01  # float32 in another order


def test_a_folder_of_ones_own_keeps_its_path_to_itself(tmp_path):
    own = tmp_path / "my secret" / "model"
    shutil.copytree(ROOT / "checkpoints/mnist-tiny", own)
    pickle = tmp_path / "pickled"
    shutil.copytree(own, pickle)
    (pickle / "diffusion_pytorch_model.safetensors").rename(pickle / "diffusion_pytorch_model.bin")
    pipelines.score(tmp_path / "score")
    kinds.transformer(tmp_path / "dit")
    facts = json.loads((shutil.copytree(own, tmp_path / "corrects") / "ddpm_core.json").read_text())
    (tmp_path / "corrects/ddpm_core.json").write_text(json.dumps(facts | {"snr": 0.2}))
    others = [str(tmp_path / name) for name in ("score", "dit", "corrects")]
    refused, score, dit, corrects = write(tmp_path / "out", [str(own), str(pickle), *others])
    assert "a score or consistency model, which a browser does not compute yet" in score
    assert "a model with corrections of its own, which a browser does not compute yet" in corrects
    assert "DiTTransformer2DModel, which a browser does not compute yet" in dit
    assert "which a browser can't read" in refused
    texts = [file.read_text("utf-8") for file in (tmp_path / "out").rglob("*.json")]
    texts += [(tmp_path / "out/index.html").read_text("utf-8")]
    assert not [text for text in texts if "secret" in text]
    (tmp_path / "asked.json").write_text(json.dumps([["watch", {"checkpoint": "model"}]]))
    (answer,) = node("texts.mjs", tmp_path / "out", tmp_path / "asked.json")
    assert answer["python"] == "# Only this page has the model of this run\n"
    with pytest.raises(CheckpointError, match="other files"):
        write(tmp_path, ["mnist-tiny"])


def test_little_is_sent_before_run_can_be_pressed_and_before_the_first_run_ends(folder):
    """As a web server sends it that compresses all."""

    def sent(*patterns):
        files = [file for pattern in patterns for file in folder.glob(pattern)]
        assert len(files) >= len(patterns)
        return sum(len(gzip.compress(file.read_bytes(), 6)) for file in files)

    names = ("page.css", PAGE, COMMON, "parts/watch/example.json", "icons/icon.svg", "models/mnist-tiny.webp")
    before = sent("index.html", *(f"web/*/{name}" for name in names))
    assert before < 205_000
    model = folder / "checkpoints/mnist-tiny"
    read = [f"checkpoints/mnist-tiny/{file.name}" for file in model.iterdir() if "readers" not in file.name]
    read += [f"web/*/{WORKER}", "web/*/network/kernel.wasm", "knowledge/*/knowledge.json"]
    assert before + sent(*read) < 1.5e6


# --- In a browser


class Site:
    """The folder on a plain file server, under a sub-path."""

    def __init__(self, folder):
        handler = functools.partial(Quiet, directory=folder.parents[1])
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.server.handle_error = lambda *_: None  # a page that is closed breaks its connections
        self.address = f"http://127.0.0.1:{self.server.server_port}/a/lab/"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def stop(self):
        self.server.shutdown()
        self.server.server_close()


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format, *args):
        pass


@pytest.fixture(scope="module")
def site(folder):
    site = Site(folder)
    yield site
    site.stop()


def new_page(context, at):
    new = context.new_page()
    new.errors = []
    new.on("pageerror", lambda error: new.errors.append(str(error)))
    new.goto(at)
    new.wait_for_selector("html[data-ready=true]")
    return new


def profile(browser, routes=None, **options):  # noqa: F811
    """One of its own. routes: what answers in the place of the network, by patterns of addresses."""
    # Without the page's policy, as playwright evaluates strings in it.
    context = browser.new_context(**{"bypass_csp": True, "service_workers": "block"} | CALM | options)
    context.set_default_timeout(120_000)
    for pattern, answer in (routes or {}).items():
        context.route(pattern, answer)
    return context


@pytest.fixture(scope="module")
def visited(browser, site):  # noqa: F811
    """A profile in which the page was opened before."""
    context = profile(browser)
    yield context
    context.close()


@pytest.fixture
def window(visited, site):
    """open(query) opens a page of the module's profile."""
    opened = []

    def open_page(query):
        opened.append(new_page(visited, site.address + query))
        return opened[-1]

    yield open_page
    for one in opened:
        one.close()
    assert not [error for one in opened for error in one.errors]


@pytest.fixture
def fresh(browser, site):  # noqa: F811
    """open(query) opens a page in a profile of its own, see `profile`."""
    contexts = []

    def open_page(query="", **options):
        contexts.append(profile(browser, **options))
        return new_page(contexts[-1], site.address + query)

    yield open_page
    errors = [error for context in contexts for one in context.pages for error in getattr(one, "errors", [])]
    for context in contexts:
        context.close()
    assert not errors


def link(part, values):
    return "?" + urllib.parse.urlencode({"tab": part, **values})


def go(page, part, values):
    """As a button that leads there does."""
    page.evaluate("([part, values]) => page.open(part, page.whole(part, values), { cause: 'press' })", [part, values])


def finished(page, part):
    """Run what the link says, unless it runs by itself, and wait for its end."""
    place = page.locator(f".part-{part}")
    page.wait_for_function(
        f"""() => {{
            const part = document.querySelector(".part-{part}");
            if (part?.dataset.state === "idle" && part.dataset.described > 0) part.querySelector(".run").click();
            return ["finished", "error"].includes(part?.dataset.state);
        }}""",
        polling=200,
    )
    assert place.get_attribute("data-state") == "finished", place.inner_text()[:300]


def press(page, title):
    """An entry of the Share menu."""
    if not page.locator("#share-menu").is_visible():
        page.get_by_role("button", name="Share").click()
    page.locator("#share-menu").get_by_role("button", name=title).click()


def test_the_entries_of_share_keep_their_places_while_texts_are_written(fresh):
    """Else a press hits what has moved under it."""
    page, held = fresh("?tab=watch"), []
    page.route("**/run/embed.js", lambda route: held.append(route))
    with page.expect_request("**/run/embed.js"):
        page.get_by_role("button", name="Share").click()
    menu = page.locator("#share-menu")
    waiting, below = menu.get_by_role("button", name="Embed", exact=True), menu.get_by_role("button", name="WebP")
    assert waiting.is_disabled()
    before = below.bounding_box()
    held.pop().continue_()
    menu.locator("button:enabled", has_text="Embed as <ddpm-figure>").wait_for()
    assert waiting.is_enabled()
    assert before and below.bounding_box() == before


def saved(page, title):
    """The bytes of a file of the Share menu."""
    with page.expect_download() as download:
        press(page, title)
    return Path(download.value.path()).read_bytes()


def png(page):
    """The pixels of the run on screen, as a file: the menu has them in the ZIP, where there is one."""
    page.wait_for_selector("#place > section:not([hidden])[data-state=finished]")
    packed = page.evaluate(
        """async () => {
            const { run } = document.querySelector("#place > section:not([hidden])").dataset;
            const { knowledge, part } = page;
            const { values } = JSON.parse(sessionStorage.getItem(`lab-run-${part}`));
            const found = { ...(await page.client.kept(run)), plan: (await knowledge.order(part, values)).plan };
            const { save } = await (await knowledge.plansOf(part)).files();
            const [, bytes] = await save("png", found, knowledge.catalogue, async () => {});
            return btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(""));
        }"""
    )
    return base64.b64decode(packed)


def pixels(file):
    image = np.asarray(Image.open(io.BytesIO(file)))
    return image if image.ndim == 3 else image[..., None]


def run_of(draw):
    """A random run of Watch as a link has it, and the same for ddpm_core."""
    ref = draw.choice(["mnist-tiny", "mnist-tiny", "cifar10-tiny", "mnist-tiny-consistency"])
    student = ref.endswith("consistency")
    sampler = "consistency" if student else draw.choice(["ddpm", "ddim", "dpm++", "unipc"])
    values = {"checkpoint": ref, "sampler": sampler, "seed": draw.randrange(2**32), "count": draw.choice([1, 2])}
    values["steps"] = draw.choice([1, 2, 3] if student else [2, 4, 7])
    same = {"steps": values["steps"], "sampler": sampler}
    if sampler == "ddpm":
        values["variance"] = same["variance"] = draw.choice(["beta", "beta_tilde", "analytic"])
    if sampler == "ddim":
        values["eta"] = same["eta"] = draw.choice([0.0, 0.5, 1.0])
    if not student:
        values["spacing"] = same["spacing"] = draw.choice(["linspace", "leading", "trailing", "quadratic"])
    if same.get("variance") != "analytic":
        values["label"] = draw.choice(["any", "cat" if ref == "cifar10-tiny" else "3"])
        if values["label"] != "any":
            same["labels"] = 3
            values["guidance"] = same["guidance"] = draw.choice([1.0, 2.0])
    return values, same


@functools.cache
def loaded(ref):
    return ddpm_core.load(ref, device="cpu", engine="torch", precision="fp32")


def close(one, other):
    """The same picture: rounding may move a level by one, in one pixel of a thousand."""
    differ = np.abs(one.astype(int) - other.astype(int))
    return one.shape == other.shape and differ.max() <= 1 and (differ > 0).mean() <= 2e-3


def test_links_show_the_pictures_of_the_library(window, site):
    """The first ones as addresses, the others as a button of the page that leads there."""
    opened = window("")
    for number in range(int(os.environ.get("DDPM_LINKS", "6"))):
        values, same = run_of(random.Random(number))
        seeds = range(values["seed"], values["seed"] + values["count"])
        images = ddpm_core.sample(loaded(values["checkpoint"]), seeds, **same)
        before = opened.locator(".part-watch").get_attribute("data-run")
        if number < 2:
            opened.goto(site.address + link("watch", values))
        else:
            go(opened, "watch", values)
            opened.wait_for_selector(f".part-watch:not([data-run='{before}'])")
        finished(opened, "watch")
        assert close(pixels(png(opened)), imaging.grid(images)), (number, values)


def endings(model, text, seeds, **way):
    """Both endings of a touched run, each uint8 (N, H, W, C)."""
    times = [step.s for step in ddpm_core.trajectory(model, seeds, **way)]
    at = touch.touches([touch.StrokeAsked(**one) for one in toylab.strokes(text, times)], model, times)
    both = [ddpm_core.sample(model, seeds, **way, on_step=on) for on in (None, touch.on_step(at, seeds, model))]
    assert (both[0] != both[1]).any()
    return both


def test_two_lanes_and_rows_are_those_of_the_library(window, site):
    model = loaded("mnist-tiny")
    opened = window(link("compare", {"seed": 7, "steps": 3, "steps_b": 4, "count": 2}))
    finished(opened, "compare")
    lanes = [{"steps": 3, "variance": "beta"}, {"steps": 4, "variance": "beta_tilde"}]
    both = np.concatenate([ddpm_core.sample(model, [7, 8], **lane) for lane in lanes])
    assert close(pixels(png(opened)), imaging.grid(both, 2))

    opened = window(f"{link('watch', {'seed': 7, 'steps': 5, 'count': 2})}#touch={TOUCH}")
    finished(opened, "watch")
    opened.wait_for_selector(".part-watch .ddpm-player[data-frames='10']")
    opened.wait_for_selector(".part-watch .sentence:has-text('A and B share')")
    ends = endings(model, TOUCH, [7, 8], steps=5, variance="beta_tilde")
    assert close(pixels(png(opened)), imaging.grid(np.concatenate(ends), 2))

    go(opened, "latents", {"seed": 7, "steps": 4, "count": 2, "times": "600, 0"})
    finished(opened, "latents")
    x_0 = ddpm_core.sample(model, [7], steps=4, variance="beta_tilde")
    rows = [
        ddpm_core.reconstruct(model, ddpm_core.encode(model, x_0, t, [7]), t, [8, 9], steps=4, variance="beta_tilde")
        for t in (600, 0)
    ]
    assert close(pixels(png(opened)), imaging.grid(np.concatenate(rows), 2))

    go(opened, "repair", {"seed": 7, "steps": 2, "count": 2, "method_b": "repaint", "task": "downsample"})
    finished(opened, "repair")
    x_0 = ddpm_core.sample(model, [7], steps=2, variance="beta_tilde")
    A = restore.downsample(4)
    y = A(ddpm_core.from_uint8(x_0))
    rows = []
    for method in ("ddnm", "repaint"):
        *_, last = restore.restore(model, y, A, method, [8, 9], steps=2, variance="beta_tilde")
        rows.append(ddpm_core.to_uint8(last.x))
    assert close(pixels(png(opened)), imaging.grid(np.concatenate(rows), 2))

    asked = {"seed": 7, "steps": 9, "count": 3, "touch": TOUCH}
    several, workers = opened.evaluate(RUN, asked), len(opened.workers)
    opened.add_init_script("Object.defineProperty(navigator, 'hardwareConcurrency', { value: 1 })")
    opened.goto(site.address + "?tab=course")
    opened.wait_for_selector("html[data-ready=true]")
    assert opened.evaluate(RUN, asked) == several and len(several) == 19
    assert (workers > 1, len(opened.workers)) == (os.cpu_count() != 1, 1)


def test_grid_plane_forward_and_what_only_the_installed_lab_does(window):
    opened = window(link("grid", {"columns": "2, 3", "seed": 5}))
    finished(opened, "grid")
    assert opened.locator(".part-grid").get_attribute("data-cells") == "6"
    assert opened.locator(".part-grid .cells-of-grid button").count() == 6

    go(opened, "plane", {"cloud": 50, "steps": 4, "steps_b": 5})
    finished(opened, "plane")

    go(opened, "forward", {"picture": "cat", "t": 30})
    opened.get_by_text("√ᾱ").first.wait_for()

    opened.evaluate("page.open('likelihood', null)")
    shown = opened.locator("#place > section:not([hidden])")
    shown.get_by_text("python app.py").first.wait_for()
    shown.get_by_text("Example", exact=True).first.wait_for()

    go(opened, "course", {})
    opened.locator("[data-cards]:not([data-cards='0'])").wait_for()


def test_films_and_strips_hold_their_settings(window):
    opened = window(link("compare", {"seed": 7, "steps": 3, "steps_b": 3, "count": 1}))
    finished(opened, "compare")
    film = Image.open(io.BytesIO(saved(opened, "Film (GIF)")))
    assert film.n_frames == 3 and 500 <= film.width <= 600
    strip = Image.open(io.BytesIO(saved(opened, "Film strip (PNG)")))
    for about in (film.info["comment"].decode(), strip.text["Description"]):
        assert [lane["variance"] for lane in json.loads(about)["lanes"]] == ["beta", "beta_tilde"]
    rows = list(csv.DictReader(io.StringIO(saved(opened, "Table (CSV)").decode())))
    lanes = pixels(png(opened)).astype(float)
    a, b = lanes[:28], lanes[-28:]
    assert float(rows[2]["grain"]) == pytest.approx(grain(a), rel=1e-3)  # of four digits
    assert float(rows[5]["distance"]) == pytest.approx(np.sqrt(((a - b) ** 2).mean()), rel=1e-3)
    film.seek(2)  # the colours of a GIF of digits are their own
    assert np.asarray(film.convert("L")).max() > 200
    film = Image.open(io.BytesIO(saved(opened, "WebP")))
    assert film.n_frames == 3 and film.width >= 1000
    assert json.loads(film.getexif()[0x010E])["seed"] == 7
    film.seek(2)
    assert np.asarray(film.convert("L")).max() > 200

    with zipfile.ZipFile(io.BytesIO(saved(opened, "Everything (ZIP)"))) as kept:
        assert kept.testzip() is None
        inside = {name: kept.read(name) for name in kept.namelist()}
    assert json.loads(inside["settings.json"])["count"] == 1
    assert "ddpm_core.load('mnist-tiny', precision='fp32')" in inside["run.py"].decode()
    assert inside["steps.csv"].startswith(b"lane,name,step")
    assert (np.load(io.BytesIO(inside["x_T.npy"])) == gaussian_batch([7], 0, (1, 28, 28)).numpy()).all()
    for lane, variance in zip("ab", ("beta", "beta_tilde"), strict=True):
        *_, last = ddpm_core.trajectory(loaded("mnist-tiny"), [7], steps=3, variance=variance)
        x_0 = np.load(io.BytesIO(inside[f"lane-{lane}/x_0.npy"]))
        assert np.abs(x_0 - last.x.numpy()).max() < 1e-4  # networks agree to 2e-6, which three steps enlarge
        assert close(pixels(inside[f"lane-{lane}/seed-7/x_0000.png"]), ddpm_core.to_uint8(last.x)[0])
        assert len([name for name in inside if name.startswith(f"lane-{lane}/seed-7")]) == 3


def test_a_page_opens_without_a_network_after_its_first_visit(browser, folder):  # noqa: F811
    site = Site(folder)
    context = browser.new_context(bypass_csp=True)
    context.set_default_timeout(120_000)
    opened = context.new_page()
    try:
        opened.goto(site.address + link("watch", {"steps": 2, "seed": 3}))
        finished(opened, "watch")
        opened.evaluate("navigator.serviceWorker.ready.then(() => true)")
        before = png(opened)
        digits = "new URL('digits.npz', document.querySelector('link[rel=modulepreload]').href)"
        assert opened.evaluate(f"caches.match({digits}).then(Boolean)") is False  # only who trains needs them
        size = f"fetch({digits}, {{ cache: 'no-store' }}).then((answer) => answer.blob()).then(({{ size }}) => size)"
        assert opened.evaluate(size) == DIGITS.stat().st_size
        site.stop()
        opened.reload()
        finished(opened, "watch")
        assert png(opened) == before
        assert opened.evaluate(size) == DIGITS.stat().st_size
        opened.get_by_role("button", name="Course").click()  # modules that were not loaded before
        opened.locator("[data-cards]:not([data-cards='0'])").wait_for()
        go(opened, "watch", {"checkpoint": "cifar10-tiny", "steps": 1, "count": 1})
        opened.locator(".part-watch[data-state=error]").wait_for()
        opened.locator(".part-watch :visible", has_text="is there a network?").first.wait_for()
    finally:
        context.close()


def test_a_sketch_of_the_words_is_shown_as_they_are_typed_and_read_out_to_nobody(window):
    opened = window(link("watch", {"checkpoint": "emoji-tiny", "steps": 1000, "count": 16, "seed": 3}))
    opened.wait_for_selector(".part-watch[data-ready=true][data-described]")
    opened.evaluate("new MutationObserver(() => { window.spoken = true; }).observe(said, { childList: true })")
    opened.locator("[data-name=prompt] input").press_sequentially("red qwx", delay=20)
    opened.wait_for_selector(".ddpm-player .title:has-text('4 steps · trailing · UniPC · “red qwx” · seed 3')")
    assert opened.locator(".asked .caption").inner_text() == "I don’t know “qwx”: what is drawn is a guess."
    assert opened.locator(".part-watch .status").inner_text().startswith("Quick sketch in 4 steps")
    part = opened.locator(".part-watch")
    assert [part.get_attribute(f"data-{name}") for name in ("state", "outdated")] == ["idle", "false"]
    assert opened.evaluate("[page.chosen.searchParams.get('steps'), window.spoken]") == ["1000", None]


def test_stop_two_tabs_back_a_phone_and_the_keyboard(window, app):
    opened = window(link("watch", {"checkpoint": "cifar10-tiny", "steps": 1000, "seed": 3, "count": 16}))
    opened.set_viewport_size({"width": 390, "height": 844})
    part = opened.locator(".part-watch")
    opened.wait_for_selector(".part-watch[data-ready=true][data-described]")
    part.locator(".run").click()
    opened.wait_for_selector(".part-watch[data-state=running]")
    other = opened.context.new_page()
    other.goto(opened.url.split("?")[0] + link("watch", {"steps": 2, "seed": 4, "count": 1}))
    finished(other, "watch")  # while the first one computes
    other.close()
    part.locator(".stop").click()
    opened.wait_for_selector(".part-watch[data-state=stopped]")
    assert opened.evaluate("document.documentElement.scrollWidth <= innerWidth")

    opened.get_by_role("button", name="Compare").click()
    opened.wait_for_selector(".part-compare")
    opened.go_back()
    opened.wait_for_function("document.querySelector('.part-watch').checkVisibility()")

    wide = window(link("watch", {"steps": 3, "seed": 3, "count": 1}))
    finished(wide, "watch")
    seed = wide.get_by_label("Seed", exact=True)
    seed.focus()
    seed.press("ArrowUp")
    seed.press("Enter")
    wide.wait_for_function("location.search.includes('seed=4')")
    finished(wide, "watch")
    query = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(wide.url).query))
    same = run_of_link(app.services, "watch", query).plan([app.services.models.known("mnist-tiny")]).request
    (lane,) = same.lanes  # the server makes the same of this address
    assert close(pixels(png(wide)), ddpm_core.sample(loaded("mnist-tiny"), same.seeds, **lane.arguments())[0])
    player = wide.locator(".part-watch .ddpm-player")
    player.focus()
    player.press("Home")
    assert player.get_attribute("data-k") == "0"
    player.press("ArrowRight")
    assert player.get_attribute("data-k") == "1"


def test_words_draw_what_the_library_draws(window):
    asked = {"checkpoint": "emoji-tiny", "prompt": "red apple", "steps": 4, "seed": 5, "count": 1}
    opened = window(link("watch", asked))
    finished(opened, "watch")
    options = {"prompts": "red apple", "guidance": 3.0, "variance": "beta_tilde"}
    images = ddpm_core.sample(loaded("emoji-tiny"), [5], steps=4, **options)
    assert close(pixels(png(opened)), images[0])

    cells = "334-noise-100-3.3-4.3-3.4-4.4"  # of the latent
    _, *frames = opened.evaluate(RUN, asked | {"touch": cells})
    ends = [levels(frame["x"]) for frame in frames if frame["k"] == 3]
    for end, same in zip(ends, endings(loaded("emoji-tiny"), cells, [5], steps=4, **options), strict=True):
        assert close(end, same[0])

    prompt = "red asdfgh apple"
    asked = {"checkpoint": "emoji-tiny", "prompt": prompt, "steps": 2, "seed": 5, "count": 1, "attention": True}
    read, *frames = opened.evaluate(RUN, asked)
    model = loaded("emoji-tiny")
    assert read["words"] == [word for word, _ in model.text.words(prompt)]
    assert read["unknown"] == ["asdfgh"]
    options = {"prompts": prompt, "guidance": 3.0, "variance": "beta_tilde", "attention": True}
    for frame, step in zip(frames, ddpm_core.trajectory(model, [5], steps=2, **options), strict=True):
        maps = np.stack([step.attention[0, list(tokens)].sum(0).numpy() for _, tokens in model.text.words(prompt)])
        expected = (255 * maps / maps.max((1, 2), keepdims=True)).reshape(-1, maps.shape[2], 1)
        # Bright places of a map follow the state, whose pixels differ by a level here and there.
        assert np.abs(levels(frame["attention"]) - expected).max() <= 3

    go(opened, "between", {"steps": 1, "guidance": 1, "seed": 5})
    finished(opened, "between")
    square = ddpm_core.word_square(["red apple", "green frog", "yellow sun", "blue whale"])
    images = ddpm_core.sample(model, [5] * len(square), 1, sampler="ddim", spacing="trailing", prompts=square)
    assert close(pixels(png(opened)), imaging.grid(images, 7))
    assert opened.locator(".part-between").get_attribute("data-cells") == "49"


def levels(sprite):
    """The pixels of the only picture of a message."""
    (picture,) = sprite
    shape = picture["height"], picture["width"], picture["channels"]
    return np.array(list(picture["data"].values()), np.uint8).reshape(shape)


RUN = """async (values) => {
  const { plan } = await page.knowledge.order("watch", values);
  const results = await new Promise((done) => {
    const results = [];
    const take = (message) => {
      results.push(...message.results);
      if (["finished", "stopped", "error"].includes(message.state)) done(results);
    };
    page.client.run({ part: "watch", plan }, take, done);
  });
  return JSON.parse(JSON.stringify(results));
}"""


def hub(**repositories):
    """What answers in the Hub's place: for each repository of `owner` its files, or only their sizes."""

    def answer(route):
        asked = urllib.parse.urlsplit(route.request.url).path.strip("/").removeprefix("api/models/")
        owner, name, verb, commit, *path = asked.split("/")
        files, open_to_all = repositories.get(name), {"access-control-allow-origin": "*"}
        if files is None:
            return route.fulfill(status=404, headers=open_to_all)
        sizes = [(file, len(x) if isinstance(x, bytes) else x) for file, x in files.items()]
        siblings = [{"rfilename": file, "size": size} for file, size in sizes]
        listing = json.dumps({"sha": "c0ffee", "siblings": siblings}).encode()
        assert (owner, verb, commit) == ("owner", *(("resolve", "c0ffee") if path else ("revision", "main")))
        return route.fulfill(body=files["/".join(path)] if path else listing, headers=open_to_all)

    return {"https://huggingface.co/**": answer}


def test_a_model_of_the_hub_is_fetched_by_the_browser(fresh, folder):
    files = {path.name: path.read_bytes() for path in refs.embedded()["mnist-tiny"].iterdir()}
    large = {"diffusion_pytorch_model.safetensors": 2_000_000_000}
    routes = hub(digits=files, pickles={"diffusion_pytorch_model.bin": 9}, large=large)
    values = {"checkpoint": "owner/digits", "steps": 2, "seed": 5, "count": 1}
    opened = fresh(link("watch", values), routes=routes)
    finished(opened, "watch")
    images = ddpm_core.sample(loaded("mnist-tiny"), [5], steps=2, variance="beta_tilde")
    assert close(pixels(png(opened)), images[0])
    wrong = {
        "owner/pickles": ".bin",
        "owner/large": "2000 MB",
        "owner/none": "no open model",
        "nothing": "Hub id such as",
    }
    for ref, said_so in wrong.items():
        opened.evaluate("ref => page.open('watch', { checkpoint: ref })", ref)
        opened.locator(".part-watch [data-name=checkpoint] .mistake", has_text=said_so).wait_for()
        assert said_so not in opened.inner_text(".part-watch .status")  # it is said once
    keys = "caches.open('lab-models /a/lab/').then((kept) => kept.keys()).then((all) => all.length)"
    assert opened.evaluate(keys) > 0
    press(opened, "Empty the cache of models")
    opened.get_by_text("The cache is empty").wait_for()
    assert opened.evaluate(keys) == 0


def test_a_picture_can_be_chosen_once_a_run_has_brought_its_model_here(fresh, folder, tmp_path):
    """The size of its pictures is not known before."""
    files = {path.name: path.read_bytes() for path in refs.embedded()["mnist-tiny"].iterdir()}
    Image.new("L", (30, 30), 200).save(tmp_path / "own.png")
    asked = {"checkpoint": "owner/digits", "steps": 1, "count": 2, "times": "0"}
    opened = fresh(link("latents", asked), routes=hub(digits=files))
    finished(opened, "latents")
    upload(opened, "latents", tmp_path / "own.png")
    finished(opened, "latents")


def upload(page, part, file):
    """Choose a first picture of a part, and run it: a slow machine does not begin by itself."""
    source = page.locator(f".part-{part} .source").first
    source.get_by_label("A picture").first.check()
    example = source.get_attribute("data-picture")
    source.locator("input[type=file]").set_input_files(file)
    page.wait_for_function(
        "([part, example]) => document.querySelector(`.part-${part} .source`).dataset.picture !== example",
        arg=[part, example],
    )
    page.click(f".part-{part} .run")
    page.wait_for_function(
        """(part) => decodeURIComponent(location.hash).includes(
            document.querySelector(`.part-${part} .source`).dataset.picture)""",
        arg=part,
    )


def test_the_page_loads_nothing_that_its_policy_forbids(browser, site, tmp_path):  # noqa: F811
    Image.new("L", (30, 30), 200).save(tmp_path / "own.png")
    context = profile(browser, bypass_csp=False)
    context.add_init_script("""window.wrong = [];
        addEventListener("securitypolicyviolation", ({ effectiveDirective }) => wrong.push(effectiveDirective));""")
    try:
        opened = new_page(context, site.address + link("watch", {"steps": 2, "seed": 3, "count": 1}))
        opened.wait_for_selector(".part-watch[data-state=finished]")
        saved(opened, "Everything (ZIP)")
        quick = {"columns": "1", "steps": 1, "steps_b": 1, "count": 1, "times": "100"}  # to open a part also runs it
        for part in ON_PAGE:
            go(opened, part, quick)
        go(opened, "latents", quick)
        upload(opened, "latents", tmp_path / "own.png")
        assert opened.evaluate("wrong") == [] and not opened.errors
        opened.evaluate("""async () => {
            const image = '<img src="https://elsewhere.test/x.png" onerror="window.ran = 1">';
            document.body.insertAdjacentHTML("beforeend", image);
            document.body.append(Object.assign(document.createElement("script"), { text: "window.ran = 1" }));
            await fetch("https://elsewhere.test").catch(() => {});
            while (wrong.length < 4) await new Promise((told) => setTimeout(told, 20)); // each in a task of its own
        }""")
        assert {*opened.evaluate("wrong")} == {"img-src", "script-src-attr", "script-src-elem", "connect-src"}
        assert opened.evaluate("window.ran") is None
    finally:
        context.close()


def test_the_policy_of_the_page_covers_its_scripts_and_the_hub(folder):
    page = (folder / "index.html").read_text("utf-8")
    head, *_ = re.split("<(?:script|link)", page)
    policy = html.unescape(re.search(r'http-equiv="Content-Security-Policy" content="(.*?)"', head)[1])
    for script in re.findall(r"<script(?: nomodule)?>(.*?)</script>", page, re.S):
        assert base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() in policy
    assert "connect-src 'self' https://huggingface.co https://*.huggingface.co https://*.hf.co" in policy


def test_a_picture_of_ones_own_is_encoded(window, fresh, tmp_path):
    image = np.zeros((56, 84), np.uint8)
    image[10:40, 30:50] = 255
    Image.fromarray(image).save(tmp_path / "own.png")
    opened = window(link("latents", {"steps": 2, "count": 2, "times": "100", "seed": 3}))
    finished(opened, "latents")
    upload(opened, "latents", tmp_path / "own.png")
    finished(opened, "latents")
    row = pixels(png(opened))
    assert row[12, 14] > 150 > 100 > row[2, 2]  # what is white and what is black in it stays so at t = 100
    again = fresh(opened.url.partition("/lab/")[2])  # the picture is in the link
    finished(again, "latents")
    assert close(pixels(png(again)), row)


def test_over_plain_http_runs_files_and_uploads_work_too(browser, site, tmp_path):  # noqa: F811
    context = profile(browser, service_workers="allow")  # there are none, which some versions of playwright don't know
    at = site.address.replace("127.0.0.1", NAME)
    try:
        opened = new_page(context, at + link("watch", {"steps": 2, "seed": 3, "count": 1}))
        assert not opened.evaluate("isSecureContext")
        finished(opened, "watch")
        images = ddpm_core.sample(loaded("mnist-tiny"), [3], steps=2, variance="beta_tilde")
        assert close(pixels(png(opened)), images[0])
        saved(opened, "Everything (ZIP)")
        press(opened, "Link")
        go(opened, "latents", {"steps": 1, "count": 1, "times": "100"})
        finished(opened, "latents")
        Image.new("L", (30, 30), 200).save(tmp_path / "own.png")
        upload(opened, "latents", tmp_path / "own.png")
        finished(opened, "latents")
        press(opened, "Empty the cache of models")
        assert not opened.errors
    finally:
        context.close()


def test_a_file_cut_off_is_a_sentence_and_the_example_goes_on(fresh, folder):
    weights = folder / "checkpoints/mnist-tiny/diffusion_pytorch_model.safetensors.packed"
    cut = {"body": weights.read_bytes()[:1000]}
    routes = {"**/mnist-tiny/*.safetensors*": lambda route: route.fulfill(**cut)}
    opened = fresh(link("watch", {"steps": 1, "count": 1}), routes=routes)
    part = opened.locator(".part-watch")
    part.locator(".run").click()
    opened.wait_for_selector(".part-watch[data-state=error]")
    assert "came incomplete" in part.inner_text()
    cut["body"] = weights.read_bytes()
    part.locator(".run").click()
    opened.wait_for_selector(".part-watch[data-state=finished]")


@pytest.mark.parametrize(
    ("missing", "content", "sentence"),
    [
        ("local/worker.js", "throw new Error('too old')", "try a newer one"),
        ("knowledge.json", "", "load the page again"),
    ],
)
def test_without_what_computes_the_example_goes_on(fresh, missing, content, sentence):
    def answer(route):
        return route.fulfill(body=content, content_type="text/javascript") if content else route.abort()

    opened = fresh(routes={f"**/{missing}": answer}, **MOTION)
    opened.wait_for_function("Number(document.querySelector('.ddpm-player').dataset.k) > 0")
    opened.locator(".part-watch .run").click()
    opened.locator(".part-watch", has_text=sentence).wait_for()
    opened.errors.clear()  # the worker's own


def test_weights_are_fetched_when_a_run_is_near_and_under_save_data_when_it_begins(fresh):
    saving = "Object.defineProperty(navigator, 'connection', { value: { saveData: true } })"
    asked = []

    def answer(route):
        asked.append(re.search(r"worker|safetensors", route.request.url)[0])
        route.continue_()

    for saves in (False, True):
        asked.clear()
        opened = fresh(routes={"**/*.safetensors.packed?*": answer, "**/worker.js": answer})
        if saves:
            opened.evaluate(saving)
        opened.wait_for_selector(".part-watch[data-ready=true][data-described] .run:enabled")
        opened.hover(".part-watch .lead")
        opened.wait_for_timeout(100)
        assert asked == []
        opened.hover(".part-watch .side")
        opened.wait_for_timeout(300)
        assert bool(asked) != saves
        if saves:
            opened.click(".part-watch .run")
            finished(opened, "watch")
        for _ in range(100):
            if "safetensors" not in asked:
                opened.wait_for_timeout(100)
        assert "safetensors" in asked


def test_the_first_picture_is_drawn_before_the_modules_come_and_goes_on_with_them(fresh):
    held = []
    opened = fresh("?tab=course", **MOTION)
    opened.context.route("**/page.js", lambda route: held.append(route))
    opened.goto(opened.url.partition("?")[0], wait_until="commit")
    opened.wait_for_selector(".early:not([data-drawn='1'])[data-drawn]")
    assert held and not opened.locator(".ddpm-player").count()
    drawn = int(opened.get_attribute(".early", "data-drawn"))
    held[0].continue_()
    opened.wait_for_selector(".ddpm-player[data-k]:not([data-k='0'])")
    opened.locator(".early").wait_for(state="detached")
    assert int(opened.get_attribute(".ddpm-player", "data-k")) >= 2 * drawn - 1  # every second step was recorded


def test_a_browser_without_webassembly_says_what_it_lacks(playwright, site):
    # Without compilers, as in the Lockdown Mode of Safari, a browser has no WebAssembly.
    bare = playwright.chromium.launch(executable_path=chromium_path(), args=[*ARGS, "--js-flags=--jitless"])
    try:
        opened = new_page(profile(bare), site.address + link("watch", {"steps": 1}))
        assert opened.evaluate("typeof WebAssembly") == "undefined"
        opened.click(".part-watch .run")
        opened.wait_for_selector("text=This browser can't run the models: they need WebAssembly with SIMD.")
        assert not opened.errors
    finally:
        bare.close()


@pytest.mark.long
def test_a_new_version_waits_until_the_old_page_is_closed(browser, folder, tmp_path):  # noqa: F811
    own = tmp_path / "a" / "lab"
    shutil.copytree(folder, own, ignore=shutil.ignore_patterns("checkpoints"))
    site = Site(own)
    context = browser.new_context(bypass_csp=True)
    context.set_default_timeout(120_000)
    try:
        opened = context.new_page()
        opened.goto(site.address + "?tab=course")
        opened.wait_for_function("navigator.serviceWorker.controller")
        (own / "index.html").write_text(
            (own / "index.html").read_text("utf-8").replace("</main>", "</main><i id=new></i>")
        )
        (own / "sw.js").write_text(re.sub(r'VERSION = "\w+"', 'VERSION = "new"', (own / "sw.js").read_text("utf-8")))
        opened.evaluate("navigator.serviceWorker.getRegistration().then((one) => one.update()).then(() => true)")
        opened.wait_for_function("navigator.serviceWorker.getRegistration().then((one) => Boolean(one.waiting))")
        opened.reload()
        opened.wait_for_selector("html[data-ready=true]")
        assert opened.locator("#new").count() == 0
        opened.goto("about:blank")
        for _ in range(50):  # the new one begins when nobody has the old one any more
            opened.goto(site.address + "?tab=course")
            opened.wait_for_selector("html[data-ready=true]")
            if opened.locator("#new").count():
                break
            opened.goto("about:blank")
            opened.wait_for_timeout(100)
        assert opened.locator("#new").count()
        assert opened.evaluate("caches.keys()") == ["lab-page /a/lab/ new"]
    finally:
        context.close()
        site.stop()


def test_a_small_model_of_the_hub_that_asks_for_much_is_a_sentence(fresh, folder):
    files = {path.name: path.read_bytes() for path in refs.embedded()["mnist-tiny"].iterdir()}
    times = json.loads(files["scheduler_config.json"]) | {"num_train_timesteps": 120_000_000}
    large = json.loads(files["config.json"]) | {"sample_size": 1024}
    hostile = {
        "times": files | {"scheduler_config.json": json.dumps(times).encode()},
        "pixels": files | {"config.json": json.dumps(large).encode()},
    }
    opened = fresh(routes=hub(**hostile))
    wanted = {"pixels": "attention over 1,048,576 pixels is too much", "times": "from 1 to 10,000, got 120000000"}
    for name, why in wanted.items():
        go(opened, "watch", {"checkpoint": f"owner/{name}", "steps": 1, "count": 1})
        opened.locator(".part-watch[data-state=error] [data-name=checkpoint] .mistake", has_text=why).wait_for()


@pytest.mark.long
def test_stop_ends_a_worker_that_does_not_hear_it(fresh):
    busy = {"text": "for (;;);"}
    source = scripts(CLIENT)[WORKER]
    (head,) = re.findall(r"^ *async count\(.*\{$", source, re.M)  # of Run, after each step

    def worker(route):
        body = source.replace(head, head + busy["text"])
        return route.fulfill(body=body, content_type="text/javascript", headers={"cache-control": "no-store"})

    opened = fresh(link("watch", {"steps": 2, "seed": 3, "count": 1}), routes={f"**/{WORKER}": worker})
    opened.wait_for_selector(".part-watch[data-state=running]")  # a link runs
    busy["text"] = ""
    opened.locator(".part-watch .stop").click()
    opened.wait_for_selector(".part-watch[data-state=stopped]")
    assert "in the middle of a step" in opened.locator(".part-watch .status").inner_text()
    opened.locator(".part-watch .run").click()
    finished(opened, "watch")
    images = ddpm_core.sample(loaded("mnist-tiny"), [3], steps=2, variance="beta_tilde")
    assert close(pixels(png(opened)), images[0])


@pytest.mark.long
def test_two_labs_of_one_origin_leave_each_other_alone(browser, folder, tmp_path):  # noqa: F811
    for name in ("one", "two"):
        shutil.copytree(folder, tmp_path / "a" / name, ignore=shutil.ignore_patterns("checkpoints"))
    worker = tmp_path / "a/two/sw.js"
    worker.write_text(re.sub(r'VERSION = "\w+"', 'VERSION = "other"', worker.read_text("utf-8")))
    site = Site(tmp_path / "a" / "one")
    context = browser.new_context(bypass_csp=True)
    context.set_default_timeout(120_000)
    try:
        addresses = [site.address.replace("/lab/", f"/{name}/?tab=course") for name in ("one", "two")]
        for at in addresses:
            opened = context.new_page()
            opened.goto(at)
            opened.wait_for_function("navigator.serviceWorker.controller")
            opened.evaluate("caches.open(`lab-models ${location.pathname}`).then(() => true)")
        press(opened, "Empty the cache of models")
        opened.get_by_text("The cache is empty").wait_for()
        models, *pages = sorted(opened.evaluate("caches.keys()"))
        assert models == "lab-models /a/one/"
        assert [name.rpartition(" ")[0] for name in pages] == ["lab-page /a/one/", "lab-page /a/two/"]
        site.stop()
        for at in addresses:
            opened.goto(at)
            opened.wait_for_selector("html[data-ready=true]")
    finally:
        context.close()
        site.stop()
