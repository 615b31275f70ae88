"""The parts of Look inside with a model, and the plane, in a real browser, with a small random network."""

import json
from urllib.parse import parse_qs, urlencode, urlsplit

import numpy as np
import pytest
from browser import CALM, MOTION, served
from checkpoint_folders import SMALLEST, write
from parts import WITH_RUNS
from PIL import Image, ImageDraw

from ui.models import form_options

SIZE = 28
PARTS = [
    part for part in WITH_RUNS if part not in ("watch", "compare", "grid", "between")
]  # others have tests for this


@pytest.fixture(scope="module")
def url(tmp_path_factory, torch_page):
    """Served with a network of grey 28×28 images, for which pictures of digits come with the page."""
    folder = tmp_path_factory.mktemp("models") / "grey"
    small = {**SMALLEST, "sample_size": SIZE, "in_channels": 1, "out_channels": 1}
    write(folder, scheduler={"num_train_timesteps": 20}, **small)
    with pytest.MonkeyPatch.context() as patch, served(str(folder)) as app:
        patch.setattr(form_options, "QUICK", 15.0)  # for a busy machine: what is quick begins by itself
        assert app.warmup.ready.wait(120)  # so that runs are known to be quick
        yield f"{app.local_url}?{urlencode({'checkpoint': str(folder)})}"


def open_part(page, url, part, **values):
    """Open a link, and wait until its settings are described."""
    page.goto(f"{url}&{urlencode({'tab': part, **values})}")
    page.wait_for_selector(f".part-{part}[data-ready=true][data-described]")


def finished(page, part):
    page.click(f".part-{part} .run:enabled")
    page.wait_for_selector(f".part-{part}[data-state=finished]")


def idle(page, part):
    """Wait for the run with which a link begins."""
    page.wait_for_selector(f".part-{part}[data-state=finished]")


def field(page, part, name):
    return page.locator(f".part-{part} [data-name={name}]")


def saved(page, title, path):
    """Take a file away by the menu."""
    page.click("#share > button:text('Share')")
    with page.expect_download() as download:
        page.locator("#share-menu").get_by_role("button", name=title).click()
    download.value.save_as(path)
    page.keyboard.press("Escape")
    return path


def pictures(page, root):
    """The pixels of the pictures under an element, as data-URIs."""
    return page.evaluate(f"({PIXELS})({json.dumps(root)})")


PIXELS = """(root) => Promise.all([...document.querySelectorAll(`${root} img`)].map(async (image) => {
  await image.decode().catch(() => {}); // one without an address
  const canvas = document.createElement("canvas");
  Object.assign(canvas, { width: image.naturalWidth, height: image.naturalHeight });
  if (image.naturalWidth) canvas.getContext("2d").drawImage(image, 0, 0);
  return canvas.toDataURL();
}))"""


def test_what_opens_is_a_recorded_run_and_can_be_saved(page, url, tmp_path):
    page.goto(f"{url.partition('?')[0]}?checkpoint=mnist-tiny")  # of another model there would be none
    page.wait_for_selector(".part-watch[data-ready=true][data-described]")
    for part in PARTS:
        page.click("#places [data-place=inside]" if part != "plane" else "#places [data-place=compare]")
        page.click(f"#parts [data-part={part}]")
        page.get_by_text("Change anything to run your own.").locator("visible=true").wait_for()
        page.wait_for_selector(f".part-{part}[data-state=idle][data-described]")
        found = {"network": ".u .tile", "likelihood": ".guesses img", "plane": ".numbers:not([hidden])"}
        page.wait_for_selector(f".part-{part} {found.get(part, '.rows img:visible')}")
        if part != "network":  # this has no slide
            with Image.open(saved(page, "Picture (PNG)", tmp_path / "slide.png")) as slide:
                assert slide.width == 1600
    page.click("#places [data-place=compare]")
    page.click("#parts [data-part=compare]")  # its second lane has the first one's model
    page.wait_for_selector(".part-compare[data-state=idle][data-ready=true][data-described]")
    page.locator(".part-compare").get_by_text("Change anything to run your own.").wait_for()
    page.click("#parts [data-part=plane]")
    table = saved(page, "Table (CSV)", tmp_path / "plane.csv").read_text()  # of the example, which is run for it
    assert table.count("\n") == 1 + 2 * 1000 and page.get_attribute(".part-plane", "data-state") == "finished"


