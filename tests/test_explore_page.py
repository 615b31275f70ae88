"""The Latents, Likelihood and Plane tabs in a real browser, with small random networks that are ready at once."""

import os

os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"  # before the import: gradio calls out otherwise

from urllib.parse import parse_qs, urlsplit

import numpy as np
import pytest
from checkpoint_folders import write
from PIL import Image, ImageDraw
from test_main import TINY
from test_ui_likelihood import study_of, weights_of

import ui

pytest_plugins = ("browser",)

SIZE = 28


@pytest.fixture(scope="module")
def url(tmp_path_factory, torch_page):
    """Served with a network of grey 28×28 images, for which pictures of digits come with the page."""
    folder = tmp_path_factory.mktemp("models") / "grey"
    small = {**TINY, "sample_size": SIZE, "in_channels": 1, "out_channels": 1}
    write(folder, scheduler={"num_train_timesteps": 20}, **small)
    demo = ui.build(str(folder))
    ui.launch(demo, prevent_thread_lock=True, inbrowser=False)
    yield demo.local_url
    demo.close()


def open_tab(page, url, tab, **values):
    query = "&".join(f"{name}={value}" for name, value in values.items())
    page.goto(f"{url}?tab={tab}&{query}")
    page.wait_for_selector(f".ddpm-{tab}[data-ready=true]")


def finished(page, tab):
    page.click(f".ddpm-{tab} .run:enabled")
    page.wait_for_selector(f".ddpm-{tab}[data-state=finished]")


def pictures(page, root):
    """The pixels of the pictures under an element, as data-URIs."""
    return page.locator(f"{root} img").evaluate_all("(images) => images.map((image) => image.src)")


def test_a_student_is_offered_what_it_was_made_for(page, url):
    open_tab(page, url, "latents", checkpoint="mnist-tiny-consistency", sampler="ddpm", steps=50)
    page.wait_for_selector(".ddpm-latents .run:enabled")
    form = page.locator(".ddpm-latents")
    assert form.locator(".sampler option").evaluate_all("(all) => all.map((one) => one.value)") == ["consistency"]
    assert form.locator(".steps").input_value() == "2"
    assert form.locator(".times").get_attribute("placeholder") == "1000, 562, 250"
    assert not form.locator(".variance").is_visible() and not form.locator(".eta").is_visible()
    form.locator(".checkpoint").select_option("mnist-tiny")
    page.wait_for_function("document.querySelector('.ddpm-latents .sampler').options.length === 2")
    form.locator(".sampler").select_option("ddim")
    assert form.locator(".eta").is_visible()


def test_reconstructions_fill_live_are_scrubbed_and_come_back_from_their_link(page, url, tmp_path):
    open_tab(page, url, "latents", steps=4, count=3, times="20,5,0")
    finished(page, "latents")
    assert page.get_attribute(".ddpm-latents", "data-rows") == "3"
    rows = pictures(page, ".ddpm-latents .cells")
    assert len(rows) == 3 and "all the same" in page.locator(".ddpm-latents .line").nth(2).inner_text()
    scrubber = page.get_by_label("Step of the chains")
    scrubber.press("Home")
    page.wait_for_selector(".ddpm-latents[data-at='0']")
    early = pictures(page, ".ddpm-latents .cells")
    assert early[0] != rows[0] and early[2] == rows[2]
    page.get_by_role("button", name="Play").click()
    page.wait_for_selector(".ddpm-latents[data-at='3']")
    assert pictures(page, ".ddpm-latents .cells") == rows

    # The address restores it in another page, without running by itself; Enter in a field runs it.
    link = page.url
    page.goto("about:blank")
    page.goto(link)
    page.wait_for_selector(".ddpm-latents[data-ready=true]")
    assert page.get_attribute(".ddpm-latents", "data-state") == "idle"
    page.wait_for_selector(".ddpm-latents .run:enabled")
    page.locator(".ddpm-latents .times").press("Enter")
    page.wait_for_selector(".ddpm-latents[data-state=finished]")
    assert pictures(page, ".ddpm-latents .cells") == rows
    with page.expect_download() as download:
        page.get_by_role("button", name="PNG").click()
    assert Image.open(download.value.path()).size == (3 * SIZE + 4, 3 * SIZE + 4)


