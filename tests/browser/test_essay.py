"""The essay and its figures in Chromium: on its own page, without scripts, and in the page of another site."""

import functools
import http.server
import re
import threading

import pytest
from browser import new_page
from test_static import Quiet, Site
from test_visitors import AXE, symbols, violations

from ui import web
from ui.static.folder import write

MODELS = ["mnist-tiny", "mnist-tiny-2-steps"]
FIGURES = re.findall(r'<ddpm-figure name="(\w+)"', web.text("essay/essay.html"))
COMPUTED = ("guess", "jump", "step", "inside", "few", "same", "card")  # by the network, without a press
CLEAN = 1  # which canvas of the figure "noise" is the picture without noise
SETTLED = "[data-alive=true]:not([data-busy=true])"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    out = tmp_path_factory.mktemp("site") / "a" / "lab"
    assert write(out, MODELS) == []
    return out


@pytest.fixture(scope="module")
def site(folder):
    site = Site(folder)
    yield site.address
    site.stop()


@pytest.fixture
def essay(page, site):
    page.goto(f"{site}essay.html")
    page.wait_for_selector("html[data-ready=true]")
    return page


def figure(page, name):
    """The figure, once it has computed what it shows first."""
    page.locator(f"ddpm-figure[name={name}]").scroll_into_view_if_needed()
    return page.locator(f"ddpm-figure[name={name}]{SETTLED}")


def says(page, name, text):
    """Wait until a paragraph of a figure says this, and return all that it says."""
    said = page.locator(f"ddpm-figure[name={name}] p", has_text=text)
    said.wait_for()
    return said.text_content()


def values(one):
    return one.evaluate("figure => figure.values")


def pixels(one, which=0):
    """The picture of a canvas of a figure, as text."""
    return one.locator("canvas").nth(which).evaluate("canvas => canvas.toDataURL()")


def test_every_section_computes_and_says_no_error(essay):
    asked = []
    essay.on("response", lambda answer: asked.append((answer.status, answer.url)))
    for name in FIGURES:
        one = figure(essay, name)
        one.wait_for()
        if name in COMPUTED:
            essay.wait_for_selector(f"ddpm-figure[name={name}][data-answers]{SETTLED}")
        if name in ("words", "learned"):
            essay.wait_for_selector(f"ddpm-figure[name={name}][data-recorded=true]")
        assert one.locator(".status").text_content() == "", name
        assert one.locator(".tile:visible:not(.empty)").count() or name == "card"
    essay.wait_for_selector("ddpm-figure[name=card][data-drawn=true]")
    assert [url for status, url in asked if status >= 400] == []
    assert essay.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_a_drawing_by_keys_goes_through_the_page_and_into_a_link(essay, browser):
    noise = figure(essay, "noise")
    before = pixels(noise, CLEAN)
    figure(essay, "pad").get_by_role("application").focus()
    for key in [" ", *["ArrowDown"] * 12, *["ArrowRight"] * 5, "Enter"]:
        essay.keyboard.press(key)
    says(essay, "pad", "your picture now")
    drawn = pixels(noise, CLEAN)
    assert drawn != before
    essay.evaluate("() => { navigator.clipboard.writeText = () => Promise.reject() }")  # as where a browser refuses it
    figure(essay, "card").get_by_role("button", name="Copy a link").click()
    link = says(essay, "card", "#picture=")
    essay.reload()
    figure(essay, "pad").wait_for()
    says(essay, "pad", "your picture now")  # it was kept
    with new_page(browser) as other:
        other.goto(link)
        figure(other, "pad").wait_for()
        says(other, "pad", "sent you")
        assert pixels(figure(other, "noise"), CLEAN) == drawn


def test_a_figure_says_that_its_model_could_not_be_loaded_and_tries_again(essay):
    essay.route("**/*.safetensors*", lambda route: route.abort())
    one = figure(essay, "guess")
    says(essay, "guess", "A model could not be loaded: is there a connection?")
    essay.unroute("**/*.safetensors*")
    one.get_by_role("slider").press("End")
    essay.wait_for_selector(f"ddpm-figure[name=guess][data-answers]{SETTLED}")
    assert one.locator(".status").text_content() == ""


