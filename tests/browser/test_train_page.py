"""Train in Chromium: networks learn for some seconds, in the page that a server sends."""

import json
import math
import re

import pytest
from browser import served
from PIL import Image


@pytest.fixture(scope="module")
def url():
    with served() as app:
        yield app.local_url


@pytest.fixture
def train(page, url):
    """The part, in a browser that has kept nothing."""

    def opened(**values):
        query = "".join(f"&{name}={value}" for name, value in values.items())
        page.goto(f"{url}?tab=train{query}")
        page.wait_for_selector(".train[data-state]")
        return page

    yield opened
    page.evaluate("indexedDB.databases().then((all) => all.forEach(({ name }) => indexedDB.deleteDatabase(name)))")


def state(page, name):
    page.wait_for_selector(f".train[data-state={name}]")


@pytest.mark.long
def test_two_networks_learn_pause_survive_a_reload_and_stop(train):
    page = train()
    page.get_by_role("button", name="Half the network?").click()
    page.wait_for_selector(".train[data-state=running][data-lanes='2']:not([data-grids='0'])")
    assert "two=true" in page.url and "width_b=8" in page.url
    page.get_by_text("A: width as usual").first.wait_for()
    page.get_by_text("B: width half").first.wait_for()
    assert page.locator(".train .lanes img:visible").count() == 2
    assert re.search(r"of 25,600 pictures · \d+ pictures/s · about .* left", page.inner_text(".train .status"))
    page.locator("#places [data-place=compare]").click()  # it goes on in another part
    page.wait_for_selector("#places [data-place=train].going")
    page.locator("#places [data-place=train]").click()
    page.get_by_role("button", name="Pause").click()
    page.wait_for_selector(".train[data-state=paused][data-kept='true']")
    seen = page.inner_text(".train .status-left").split(" of ")[0]

    page.reload()
    state(page, "kept")
    assert page.inner_text(".train .status-text") == "Your training was kept"
    assert page.inner_text(".train .status-left").split(" of ")[0] == seen
    assert page.locator(".train .lanes img:visible").count() == 2
    page.get_by_role("button", name="Train anew").click()
    page.get_by_role("dialog").get_by_role("button", name="Cancel").click()
    page.get_by_role("button", name="Go on").click()
    state(page, "running")
    page.get_by_role("button", name="Stop").click()
    state(page, "stopped")


@pytest.mark.long
def test_drawings_begin_with_the_weights_of_the_digits_and_are_compared_with_what_is_drawn(train, url, tmp_path):
    page = train(data="drawings", length=12800)
    page.locator(".train .start").click()
    page.get_by_text("0 of 20 drawings. Draw at least 5.").last.wait_for()
    box = page.locator(".train .sheet").bounding_box()
    for n in range(5):
        page.mouse.move(box["x"] + 210 + 8 * n, box["y"] + 150)
        page.mouse.down()
        for angle in (k * math.pi / 12 for k in range(1, 25)):
            r = 60 + 8 * n
            page.mouse.move(box["x"] + 150 + r * math.cos(angle), box["y"] + 150 + r * math.sin(angle))
        page.mouse.up()
        page.get_by_role("button", name="Next drawing").click()
    assert page.get_by_text("A link carries these settings, but not your pictures.").is_visible()
    page.locator(".train .start").click()
    page.wait_for_selector(".train[data-state=running]:not([data-grids='0'])")
    assert page.locator(".train .pairs img").first.is_visible()
    page.get_by_text("as varied as yours").first.wait_for()
    page.get_by_role("button", name="Stop").click()
    state(page, "stopped")

    # Its model is kept as a file, used as any other, and in the list after a reload; the file opens again.
    with page.expect_download() as download:
        page.get_by_role("button", name="Keep").click()
    file = tmp_path / download.value.suggested_filename
    download.value.save_as(file)
    assert re.fullmatch(r"drawings-\d+\.zip", file.name)
    ref = f"trained/{file.stem}"
    page.get_by_role("button", name="Use this model").click()
    page.wait_for_selector(f".part-watch[data-state=finished] option[value='{ref}']", state="attached")
    page.reload()
    page.wait_for_selector(f".part-watch[data-ready=true] option[value='{ref}']", state="attached")
    page.goto(f"{url}?tab=train")
    page.get_by_label("Open a kept model").set_input_files(file)
    page.wait_for_selector(f".part-watch[data-state=finished] option[value='{ref}-2']", state="attached")
    assert page.input_value(".part-watch select.models") == f"{ref}-2"