def test_an_upload_is_cropped_in_view_and_interpolated(page, url, tmp_path):
    image = Image.new("RGB", (120, 60), "white")
    ImageDraw.Draw(image).rectangle((60, 0, 120, 60), "black")
    image.save(tmp_path / "half.png")
    Image.new("RGBA", (1, 1), (0, 0, 0, 0)).save(tmp_path / "dot.png")
    (tmp_path / "no.png").write_text("no picture")
    open_tab(page, url, "latents", mode="interpolate", steps=2, count=3, times="0")
    a, b = (page.locator(f".ddpm-latents .source[data-which={which}]") for which in "ab")
    a.locator(".upload input").set_input_files(tmp_path / "half.png")
    a.locator(".fitted img[src]").wait_for()
    before = a.locator(".fitted img").get_attribute("src")
    square = a.locator(".square")
    for _ in range(5):
        square.press("ArrowRight")
    page.wait_for_function(
        "(before) => document.querySelector('.source[data-which=a] .fitted img').src !== before", arg=before
    )
    b.locator(".upload input").set_input_files(tmp_path / "no.png")
    b.get_by_text("could not be read as a picture").wait_for()
    b.locator(".upload input").set_input_files(tmp_path / "dot.png")
    b.locator(".cropper").wait_for()
    b.locator(".fitted img[src]").wait_for()
    page.wait_for_function("document.querySelector('.source[data-which=b]').dataset.picture")
    finished(page, "latents")
    assert page.get_attribute(".ddpm-latents", "data-rows") == "1"
    kept = pictures(page, ".ddpm-latents .sources")
    link = page.url
    assert "picture=" not in urlsplit(link).query and len(parse_qs(urlsplit(link).fragment)) == 2
    page.goto("about:blank")
    page.goto(link)
    page.wait_for_selector(".ddpm-latents[data-ready=true]")
    page.wait_for_function("[...document.querySelectorAll('.source')].every((source) => source.dataset.picture)")
    finished(page, "latents")
    assert pictures(page, ".ddpm-latents .sources") == kept


def test_bits_are_measured_stopped_and_measured_again(page, url):
    open_tab(page, url, "likelihood", count=40)
    page.click(".ddpm-likelihood .run:enabled")
    page.wait_for_selector(".ddpm-likelihood .guesses img")
    page.get_by_role("tab", name="Learn").click()  # a run goes on in a tab that is not seen
    page.wait_for_selector(".ddpm-likelihood:not([data-done='0'])", state="attached")
    page.get_by_role("tab", name="Likelihood").click()
    page.evaluate("document.querySelector('.ddpm-likelihood .stop').click()")  # it may have ended on a quick machine
    page.wait_for_selector(".ddpm-likelihood:is([data-state=stopped], [data-state=finished])")
    assert "bits/dim with β̃ₜ" in page.locator(".ddpm-likelihood .big").inner_text()
    page.fill(".ddpm-likelihood .count", "0")
    page.get_by_text("The number of pictures must be").wait_for()
    assert page.locator(".ddpm-likelihood .run").is_disabled()
    page.fill(".ddpm-likelihood .count", "2")
    finished(page, "likelihood")
    assert page.get_attribute(".ddpm-likelihood", "data-done") == "2"
    assert page.locator(".ddpm-likelihood .totals tbody tr").count() == 2
    with page.expect_download() as download:
        page.get_by_role("button", name="CSV").click()
    lines = download.value.path().read_text().splitlines()
    shown = page.locator(".ddpm-likelihood .totals tbody td").nth(1).inner_text().split(" ")[0]
    of = [line.split(",") for line in lines if line.startswith("beta_tilde,20,")]
    assert np.isclose(float(of[0][2]), float(shown), atol=0.006)


# --- Whoever uses them, and whatever happens meanwhile

# The visible parts of a tab that a screen reader has to name, without a name.
NAMELESS = """(tab) => [...document.querySelectorAll(".ddpm-" + tab + " :is(button, input, select, img, [tabindex])")]
  .filter((node) => node.checkVisibility() && !node.matches("button[aria-label] img"))
  .filter((node) => {
    const labels = [...(node.labels ?? [])].map((label) => label.textContent);
    return ![node.ariaLabel, node.alt, node.title, node.textContent, ...labels].some((name) => name?.trim());
  }).map((node) => node.outerHTML)"""