def test_a_figure_whose_files_could_not_be_loaded_says_so_and_loads_when_asked_again(page, site):
    page.route("**/figures/kinds/guess.js", lambda route: route.abort())
    page.route("**/words/units.js", lambda route: route.abort())
    page.route("**/figures/worker.js", lambda route: route.abort())
    page.goto(f"{site}essay.html")
    again = page.locator("ddpm-figure[name=guess]").get_by_role("button", name="Try again")
    page.locator("#guess h2").scroll_into_view_if_needed()
    again.click()  # in vain
    says(page, "guess", "This figure could not be loaded. Is there a connection?")
    assert page.locator("ddpm-figure[name=guess] > img").is_visible()
    page.unroute("**/figures/kinds/guess.js")
    again.click()
    page.wait_for_selector("ddpm-figure[name=guess][data-alive=true]")
    says(page, "guess", "This figure could not be loaded. Is there a connection?")  # without its worker
    page.unroute("**/figures/worker.js")
    again.click()
    page.wait_for_selector(f"ddpm-figure[name=guess][data-answers]{SETTLED}")
    assert figure(page, "guess").locator(".status").text_content() == ""


def test_keys_and_the_words_of_the_text_set_a_figure(essay):
    one = figure(essay, "guess")
    one.wait_for()
    slider = one.get_by_role("slider")
    assert slider.get_attribute("aria-valuetext") == "t = 150"
    guess = pixels(one, 1)
    slider.focus()
    for _ in range(3):
        essay.keyboard.press("PageUp")
    t = values(one)["t"]
    assert t > 150 and slider.get_attribute("aria-valuetext") == f"t = {t}"
    figure(essay, "guess").wait_for()
    assert pixels(one, 1) != guess
    essay.get_by_role("button", name="t = 600").last.click()
    essay.wait_for_function("document.querySelector('ddpm-figure[name=guess]').values.t === 600")
    step = figure(essay, "step")
    step.wait_for()
    step.get_by_role("radio").last.press(" ")
    assert values(step)["kind"] == "beta"
    graft = figure(essay, "inside").get_by_role("button", name="Graft a 6")
    graft.press("Enter")
    assert values(figure(essay, "inside"))["graft"] == 1
    square = figure(essay, "words").get_by_role("application")
    square.press("ArrowRight")
    assert "%" in figure(essay, "words").locator("p[role=status]").first.text_content()


# Press a digit of the pad; returns whether the first answer of the engine already changes a canvas of a figure.
FIRST_ANSWER = """
([name, which]) => new Promise((done) => {
  const figure = document.querySelector(`ddpm-figure[name=${name}]`);
  const canvas = figure.shadowRoot.querySelectorAll("canvas")[which];
  const before = canvas.toDataURL();
  const look = () => done(canvas.toDataURL() !== before);
  new MutationObserver(look).observe(figure, { attributeFilter: ["data-answers"] });
  const digits = document.querySelector("ddpm-figure[name=pad]").shadowRoot.querySelectorAll(".digits button");
  [...digits].find((one) => one.ariaPressed !== "true").click();
})
"""


@pytest.mark.parametrize(("name", "which"), [("step", 0), ("inside", 1)])  # where each shows the guess
def test_a_run_is_shown_from_its_first_step(essay, name, which):
    figure(essay, "pad").wait_for()
    figure(essay, name).wait_for()
    assert essay.evaluate(FIRST_ANSWER, [name, which])


def test_other_noise_is_shown_at_once_and_the_runs_go_on_from_it(essay):
    few = figure(essay, "few")
    few.wait_for()
    before = pixels(few)
    press = "(one) => one.shadowRoot.querySelector('.buttons button').click()"
    assert (
        few.evaluate(f"(one) => {{ ({press})(one); return one.shadowRoot.querySelector('canvas').toDataURL(); }}")
        != before
    )
    figure(essay, "few").wait_for()
    assert pixels(few) != before


def test_the_line_that_embeds_a_figure_has_its_values(essay):
    essay.evaluate("() => { navigator.clipboard.writeText = () => Promise.reject() }")
    one = figure(essay, "guess")
    one.get_by_role("slider").press("End")
    one.get_by_role("button", name="Embed").click()
    line = says(essay, "guess", "<iframe")
    assert "figure.html?name=guess&t=1000" in line and "#picture" not in line


@pytest.mark.long
def test_a_network_learns_in_the_essay(essay):
    one = figure(essay, "learned")
    essay.wait_for_selector("ddpm-figure[name=learned][data-recorded=true]")
    lock = "navigator.locks.request('lab-training', () => new Promise((resolve) => { globalThis.release = resolve; }))"
    essay.evaluate(f"() => void {lock}")  # as another window that trains
    one.get_by_role("button", name="Train one here, now").click()
    says(essay, "learned", "Another window of this browser trains already.")
    essay.evaluate("globalThis.release()")
    one.get_by_role("button", name="Train one here, now").click()
    essay.wait_for_selector("ddpm-figure[name=learned][data-grids]")
    one.get_by_role("button", name="Stop").click()
    essay.wait_for_function(
        "document.querySelector('ddpm-figure[name=learned]').shadowRoot.textContent.includes('Stopped after')"
    )
    one.get_by_role("button", name="Are they copies?").click()
    one.locator(".column .row").first.wait_for()


