"""Every visitor: older browsers, keyboards, screen readers, high contrast, paper.

Small windows and large type are in test_presses.py.
"""

import re
from pathlib import Path

import flashing
import numpy as np
import pytest
from browser import CALM, MOTION, _missing, served
from parts import ON_PAGE, QUICK, WITH_RUNS

ROOT = Path(__file__).parents[2]
AXE = ROOT / "ui/web/node_modules/axe-core/axe.min.js"
LOOKS = ({"color_scheme": "light"}, {"color_scheme": "dark"}, {"forced_colors": "active"})
# What axe-core finds: the rule, and the first elements that break it. The contrast of forced colours is the system's.
FOUND = """
() => axe.run({
  resultTypes: ["violations"],
  rules: {
    "target-size": { enabled: true },
    "color-contrast": { enabled: !matchMedia("(forced-colors: active)").matches },
  },
}).then(({ violations }) =>
  violations.map(({ id, nodes }) => [id, ...nodes.slice(0, 3).map(({ html }) => html.slice(0, 150))]))
"""
# In what a screen reader says: symbols that have a spoken name, see ui/web/words/symbols.js.
SYMBOL = re.compile("[\u0302-\u0304ᾱ₀-₉₊₋ₜ⁰¹²³⁴-⁹⁺⁻∇]|\\bx_[tT0]\\b")


@pytest.fixture(scope="module")
def url(narrow_page):
    with served("mnist-tiny") as app:
        assert app.warmup.ready.wait(120)
        yield app.local_url


def opened(page, url, part="watch", more=""):
    page.goto(f"{url}?tab={part}&seed=13{more}")
    page.wait_for_function("document.documentElement.dataset.ready")
    page.wait_for_selector("#place > section:not([hidden])")


def finished(page, part):
    page.wait_for_function(
        f"""() => {{
            const part = document.querySelector(".part-{part}");
            if (part.dataset.state === "idle" && part.dataset.described > 0) part.querySelector(".run").click();
            return part.dataset.state === "finished";
        }}""",
        polling=200,
    )


def violations(page):
    """What axe-core finds in both widths and in every look."""
    found = []
    for width in (1280, 390):
        page.set_viewport_size({"width": width, "height": 2000})  # so that the bar of Run lies over nothing
        for look in LOOKS:
            page.emulate_media(**look)
            found += [(width, *look.values(), *one) for one in page.evaluate(FOUND)]
        page.emulate_media(color_scheme="light", forced_colors="none")
    return found


def symbols(page):
    """What a screen reader is to say (names, descriptions, values) that has a symbol; it reads MathML itself."""
    page.evaluate("for (const one of document.querySelectorAll('details')) one.open = true")
    session = page.context.new_cdp_session(page)
    nodes = {node["nodeId"]: node for node in session.send("Accessibility.getFullAXTree")["nodes"]}
    session.detach()

    def role(node):
        return node["role"]["value"]

    def whole(node):
        """Whether what is in the node is said by its name."""
        return role(node) in ("image", "math", "MathMLMath")

    def above(node):
        while node := nodes.get(node.get("parentId")):
            yield node

    texts = [
        (role(node), str(node.get(key, {}).get("value", "")))
        for node in nodes.values()
        if not node["ignored"] and not any(map(whole, above(node)))
        for key in ("name", "description", "value")
    ]
    assert len(texts) > 100
    return {(role, text) for role, text in texts if role != "InlineTextBox" and SYMBOL.search(text)}


@pytest.fixture
def axed(page):
    if not AXE.is_file():
        _missing("axe-core is not installed: npm --prefix ui/web ci")
    page.add_init_script(path=AXE)
    return page


@pytest.mark.long
@pytest.mark.parametrize("part", ON_PAGE)
def test_axe_finds_nothing_and_symbols_are_said_in_words_before_a_run_and_after_it(axed, url, part):
    opened(axed, url, part, QUICK.get(part, ""))
    found = violations(axed)
    if part in WITH_RUNS:
        finished(axed, part)
        found += violations(axed)
    assert not found
    assert not symbols(axed)


# --- Flashes (2.3.1)