def tab_to(page, selector):
    """Press Tab until it has the focus."""
    for _ in range(40):
        page.keyboard.press("Tab")
        if page.evaluate("(selector) => document.activeElement.matches(selector)", selector):
            return
    raise AssertionError(f"Tab does not lead to {selector}")


@pytest.mark.parametrize("tab", ["latents", "likelihood"])
def test_a_tab_works_from_the_keyboard_stops_at_once_and_runs_unseen(tab, page, url):
    open_tab(page, url, tab, steps=20, count=16 if tab == "latents" else 64, times="20,5")
    page.wait_for_selector(f".ddpm-{tab} .run:enabled")
    for press in ("run", "stop"):  # before the server has answered
        page.evaluate("(button) => document.querySelector(button).click()", f".ddpm-{tab} .{press}")
    page.wait_for_selector(f".ddpm-{tab}[data-state=stopped]")

    page.locator(f".ddpm-{tab} .mode input").first.focus()
    tab_to(page, f".ddpm-{tab} .count")
    page.keyboard.type("2")
    page.wait_for_selector(f".ddpm-{tab} .run:enabled")
    tab_to(page, f".ddpm-{tab} .run")
    page.keyboard.press("Enter")
    page.get_by_role("tab", name="Learn").click()
    page.wait_for_selector(f".ddpm-{tab}[data-state=finished]", state="attached")
    page.get_by_role("tab", name=tab.capitalize()).click()
    assert page.inner_text(f".ddpm-{tab} .announce[aria-live]") == "Finished"
    if tab == "latents":
        assert page.locator(".ddpm-latents .cells img:visible").count() == 2
        page.locator(".ddpm-latents .run").focus()
        tab_to(page, ".scrubber")
        page.keyboard.press("Home")
        page.keyboard.press("ArrowRight")
        assert page.get_by_label("Step of the chains").get_attribute("aria-valuetext") == "step 2 of 20"
        assert "best guess x̂_0 seen at time" in page.locator(".ddpm-latents .cells img").first.get_attribute("alt")
    page.locator(f".ddpm-{tab} .source[data-which=a] .kind input").last.check(force=True)
    assert page.evaluate(NAMELESS, tab) == []


def test_where_little_motion_is_wanted_pictures_change_once_a_second(page, url):
    page.emulate_media(reduced_motion="reduce")
    open_tab(page, url, "latents", steps=20, count=2, times="20")
    finished(page, "latents")
    page.evaluate("""() => {
      const tab = document.querySelector(".ddpm-latents");
      window.seen = [];
      new MutationObserver(() => window.seen.push([performance.now() - window.began, Number(tab.dataset.at)]))
        .observe(tab, { attributeFilter: ["data-at"] });
      window.began = performance.now();
      tab.querySelector(".play").click();
    }""")
    page.wait_for_function("window.seen.some(([, at]) => at > 0)")
    seen = page.evaluate("window.seen")
    assert seen[0][1] == 0  # it begins at once, and goes on after a second, with a picture much further on
    assert all(at == 0 if when < 990 else at in (0, *range(4, 20)) for when, at in seen)
    page.get_by_role("button", name="Pause").click()
    moving = "[...document.querySelectorAll('.ddpm *')].filter((node) => node.getAnimations().length).length"
    assert page.evaluate(moving) == 0


def test_two_visitors_at_once_each_get_what_they_asked_for(page, url, browser):
    other = browser.new_page()
    open_tab(page, url, "latents", steps=4, count=3, times="20,5", seed=7)
    open_tab(other, url, "latents", steps=6, count=2, times="15", seed=9, mode="interpolate", seed_b=3)
    for one in (page, other):
        one.click(".ddpm-latents .run:enabled")
    both = []
    for one in (page, other):
        one.wait_for_selector(".ddpm-latents[data-state=finished]")
        both.append(pictures(one, ".ddpm-latents .cells"))
    assert [len(rows) for rows in both] == [2, 1]
    for one, rows in zip((page, other), both, strict=True):
        finished(one, "latents")
        assert pictures(one, ".ddpm-latents .cells") == rows
    other.close()