def test_a_student_is_offered_what_it_was_made_for(page, url):
    open_part(page, url, "latents", checkpoint="mnist-tiny-consistency", sampler="ddpm", steps=50)
    names = "(all) => all.map((one) => one.value)"
    page.locator(".part-latents .more").evaluate("(more) => { more.open = true }")
    assert field(page, "latents", "sampler").locator("input").evaluate_all(names) == ["consistency"]
    assert field(page, "latents", "steps").locator("input[type=number]").input_value() == "2"
    assert field(page, "latents", "times").locator("input").get_attribute("placeholder") == "1000, 562, 250"
    assert not field(page, "latents", "variance").is_visible() and not field(page, "latents", "eta").is_visible()
    field(page, "latents", "checkpoint").locator("select").select_option("mnist-tiny")
    page.wait_for_selector(".part-latents[data-ready=true]")
    assert field(page, "latents", "sampler").locator("input").evaluate_all(names) == ["ddpm", "ddim", "consistency"]
    field(page, "latents", "sampler").get_by_label("DDIM").check(force=True)
    assert field(page, "latents", "eta").is_visible()


def test_what_is_erased_is_painted_completed_saved_and_comes_back_from_its_link(page, url, tmp_path):
    open_part(page, url, "repair", steps=4, count=3, method_b="replacement")
    idle(page, "repair")
    before = pictures(page, ".repair .rows")
    assert len(before) == 4 and "all fit y" in page.locator(".repair .line").nth(0).inner_text()
    canvas = page.locator(".repair canvas")
    page.get_by_role("button", name="Nothing").click()
    page.locator(".part-repair .estimate", has_text="Paint over a part of the picture").wait_for()
    box = canvas.bounding_box()
    page.mouse.move(box["x"] + 40, box["y"] + 40)
    page.mouse.down()
    page.mouse.move(box["x"] + 120, box["y"] + 90, steps=3)
    page.mouse.up()
    canvas.press("ArrowLeft")
    canvas.press(" ")
    finished(page, "repair")
    erased = parse_qs(urlsplit(page.url).fragment)["hidden"]
    shown = pictures(page, ".repair")
    assert pictures(page, ".repair .rows") != before
    page.get_by_label("instead of").check()
    page.get_by_label("Step of the chains").press("Home")
    page.wait_for_selector(".repair[data-at='0']")
    assert pictures(page, ".repair") != shown
    assert Image.open(saved(page, "Pixels (PNG)", tmp_path / "rows.png")).size == (3 * SIZE + 4, 2 * SIZE + 2)

    link = page.url
    page.goto("about:blank")
    page.goto(link)
    idle(page, "repair")
    assert pictures(page, ".repair") == shown
    field(page, "repair", "task").get_by_label("Small").check(force=True)
    assert not canvas.is_visible() and not page.get_by_role("button", name="Middle").is_visible()
    idle(page, "repair")
    assert parse_qs(urlsplit(page.url).fragment)["hidden"] == erased  # for when it is erased again


@pytest.mark.long
def test_reconstructions_are_scrubbed_saved_and_come_back_from_their_link(page, url, tmp_path):
    open_part(page, url, "latents", steps=4, count=3, times="20,5,0")
    idle(page, "latents")
    assert page.get_attribute(".part-latents", "data-rows") == "3"
    rows = pictures(page, ".latents .cells")
    assert len(rows) == 3 and "all the same" in page.locator(".latents .line").nth(2).inner_text()
    scrubber = page.get_by_label("Step of the chains")
    scrubber.press("Home")
    page.wait_for_selector(".latents[data-at='0']")
    early = pictures(page, ".latents .cells")
    assert early[0] != rows[0] and early[2] == rows[2]
    page.get_by_role("button", name="Play").click()
    page.wait_for_selector(".latents[data-at='3']")
    assert pictures(page, ".latents .cells") == rows
    assert Image.open(saved(page, "Pixels (PNG)", tmp_path / "rows.png")).size == (3 * SIZE + 4, 3 * SIZE + 4)

    link = page.url
    page.goto("about:blank")
    page.goto(link)  # it runs by itself, as it is quick
    idle(page, "latents")
    assert pictures(page, ".latents .cells") == rows
    run = page.get_attribute(".part-latents", "data-run")
    field(page, "latents", "times").locator("input").press("Enter")
    page.wait_for_selector(f".part-latents[data-state=finished]:not([data-run='{run}'])")
    assert pictures(page, ".latents .cells") == rows