def test_without_scripts_the_text_is_whole_and_every_figure_is_a_picture(browser, site):
    context = browser.contexts[0].browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{site}essay.html")
    images = page.locator("ddpm-figure > img")
    assert images.count() == len(FIGURES)
    for image in images.all():
        image.scroll_into_view_if_needed()
        assert image.get_attribute("alt") and image.bounding_box()["height"] > 100
    assert page.locator("h2:visible").count() == len(FIGURES) + 2
    context.close()


@pytest.fixture
def blog(tmp_path):
    """serve(text) is the address of a page of another origin."""
    handler = functools.partial(Quiet, directory=tmp_path)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()

    def serve(text):
        (tmp_path / "index.html").write_text(f"<!doctype html><meta charset=utf-8><title>A blog</title>{text}")
        return f"http://127.0.0.1:{server.server_port}/"

    yield serve
    server.shutdown()
    server.server_close()


def test_a_figure_in_a_frame_of_another_site_computes_and_keeps_its_values(page, site, blog):
    page.goto(
        blog(f'<iframe src="{site}figure.html?name=guess&t=560" width="280" height="600" title="A figure"></iframe>')
    )
    frame = page.frame_locator("iframe")
    one = frame.locator(f"ddpm-figure[data-answers]{SETTLED}")
    one.wait_for()
    assert values(one)["t"] == 560
    assert page.frames[1].evaluate("document.documentElement.scrollWidth <= innerWidth")
    one.get_by_role("slider").press("Home")
    page.frames[1].wait_for_function("new URLSearchParams(location.search).get('t') === '1'")
    lab = one.locator(".lab a")
    assert lab.get_attribute("target") == "_blank" and "tab=latents" in lab.get_attribute("href")


def test_a_figure_in_a_frame_keeps_its_height_while_its_models_load_and_when_it_speaks(page, site):
    page.add_init_script("""
      window.heights = [];
      addEventListener("message", ({ data }) => data.ddpmFigure && heights.push(data.height));
    """)
    page.set_viewport_size({"width": 320, "height": 700})
    page.goto(f"{site}figure.html?name=few")
    page.wait_for_selector(f"ddpm-figure[data-answers]{SETTLED}")
    first, *others = page.evaluate("heights")
    assert first < 100 and len(others) == 1, "the height changed while the models were loaded"
    page.goto(f"{site}figure.html?name=pad")
    figure(page, "pad").wait_for()
    before = page.evaluate("document.body.scrollHeight")
    page.evaluate("(one) => document.querySelector('ddpm-figure').shadowRoot.querySelector('.sheet').focus()")
    for key in [" ", *["ArrowDown"] * 12, "Enter"]:
        page.keyboard.press(key)
    says(page, "pad", "your picture now")
    assert page.evaluate("document.body.scrollHeight") == before


def test_on_a_phone_the_last_screen_of_the_tour_shows_both_digits_above_the_network(page, site):
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto(f"{site}?tab=network&lesson=tour-graft&checkpoint=mnist-tiny&seed=7&label=3")
    page.click("text=Graft the 6")
    page.wait_for_selector(".part-network[data-state=finished] .which:visible >> nth=1")
    tops = "(all) => all.filter((one) => one.checkVisibility()).map((one) => one.getBoundingClientRect().top)"
    whole, graft = page.locator(".network .which").evaluate_all(tops)
    assert whole == graft < page.locator(".network .u").evaluate_all(tops)[0]


class Open(Quiet):
    """A file server that lets other sites read, as GitHub Pages does."""

    def end_headers(self):
        self.send_header("access-control-allow-origin", "*")
        super().end_headers()


def test_a_module_brings_a_figure_into_the_page_of_another_site(page, folder, blog):
    handler = functools.partial(Open, directory=folder)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    at = f"http://127.0.0.1:{server.server_port}"
    try:
        page.goto(
            blog(
                f'<script type="module" src="{at}/figure.js"></script><ddpm-figure name="guess" t="300"></ddpm-figure>'
            )
        )
        one = page.locator(f"ddpm-figure[data-answers]{SETTLED}")
        one.wait_for()
        assert values(one)["t"] == 300
    finally:
        server.shutdown()
        server.server_close()


@pytest.mark.long
def test_axe_finds_nothing_in_the_essay(essay):
    for name in FIGURES:
        figure(essay, name).wait_for()
    essay.evaluate("for (const one of document.querySelectorAll('details')) one.open = true")
    essay.add_script_tag(path=AXE)
    assert violations(essay) == []
    assert not symbols(essay)