def test_a_picture_of_one_pixel_is_measured(page, url, tmp_path):
    open_tab(page, url, "likelihood")
    bits = []
    for colour in ((0, 0, 0, 0), (255, 255, 255, 255)):  # transparent; white
        Image.new("RGBA", (1, 1), colour).save(tmp_path / "dot.png")
        before = page.get_attribute(".ddpm-likelihood .source", "data-picture")
        page.locator(".ddpm-likelihood .upload input").set_input_files(tmp_path / "dot.png")
        page.wait_for_selector(f".ddpm-likelihood .source:not([data-picture='{before}'])")
        finished(page, "likelihood")
        bits.append(float(page.inner_text(".ddpm-likelihood .big").split()[0]))
        assert "1 picture;" in page.inner_text(".ddpm-likelihood .totals caption")
    assert np.isfinite(bits).all() and bits[0] != bits[1]


def test_a_results_folder_opens_and_its_cells_lead_to_denoise(page, url, tmp_path):
    open_tab(page, url, "likelihood", mode="study", folder="/nowhere")
    page.get_by_text("There is no folder").wait_for()
    folder = study_of(tmp_path, weights_sha256=weights_of("cifar10-tiny"))
    page.fill(".ddpm-likelihood .folder", folder)
    page.press(".ddpm-likelihood .folder", "Enter")
    page.wait_for_selector(".ddpm-likelihood .plots img")
    page.locator(".ddpm-likelihood td a", has_text="931.37").click()
    page.wait_for_selector("#variance input[value=beta]:checked")
    page.wait_for_function("document.querySelector('#steps input[type=number]')?.value === '10'")


def shown(page):
    """What the numbers under the clouds say."""
    return page.locator(".ddpm-plane .numbers tbody").inner_text()


def test_two_clouds_play_are_scrubbed_and_come_back_from_their_link(page, url):
    open_tab(page, url, "plane", steps=20, steps_b=5, cloud=200)
    finished(page, "plane")
    page.wait_for_selector(".ddpm-plane[data-last=true]")  # it has played to the end
    assert page.get_attribute(".ddpm-plane", "data-frames") == "27"
    end = shown(page)
    assert "A at t = 0" in end and page.locator(".ddpm-plane .numbers tr.true").count() == 1
    verdicts = page.locator(".ddpm-plane .verdict").all_inner_texts()
    assert verdicts[0].startswith("Spread ") and "below what it should be" in verdicts[1]
    assert all(verdict in page.locator(".ddpm-plane .announce").text_content() for verdict in verdicts)

    # At the start both lanes have one cloud; between two steps of B it has its last one, and a truth of its own.
    page.get_by_label("Time t").press("Home")
    page.wait_for_selector(".ddpm-plane[data-t='1000']")
    a, b, _ = shown(page).splitlines()
    assert a.split("\t")[1:] == b.split("\t")[1:]
    page.get_by_label("Time t").press("ArrowRight")
    page.wait_for_selector(".ddpm-plane[data-t='947']")
    assert "B at t = 1000" in shown(page) and page.locator(".ddpm-plane .numbers tr.true").count() == 2
    assert "at t = 1000" in page.locator(".pane[data-lane=b] canvas").get_attribute("aria-label")

    link = page.url
    page.emulate_media(reduced_motion="reduce")  # so that the end is shown at once
    page.goto("about:blank")
    page.goto(link)
    page.wait_for_selector(".ddpm-plane[data-ready=true]")
    assert page.get_attribute(".ddpm-plane", "data-state") == "idle"
    page.locator(".lane[data-lane=b] .steps").press("Enter")
    page.wait_for_selector(".ddpm-plane[data-state=finished][data-last=true]")
    assert shown(page) == end
    page.get_by_label("Moons").check()  # other data: what was shown is not theirs
    page.wait_for_selector(".ddpm-plane .numbers", state="hidden")