def test_an_upload_is_cropped_in_view_and_interpolated(page, url, tmp_path):
    image = Image.new("RGB", (120, 60), "white")
    ImageDraw.Draw(image).rectangle((60, 0, 120, 60), "black")
    image.save(tmp_path / "half.png")
    Image.new("RGBA", (1, 1), (0, 0, 0, 0)).save(tmp_path / "dot.png")
    (tmp_path / "no.png").write_text("no picture")
    open_part(page, url, "latents", mode="interpolate", steps=2, count=3, times="0")
    a, b = page.locator(".part-latents .source").all()
    a.locator(".upload input").set_input_files(tmp_path / "half.png")
    a.locator(".fitted img[src]").wait_for()
    before = a.locator(".fitted img").get_attribute("src")
    for _ in range(5):
        a.locator(".square").press("ArrowRight")
    page.wait_for_function("(before) => document.querySelector('.source .fitted img').src !== before", arg=before)
    b.locator(".upload input").set_input_files(tmp_path / "no.png")
    b.get_by_text("could not be read as a picture").wait_for()
    b.locator(".upload input").set_input_files(tmp_path / "dot.png")
    b.locator(".fitted img[src]").wait_for()
    finished(page, "latents")
    kept = pictures(page, ".latents .sources")
    link = page.url
    assert "picture=" not in urlsplit(link).query and len(parse_qs(urlsplit(link).fragment)) == 2
    page.goto("about:blank")
    page.goto(link)
    idle(page, "latents")
    assert pictures(page, ".latents .sources") == kept
    page.evaluate("page.open('latents', page.whole('latents', { checkpoint: page.model.ref }))")  # as a lesson does
    page.wait_for_selector(".part-latents[data-mode=reconstruct]")
    assert a.get_by_label("Sample of the seed").is_checked()


def test_bits_are_measured_stopped_and_measured_again(page, url, tmp_path):
    open_part(page, url, "likelihood", count=40)
    page.click(".part-likelihood .run:enabled")
    page.wait_for_selector(".likelihood .guesses img")
    page.click("#places [data-place=watch]")  # a run goes on in a part that is not seen
    page.wait_for_selector(".part-likelihood:not([data-done='0'])", state="attached")
    page.click("#places [data-place=inside]")
    page.evaluate("document.querySelector('.part-likelihood .stop').click()")  # it may have ended on a quick machine
    page.wait_for_selector(".part-likelihood:is([data-state=stopped], [data-state=finished])")
    assert "bits/dim: all 20 steps, with β̃ₜ" in page.locator(".likelihood .big").inner_text()
    count = field(page, "likelihood", "count").locator("input")
    count.fill("0")
    page.get_by_text("The number of pictures must be").wait_for()
    assert page.locator(".part-likelihood .run").is_disabled()
    page.wait_for_selector(".origin:text-matches('^Earlier run: .* · 40 pictures$'):visible")
    count.fill("2")
    count.press("Tab")
    page.wait_for_selector(".part-likelihood[data-done='2'][data-state=finished]")
    assert page.locator(".likelihood .totals tbody tr").count() == 2
    lines = saved(page, "Table (CSV)", tmp_path / "bits.csv").read_text().splitlines()
    shown = page.locator(".likelihood .totals tbody td").nth(1).inner_text().split(" ")[0]
    of = [line.split(",") for line in lines if line.startswith("beta_tilde,20,")]
    assert np.isclose(float(of[0][2]), float(shown), atol=0.006)


# --- Whoever uses them, and whatever happens meanwhile