def test_pictures_of_ones_own_are_read_here(train, tmp_path):
    page = train(data="own")
    for n in range(6):
        Image.new("RGB", (40 + n, 60), (40 * n, 0, 255)).save(tmp_path / f"{n}.png")
    (tmp_path / "text.png").write_text("no picture")
    files = sorted(tmp_path.glob("*.png"))
    page.get_by_label("Choose pictures").set_input_files(files[:3])
    page.get_by_text("Choose at least 5 pictures. 3 could be read.").wait_for()
    page.locator(".train .start").click()
    page.get_by_text("Choose at least five pictures.").wait_for()
    page.get_by_label("Choose pictures").set_input_files(files)
    page.get_by_text("6 pictures, 32×32 pixels. One file could not be read as a picture: text.png.").wait_for()
    page.locator(".train .start").click()
    state(page, "running")
    page.get_by_role("button", name="Stop").click()
    state(page, "stopped")


def test_a_browser_without_simd_shows_the_recording(page, url):
    page.add_init_script("WebAssembly.validate = () => false")
    page.goto(f"{url}?tab=train")
    page.get_by_text("it has no WebAssembly SIMD").wait_for()
    page.get_by_text("Example", exact=True).first.wait_for()
    assert not page.locator(".train .start").is_visible()
    assert not page.locator(".train .try button").count()


def test_save_data_fetches_nothing_before_the_press(page, url):
    page.add_init_script("Object.defineProperty(navigator, 'connection', { value: { saveData: true } })")
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(f"{url}?tab=train")
    page.get_by_text("You save data: pictures are loaded when you press Train.").wait_for()
    assert not [
        address for address in asked if "train/example.json" in address or "digits" in address or ".wasm" in address
    ]


def test_a_training_of_another_terminal_is_followed(train, tmp_path):
    lines = [{"start": 0, "config": {"steps": 9, "batch": 4, "prediction": "v"}, "seconds": 0}]
    for step in (2, 4):
        lines += [{"step": step, "loss": 1 / step, "images_per_s": 8.0, "seconds": step}]
        lines += [{"step": step, "samples": kind, "error": 50, "seconds": step} for kind in ("ema", "raw")]
        for kind in ("ema", "raw"):
            file = tmp_path / f"samples/step-{step:09d}-{kind}.png"
            file.parent.mkdir(exist_ok=True)
            Image.new("L", (60, 30), 10 * step).save(file)
    (tmp_path / "progress.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    page = train()
    page.get_by_text("Follow a training of this computer").click()
    folder = page.get_by_label("The folder that “python -m train fit” writes to")
    folder.fill(str(tmp_path / "nothing"))
    folder.press("Enter")
    page.get_by_text("There is no training in").wait_for()
    folder.fill(str(tmp_path))
    folder.press("Enter")
    page.wait_for_selector(".train[data-state=running][data-grids='2'][data-example=false]")
    page.get_by_text("16 of 36 pictures").wait_for()
    with open(tmp_path / "progress.jsonl", "a") as file:
        file.write(json.dumps({"step": 6, "loss": 0.1, "images_per_s": 8.0, "seconds": 6}) + "\n")
    page.get_by_text("24 of 36 pictures").wait_for()
    page.get_by_role("button", name="Stop following").click()
    page.wait_for_selector(".train[data-example=true]")


def test_a_low_battery_is_said_before_a_training(page, url):
    page.add_init_script("navigator.getBattery = async () => ({ level: 0.1, charging: false })")
    page.goto(f"{url}?tab=train")
    page.get_by_text("Your battery is at 10 %. Training uses much power.").wait_for()