def test_a_drawing_is_made_by_keys_and_pointer_and_is_in_the_link(page, url):
    page.emulate_media(reduced_motion="reduce")  # so that nothing plays
    open_tab(page, url, "plane", shape="drawing", steps=2, steps_b=2, cloud=50)
    page.get_by_text("The drawing is empty").wait_for()
    assert page.locator(".ddpm-plane .run").is_disabled()
    board = page.get_by_label("Drawing board")
    for key in ("ArrowLeft", "ArrowUp", "Space"):
        board.press(key)
    finished(page, "plane")  # of one point
    page.wait_for_selector(".ddpm-plane[data-last=true]")
    assert parse_qs(urlsplit(page.url).fragment) == {"drawing": ["-5,5"]}
    assert "−.050\t.050\t.007" in shown(page)
    board.scroll_into_view_if_needed()
    box = board.bounding_box()
    page.mouse.move(box["x"] + 20, box["y"] + box["height"] / 2)
    page.mouse.down()
    page.mouse.move(box["x"] + 300, box["y"] + box["height"] / 2, steps=4)
    page.mouse.up()
    drawn = page.locator(".ddpm-plane .drawn").inner_text()
    assert int(drawn.split()[0]) > 30
    page.wait_for_function("document.querySelector('.ddpm-plane .run').disabled === false")
    page.get_by_role("button", name="Undo").click()
    page.get_by_role("button", name="Copy link").click()
    page.goto(page.url.replace("steps=2", "steps=3"))
    page.wait_for_selector(".ddpm-plane[data-ready=true]")
    assert int(page.locator(".ddpm-plane .drawn").inner_text().split()[0]) == int(drawn.split()[0]) - 1
    page.get_by_role("button", name="Clear").click()
    page.get_by_text("The drawing is empty").wait_for()


def test_a_network_is_trained_before_ones_eyes_also_in_a_tab_that_is_not_seen(page, url):
    open_tab(page, url, "plane", denoiser_b="trained", training=10000, cloud=100)
    page.click(".ddpm-plane .run:enabled")
    page.get_by_text("the network so far").wait_for()
    page.get_by_role("tab", name="Learn").click()
    page.get_by_role("tab", name="Plane").click()
    page.wait_for_function("document.querySelector('.ddpm-plane .loss .at').textContent.includes('of 10000')")
    page.click(".ddpm-plane .stop")
    page.wait_for_selector(".ddpm-plane[data-state=stopped]")
    assert page.get_by_role("button", name="Play").is_disabled()  # there is no cloud yet
    page.fill(".ddpm-plane .training", "20")
    page.press(".ddpm-plane .training", "Enter")
    page.wait_for_selector(".ddpm-plane[data-state=finished][data-last=true]")
    assert "step 20 of 20" in page.locator(".ddpm-plane .loss .at").inner_text()


@pytest.mark.parametrize("tab", ["latents", "likelihood", "plane"])
def test_nothing_is_wider_than_a_phone_and_run_is_at_hand(page, url, tab):
    page.set_viewport_size({"width": 390, "height": 844})
    open_tab(page, url, tab, steps=2, count=2)
    run = page.locator(f".ddpm-{tab} .run")
    box = run.bounding_box()
    assert box["height"] >= 44 and box["y"] + box["height"] <= 844
    finished(page, tab)
    assert page.evaluate("document.documentElement.scrollWidth") == 390


def test_a_lesson_leads_here(page, url):
    page.goto(url)
    page.get_by_role("tab", name="Learn").click()
    page.get_by_role("button", name="Share a latent in Latents").click()
    page.wait_for_selector(".ddpm-latents[data-ready=true]")
    assert page.get_attribute(".ddpm-latents", "data-state") == "idle"

    page.get_by_role("tab", name="Learn").click()
    page.get_by_role("button", name="Show two clouds in Plane").click()
    page.wait_for_selector(".ddpm-plane[data-ready=true][data-state=idle]")

    # The model is the one that is chosen in Denoise, from then on.
    page.get_by_role("tab", name="Denoise").click()
    page.locator("#checkpoint input").click()
    page.get_by_role("option", name="CIFAR-10 tiny").click()
    page.wait_for_function("document.querySelector('.ddpm-latents .checkpoint').value === 'cifar10-tiny'")
    page.get_by_role("tab", name="Likelihood").click()
    page.wait_for_function("document.querySelector('.ddpm-likelihood .checkpoint')?.value === 'cifar10-tiny'")