# The visible parts that a screen reader has to name, without a name.
NAMELESS = """(part) => [...document.querySelectorAll(".part-" + part + " :is(button, input, select, img, [tabindex])")]
  .filter((node) => node.checkVisibility() && !node.matches("button img"))
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


@pytest.mark.parametrize("part", ["latents", "plane"])  # one form makes Run, Stop and what is heard of all parts
def test_a_part_works_from_the_keyboard_stops_at_once_and_runs_unseen(part, page, url):
    # What the part does not have would be said, and stay in the place of "Finished".
    few = {"plane": {"cloud": 100}}.get(part, {"count": 4})
    open_part(page, url, part, **few)
    page.wait_for_selector(f".part-{part} .run:enabled")
    for press in ("run", "stop"):  # before the server has answered
        page.evaluate("(button) => document.querySelector(button).click()", f".part-{part} .{press}")
    page.wait_for_selector(f".part-{part}:is([data-state=stopped], [data-state=finished])")
    page.locator(f".part-{part} .side input").first.focus()
    tab_to(page, f".part-{part} .run")
    page.keyboard.press("Enter")
    page.click("#places [data-place=course]")  # where nothing runs
    page.wait_for_selector(f".part-{part}[data-state=finished]", state="attached")
    page.click(f"#places [data-place={'compare' if part == 'plane' else 'inside'}]")
    page.wait_for_selector("#heard:text('Finished')", state="attached")
    assert page.evaluate(NAMELESS, part) == []


def test_where_little_motion_is_wanted_pictures_change_once_a_second(page, url):
    open_part(page, url, "latents", steps=20, count=2, times="20")
    idle(page, "latents")
    page.evaluate("""() => {
      const rows = document.querySelector(".latents");
      window.seen = [];
      new MutationObserver(() => window.seen.push([performance.now() - window.began, Number(rows.dataset.at)]))
        .observe(rows, { attributeFilter: ["data-at"] });
      window.began = performance.now();
      rows.querySelector(".play").click();
    }""")
    page.wait_for_function("window.seen.some(([, at]) => at > 0)")
    seen = page.evaluate("window.seen")
    assert seen[0][1] == 0  # it begins at once, and goes on after a second, with a picture much further on
    assert all(at == 0 if when < 990 else at in (0, *range(4, 20)) for when, at in seen)
    page.get_by_role("button", name="Pause").click()
    moving = "[...document.querySelectorAll('*')].filter((node) => node.getAnimations().length).length"
    assert page.evaluate(moving) == 0


def test_runs_of_one_page_take_turns_and_each_hears_its_own_messages(page, url):
    """Each has a stream of its own: one that is left takes nothing from the others, and ends none of them."""
    open_part(page, url, "plane", denoiser_b="trained", training=10000, cloud=100)
    page.click(".part-plane .run:enabled")
    page.get_by_text("the network so far").wait_for(timeout=90_000)
    (checkpoint,) = parse_qs(urlsplit(url).query)["checkpoint"]
    page.evaluate("(checkpoint) => page.open('likelihood', { checkpoint })", checkpoint)
    page.wait_for_selector(".part-likelihood[data-ready=true][data-described]")
    count, run = field(page, "likelihood", "count").locator("input"), page.locator(".part-likelihood .run")
    for n in (40, 30, 2):  # each replaces the one before it
        count.fill(str(n))
        run.click()
    page.wait_for_selector(".part-likelihood:is([data-state=queued], [data-state=running], [data-state=finished])")
    at = "document.querySelector('.plane .loss .at').textContent"
    page.wait_for_function(f"(before) => {at} !== before", arg=page.evaluate(at))
    assert page.get_attribute(".part-plane", "data-state") == "running"
    page.evaluate("document.querySelector('.part-plane .stop').click()")
    page.wait_for_selector(".part-plane[data-state=stopped]", state="attached")
    page.wait_for_selector(".part-likelihood[data-state=finished][data-done='2']")


# --- In the plane


def shown(page):
    """What the numbers under the clouds say."""
    return page.locator(".plane .numbers tbody").inner_text()


@pytest.mark.long
def test_two_clouds_play_are_scrubbed_and_come_back_from_their_link(page, url):
    page.emulate_media(**MOTION)
    open_part(page, url, "plane", steps=20, steps_b=5, cloud=200)
    page.wait_for_selector(".part-plane[data-state=finished][data-last=true]")  # it has played to the end
    assert page.get_attribute(".part-plane", "data-frames") == "27"
    assert page.locator(".part-plane .more").get_attribute("open") is not None  # what is unusual is in sight
    end = shown(page)
    assert "A at t = 0" in end and page.locator(".plane .numbers tbody tr").count() == 3
    verdicts = page.locator(".plane .verdict").all_inner_texts()
    assert verdicts[0].startswith("Spread ") and "below what it should be" in verdicts[1]
    assert all(verdict in page.locator("#heard").text_content() for verdict in verdicts)

    # At the start both lanes have one cloud; between two steps of B it has its last one, and a truth of its own.
    page.get_by_role("slider", name="Time t").press("Home")
    page.wait_for_selector(".part-plane[data-t='1000']")
    a, b, _ = shown(page).splitlines()
    assert a.split("\t")[1:] == b.split("\t")[1:]
    page.locator("body").press("ArrowRight")  # wherever the focus is
    page.wait_for_selector(".part-plane[data-t='947']")
    assert "B at t = 1000" in shown(page) and page.locator(".plane .numbers tbody tr").count() == 4
    assert "at t = 1000" in page.locator(".pane[data-lane=b] canvas").get_attribute("aria-label")

    link = page.url
    page.emulate_media(**CALM)  # so that the end is shown at once
    page.goto("about:blank")
    page.goto(link)
    page.wait_for_selector(".part-plane[data-state=finished][data-last=true]")
    assert shown(page) == end
    run = page.get_attribute(".part-plane", "data-run")
    page.get_by_label("Moons").check(force=True)  # other data run at once
    page.wait_for_selector(
        f".part-plane[data-shape=moons][data-state=finished][data-last=true]:not([data-run='{run}'])"
    )
    assert shown(page) != end


def test_a_drawing_is_made_by_keys_and_pointer_and_is_in_the_link(page, url):
    open_part(page, url, "plane", shape="drawing", steps=2, steps_b=2, cloud=50)
    page.get_by_text("Draw your data first").wait_for()
    assert page.locator(".part-plane .run").is_disabled()
    board = page.get_by_label("Drawing board")
    for key in ("ArrowLeft", "ArrowUp", "Space"):
        board.press(key)
    page.wait_for_selector(".part-plane[data-state=finished][data-last=true]")  # of one point
    assert parse_qs(urlsplit(page.url).fragment) == {"drawing": ["-5,5"]} and "steps_b=2&" in f"{page.url}&".replace(
        "#", "&"
    )
    assert "−0.050\t0.050\t0.007" in shown(page)
    board.scroll_into_view_if_needed()
    box = board.bounding_box()
    run = page.get_attribute(".part-plane", "data-run")
    page.mouse.move(box["x"] + 20, box["y"] + box["height"] / 2)
    page.mouse.down()
    page.mouse.move(box["x"] + 280, box["y"] + box["height"] / 2, steps=4)
    page.mouse.up()
    drawn = page.locator(".part-plane .drawn").inner_text()
    assert int(drawn.split()[0]) > 30
    page.wait_for_selector(f".part-plane[data-state=finished]:not([data-run='{run}'])")
    page.get_by_role("button", name="Undo").click()
    finished(page, "plane")
    page.goto(page.url.replace("steps=2", "steps=3"))
    page.wait_for_selector(".part-plane[data-ready=true]")
    assert int(page.locator(".part-plane .drawn").inner_text().split()[0]) == int(drawn.split()[0]) - 1
    page.get_by_role("button", name="Clear").click()
    page.get_by_text("Draw your data first").wait_for()


def test_a_network_is_taken_apart_by_its_buttons(page, url):
    open_part(page, url, "network", steps=4, seed=5)
    finished(page, "network")
    page.wait_for_selector(".part-network[data-frames='4'] .tile[aria-pressed=true]")
    assert page.locator(".u:visible").count() == 1
    page.wait_for_selector(".looks button:has-text('What can be read')", state="hidden")  # this model has no readers
    assert page.locator(".looks button:visible").all_inner_texts() == ["Activity", "Where a position looks"]
    whole = page.locator(".u .tile canvas").last.evaluate("(canvas) => canvas.toDataURL()")
    page.click(".switches [data-part=time]")
    page.wait_for_selector(".part-network[data-state=finished] .u >> nth=1")
    assert page.evaluate("document.activeElement.dataset.part") == "time"  # Tab goes on where it was
    assert parse_qs(urlsplit(page.url).query)["off"] == ["time"]
    titles = page.locator(".network .which:visible").all_inner_texts()
    assert titles == ["Whole", "Without time, in all steps"]
    ends = [lane.locator(".tile canvas").last for lane in page.locator(".u").all()]
    page.locator(".network .scrubber").press("End")
    assert ends[0].evaluate("(canvas) => canvas.toDataURL()") == whole
    assert ends[1].evaluate("(canvas) => canvas.toDataURL()") != whole
    page.get_by_role("button", name="Steps 3 to 4").click()
    page.wait_for_selector(".network .which:visible:has-text('Without time, in steps 3 to 4')")
    page.locator(".u").nth(1).locator("button.tile:enabled").first.click()
    page.wait_for_selector(".network .detail h3:text-is('down 1, changed')")
    page.set_viewport_size({"width": 390, "height": 844})  # a phone has room for one of them: the changed one
    page.wait_for_selector(".u:visible >> nth=1", state="detached")
    assert page.locator(".which[aria-pressed=true]").inner_text() == "Without time, in steps 3 to 4"
    page.locator(".which", has_text="Whole").click()
    page.wait_for_selector(".network .detail h3:text-is('down 1, whole')")
    assert page.locator(".u:visible").count() == 1
    page.reload()  # the link says it all
    page.wait_for_selector(".network .which:visible:has-text('Without time, in steps 3 to 4')")
    pill = page.locator(".when button:has-text('All steps')")  # what is pressed stays where it is
    pill.evaluate("(one) => one.scrollIntoView({ block: 'center' })")
    before = pill.bounding_box()["y"]
    pill.click()
    page.wait_for_selector(".part-network[data-state=finished] .which:visible:has-text('Without time, in all steps')")
    assert abs(pill.bounding_box()["y"] - before) < 2