def test_what_flashes_is_measured_as_wcag_defines_it():
    seconds = np.arange(0, 2, 0.1)
    shots = np.zeros((20, 16, 21, 3), np.uint8)
    shots[::2] = 255
    assert flashing.flashing(seconds, shots) == 1  # five flashes a second
    assert flashing.flashing(seconds * 1.7, shots) == 0  # three
    assert flashing.flashing(seconds, shots // 16) == 0  # too dark to be seen
    shots[:, :12] = 255
    assert flashing.flashing(seconds, shots) == 0.25
    shots[::2, 12:] = 60
    shots[1::2, 12:] = np.where(np.arange(10) % 2, 80, 40)[:, None, None, None]
    assert flashing.flashing(seconds, shots) == 0  # changes of less than a tenth


@pytest.mark.long
def test_noise_that_plays_on_the_wall_at_four_times_the_speed_does_not_flash(page, url):
    opened(page, url, "watch", "&steps=100")
    finished(page, "watch")
    page.emulate_media(**MOTION)
    page.select_option(".speed", "4")
    page.keyboard.press("f")
    page.keyboard.press("End")
    seconds, shots = flashing.played(
        page, "figure.x canvas", " ", "document.querySelector('.play').ariaLabel === 'Play'"
    )
    assert len(shots) > 8 and flashing.flashing(seconds, shots) < 0.25
    page.emulate_media(**CALM)


# --- Keyboards and screen readers


def held(page):
    """What has the focus: its name, or its text."""
    return page.evaluate("document.activeElement.ariaLabel || document.activeElement.innerText.split('\\n')[0]")


def test_sheets_and_the_menu_take_the_focus_and_give_it_back(page, url):
    page.goto(f"{url}?tab=watch")  # a link with settings may run by itself
    page.wait_for_selector(".part-watch[data-ready=true][data-described] .run:enabled")
    page.wait_for_selector(".part-watch .tag:visible")  # the recorded run, with pictures for what a symbol means
    page.focus("#places button")
    page.keyboard.press("?")
    assert held(page) == "Keys"
    page.keyboard.press("r")  # no key of the page now
    assert page.get_attribute(".part-watch", "data-state") == "idle"
    page.keyboard.press("Escape")
    assert held(page) == "Watch"
    page.keyboard.press("s")
    assert held(page) == "Link"
    page.evaluate("navigator.clipboard.writeText = async () => {}")
    page.keyboard.press("Enter")
    page.wait_for_selector(".menu-said:text('Copied.')")
    assert held(page) == "Link"
    page.keyboard.press("Escape")
    assert held(page) == "Watch" and not page.is_visible("#share-menu")
    page.keyboard.press("s")
    page.mouse.click(5, 700)
    assert not page.is_visible("#share-menu")
    page.focus(".ddpm-player .term >> nth=0")
    page.keyboard.press("Enter")
    page.wait_for_selector(".meaning canvas:visible")
    page.keyboard.press("Escape")
    assert page.evaluate("document.activeElement.matches('.term')")


def test_letters_are_no_keys_where_they_are_switched_off(page, url):
    opened(page, url)
    page.keyboard.press("?")
    page.uncheck(".keys input")
    page.keyboard.press("Escape")
    for load in (False, True):
        if load:
            opened(page, url)
        for key in "?sf2":
            page.keyboard.press(key)
        assert not page.locator("dialog[open], .projector").count()
        assert page.evaluate("document.querySelector('[aria-current=true]').innerText") == "Watch"
    page.evaluate("localStorage.clear()")


def test_the_focus_is_never_lost(page, url, slow_network):
    opened(page, url)
    page.focus("#share button >> nth=0")
    page.keyboard.press("2")
    assert held(page) == "Compare"
    page.wait_for_selector(".part-compare")
    page.focus("#parts [data-part=grid]")
    page.keyboard.press("Enter")
    page.wait_for_selector(".part-grid")
    assert held(page) == "Grid"
    page.keyboard.press("1")
    page.wait_for_selector(".part-watch:not([hidden])[data-described]")
    page.focus("#share .wide >> nth=0")
    before = held(page)
    page.keyboard.press("f")
    page.keyboard.press("f")
    assert held(page) == before
    page.click(".part-watch .run")
    page.wait_for_selector(".part-watch .stop:enabled")
    page.focus(".part-watch .stop")
    page.keyboard.press("Enter")
    page.wait_for_selector(".part-watch[data-state=stopped]")
    assert held(page).startswith("Run")


def test_a_picture_is_touched_by_keys_alone(page, url):
    opened(page, url)
    finished(page, "watch")
    page.focus(".tools button >> nth=0")
    page.keyboard.press("Enter")
    assert held(page).startswith("Brush for x")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Space")
    page.wait_for_selector(".part-watch[data-state=finished] .ddpm-player.compare")


def test_a_screen_reader_hears_the_beginning_the_end_and_what_came_of_it(page, url):
    page.add_init_script("""window.heard = [];
    addEventListener("DOMContentLoaded", () => {
      const said = document.querySelector("#heard");
      new MutationObserver(() => window.heard.push(said.textContent)).observe(said, { childList: true });
    })""")
    opened(page, url)
    page.evaluate("page.say('Something that all are to read', true)")
    finished(page, "watch")
    page.wait_for_function("/finished/i.test(window.heard.at(-1))")
    heard = page.evaluate("window.heard")
    assert any(one.startswith("Running") for one in heard) and "picture is finished" in heard[-1], heard
    assert page.get_attribute(".ddpm-player .chart .area", "aria-label").startswith(
        "Noise added and signal left at each step: t "
    )
    assert page.get_by_role("button", name="the guess of x zero").count()


def test_while_it_plays_the_slider_speaks_once_a_second(page, url):
    opened(page, url)
    finished(page, "watch")
    page.emulate_media(**MOTION)
    page.keyboard.press("Home")
    page.evaluate("""() => {
      window.spoken = [];
      const slider = document.querySelector(".scrubber");
      const hear = () => window.spoken.push(slider.ariaValueText);
      new MutationObserver(hear).observe(slider, { attributeFilter: ["aria-valuetext"] });
    }""")
    page.keyboard.press(" ")
    page.wait_for_function("document.querySelector('.scrubber').value > 25")
    page.keyboard.press(" ")
    page.emulate_media(**CALM)
    assert 2 <= page.evaluate("new Set(window.spoken).size") <= 6  # in three seconds and more, of 25 steps


# --- Themes and paper


def test_a_change_of_the_systems_theme_is_followed_and_the_wall_has_its_own(page, url):
    page.emulate_media(color_scheme="light")
    opened(page, url)
    dark = "document.documentElement.classList.contains('dark')"
    assert not page.evaluate(dark)
    page.emulate_media(color_scheme="dark")
    page.wait_for_function(dark)
    page.keyboard.press("f")
    page.click(".wall [aria-label='Light or dark']")
    assert not page.evaluate(dark)
    page.keyboard.press("f")
    assert page.evaluate(dark)
    page.keyboard.press("f")
    assert not page.evaluate(dark)
    page.keyboard.press("f")
    page.emulate_media(color_scheme="light")


def test_with_forced_colours_what_is_chosen_is_seen(page, url):
    page.emulate_media(forced_colors="active")
    opened(page, url)
    colour = "(selector) => getComputedStyle(document.querySelector(selector)).backgroundColor"
    for chosen, other in (
        ("#places [aria-current=true]", "#places [aria-current=false]"),
        (".choice label:has(:checked)", ".choice label:not(:has(:checked))"),
        (".preset[aria-pressed=true]", ".preset[aria-pressed=false]"),
        (".run", ".stop"),
    ):
        assert page.evaluate(colour, chosen) != page.evaluate(colour, other), chosen
    # The line of β̃'s tilde covers nothing, and the slider has the track that says how far it is, in every browser.
    plate = "getComputedStyle(document.querySelector('.tilde'), '::after').forcedColorAdjust"
    assert page.evaluate(plate) == "none"
    slider = "(({ appearance, forcedColorAdjust }) => [appearance, forcedColorAdjust])"
    assert page.evaluate(f"{slider}(getComputedStyle(document.querySelector('.scrubber')))") == ["none", "none"]
    page.emulate_media(forced_colors="none")


@pytest.mark.parametrize("query", ["tab=watch", "tab=compare", "tab=repair", "tab=latents", "lesson=one-path"])
def test_a_result_and_a_lesson_print_on_one_page_without_controls(page, url, query):
    page.goto(f"{url}?{query}")
    page.wait_for_function("document.documentElement.dataset.ready")
    page.wait_for_selector(".tag:visible:text('Example')")  # the recorded run is drawn; its tag is there before, hidden
    if "lesson" in query:
        page.wait_for_selector("#course-bar .readings .drawn")
    if query in ("tab=watch", "lesson=one-path"):
        scrubber = page.locator(".part-watch .scrubber")
        scrubber.press("End")
        page.emulate_media(media="print")
        assert all(page.is_visible(f".part-watch {one}") for one in (".x", ".x0", ".net", ".back"))
        page.emulate_media(media="screen")
        if query == "tab=watch":
            scrubber.press("Home")
    page.emulate_media(media="print", color_scheme="dark")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    shown = "(selector) => [...document.querySelectorAll(selector)].filter((one) => one.getClientRects().length).length"
    assert not page.evaluate(shown, ".button, input, select, #places, #parts, #share")
    assert page.evaluate(shown, "main canvas, main img") and page.evaluate(shown, ".chart .readouts, .lead")
    if query == "tab=watch":  # between its pictures stands the network, and an arrow on each side
        x, to, network, out, x0 = (
            page.locator(f".part-watch {one}").bounding_box()
            for one in (".x .frame", ".arrow.in", ".net", ".arrow.out", ".x0 .frame")
        )
        edges = [end for box in (x, to, network, out, x0) for end in (box["x"], box["x"] + box["width"])]
        assert edges == sorted(edges) and to["y"] == out["y"] > x["y"]
    assert page.evaluate("getComputedStyle(document.querySelector('h1')).color") == "rgb(0, 0, 0)"
    assert page.inner_text("#address") == page.get_attribute("#address", "href") and page.is_visible("#address")
    assert query in page.inner_text("#address")
    pages = page.pdf(format="A4").count(b"/Type /Page\n")
    page.emulate_media(media="screen", color_scheme="light")
    assert pages == 1


def test_what_plays_is_printed_as_it_ends(page, url):
    page.emulate_media(**MOTION)
    opened(page, url, "compare")
    finished(page, "compare")
    page.focus(".part-compare .scrubber")
    page.keyboard.press("End")
    page.wait_for_function("document.querySelector('.part-compare .sentence').textContent.includes('noise')")
    shown = """() => [...document.querySelectorAll(".part-compare :is(.lane:not(.difference) canvas, .batch canvas)")]
        .map((one) => one.toDataURL()).join() + document.querySelector(".part-compare .sentence").textContent"""
    page.wait_for_timeout(300)
    ended = page.evaluate(shown)
    page.keyboard.press("Home")
    page.keyboard.press(" ")
    page.wait_for_function("document.querySelector('.part-compare .scrubber').value > 0")
    printed = f"() => {{ dispatchEvent(new Event('beforeprint')); return ({shown})(); }}"
    assert page.evaluate(printed) == ended
    page.keyboard.press("Home")  # what is chosen by hand is printed
    page.wait_for_timeout(300)
    before = page.evaluate(shown)
    assert page.evaluate(printed) == before != ended
    page.emulate_media(**CALM)


# --- Small windows, and what stays in its place


def boxes(page, selector):
    """Where the visible elements lie: x, y from the top of the page, width, height."""
    return page.evaluate(
        """(selector) => [...document.querySelectorAll(selector)].filter((one) => one.getClientRects().length)
            .map((one) => one.getBoundingClientRect())
            .map(({ x, y, width, height }) => [x, y + scrollY, width, height].map(Math.round))""",
        selector,
    )


@pytest.mark.parametrize("height", [200, 256])
def test_at_400_percent_nothing_lies_over_the_pictures_and_the_focus_stays_in_the_lesson(page, url, height):
    """1280 × 1024 pixels, or 1280 × 800 (WCAG 1.4.10, 2.4.11)."""
    page.set_viewport_size({"width": 320, "height": height})
    page.goto(f"{url}?lesson=one-path")
    page.wait_for_selector("#course-bar .do button")
    page.focus("#course-bar .do button")
    page.keyboard.press("Enter")
    page.wait_for_selector("#course-bar.folded")
    page.wait_for_selector(".part-watch[data-state=finished]")
    assert page.evaluate("document.activeElement.matches('#course-bar *') && document.activeElement.checkVisibility()")
    page.evaluate("document.querySelector('.part-watch .lanes').scrollIntoView({ block: 'center' })")
    covered = """() => [...document.querySelectorAll(".part-watch .frame")].filter((one) => {
        const { x, y, width, height } = one.getBoundingClientRect();
        const hit = (down) => document.elementFromPoint(x + width / 2, y + down * height);
        return [0.05, 0.5, 0.95].some((down) => !one.contains(hit(down)));
    }).map((one) => one.parentElement.className)"""
    assert page.evaluate(covered) == []
    page.keyboard.press("5")
    page.wait_for_selector("#course-bar.elsewhere")
    page.focus("#course-bar .away button:text-is('Back to it')")
    page.keyboard.press("Enter")
    page.wait_for_selector("#course-bar h2:focus")
    page.click("#course-bar header [aria-label='End the course']")
    page.wait_for_selector("#course-bar", state="hidden")
    assert page.evaluate("document.activeElement.id") == "place"
    page.set_viewport_size({"width": 1280, "height": 720})


def test_what_plays_moves_neither_its_slider_nor_the_small_pictures_and_none_of_these_stands_alone(page, url):
    page.emulate_media(**MOTION)
    for part in ("watch", "compare"):
        for width in (320, 1280):
            page.set_viewport_size({"width": width, "height": 900})
            opened(page, url, part, "&count=16&steps=12&steps_b=12")
            finished(page, part)
            rows = [y for _, y, *_ in boxes(page, f".part-{part} .batch button")]
            assert len(rows) == 16 and rows.count(rows[-1]) > 1
            scrubber = page.locator(f".part-{part} .scrubber")
            seen = []
            for k in range(12):  # as where it plays
                scrubber.fill(str(k))
                page.wait_for_selector(f".part-{part} .ddpm-player[data-k='{k}']")
                seen.append(boxes(page, f".part-{part} :is(.scrubber, .batch)"))
            assert all(one == seen[0] for one in seen), (part, width, seen)
    page.emulate_media(**CALM)
    page.set_viewport_size({"width": 1280, "height": 720})


def test_an_idea_of_the_course_has_an_address_that_opens_it(page, url):
    page.goto(f"{url}?tab=course#card=guidance")
    page.wait_for_selector(".card[data-name=guidance][open]")
    page.wait_for_function(
        "(y => y >= -1 && y < innerHeight)(document.querySelector('.card[open]').getBoundingClientRect().y)"
    )
    assert page.locator(".card[open]").count() == 1
    page.click(".card[data-name=bits] > summary")
    page.click(".card[data-name=bits] a[href='#card=bits']")
    assert page.url.endswith("#card=bits")
    page.reload()
    page.wait_for_selector(".card[data-name=bits][open]")
    ids = page.locator(".cards > .card").evaluate_all("(all) => all.map(({ id }) => id)")
    links = page.locator(".cards .card a[href^='#']").evaluate_all(
        "(all) => all.map((one) => one.getAttribute('href'))"
    )
    assert len(set(ids)) == len(ids) > 8 and links == [f"#{one}" for one in ids]


# --- Older browsers

YOUNG = """
for (const name of ["showPopover", "hidePopover", "togglePopover", "popover"]) delete HTMLElement.prototype[name];
delete Element.prototype.checkVisibility;
delete AbortSignal.any;
"""


def test_a_browser_of_the_floor_has_the_whole_page(page, url):
    page.add_init_script(YOUNG)
    opened(page, url)
    page.keyboard.press("r")
    page.wait_for_selector(".part-watch[data-state=finished]")
    page.keyboard.press("s")
    assert page.is_visible("#share-menu button:text('Copy Python')")


@pytest.mark.parametrize(
    "lacks", ["delete window.CompressionStream", "delete window.OffscreenCanvas", "CSS.supports = () => false"]
)
def test_an_older_browser_reads_one_sentence_and_sees_a_recorded_run(page, url, lacks):
    page.add_init_script(lacks)
    page.goto(url)
    assert "newer browser: Chrome 111, Firefox 121, Safari 16.4" in page.inner_text("#place p")
    drawn = "document.querySelector('#place canvas').getContext('2d').getImageData(0, 0, 28, 28).data.some(Boolean)"
    page.wait_for_function(drawn)
    assert not page.evaluate("document.documentElement.dataset.ready")


def test_a_browser_that_changes_pixels_is_told_what_to_allow(page, url):
    page.add_init_script("""
    for (const { prototype } of [CanvasRenderingContext2D, OffscreenCanvasRenderingContext2D]) {
      const read = prototype.getImageData;
      prototype.getImageData = function (...where) {
        const image = read.apply(this, where);
        image.data.fill(7);
        return image;
      };
    }
    """)
    opened(page, url, "forward")
    page.set_input_files("input[type=file]", ROOT / "ui/web/icons/icon-192.png")
    page.wait_for_selector(".wrong:text('Allow this page to read canvases, then load it again.')")
