"""Every press answers: all that can be pressed on the page, on a machine whose pace is said to be slow.

The server computes no run here: another visitor has the turn. So what changes is the press's own answer, and not a
run's result. The second in which it comes is the page's own: sixty of its frames, while every answer of the server is
held back. So neither a busy machine nor a slow server counts as a slow page.
"""

import re
from types import SimpleNamespace
from urllib.parse import urlencode

import pytest
from browser import CALM, new_page, served
from parts import ON_PAGE, ON_SERVER, WITH_RUNS
from PIL import Image

from ddpm_core.checkpoint.hub import snapshots
from ui.machine.step_times import StepTimes

HAS_RUNS = tuple(part for part in WITH_RUNS if part not in ("between", "network"))  # those have their own models
# What is shown: words, values, what is chosen, what is open or dimmed, where the caret and the page are.
SHOWN = """
() => {
  const seen = [...document.querySelectorAll("body *")].filter((one) => one.checkVisibility());
  const of = (one) => [one.value, one.checked, one.open, one.className, one.ariaPressed, one.ariaCurrent,
    one.ariaChecked, one.ariaExpanded, one.src, one.dataset.outdated, one.disabled];
  return JSON.stringify([document.body.innerText, location.href, seen.indexOf(document.activeElement), window.opened,
    window.copied, seen.map(of)]);
}
"""
# Where the page is, and what there can be pressed and is not chosen already, by a name; of the labels of a choice, the
# first three, as they differ in their names alone. dead: links that lead nowhere (the others are not pressed, as they
# lead away); told: whether it is said that what is shown is not what is chosen.
LOOK = """
(root) => {
  const names = [...document.querySelectorAll(`${root} :is(button, summary, .choice label:nth-of-type(-n + 3))`)]
    .filter((one) => one.checkVisibility({ visibilityProperty: true }) && !one.disabled)
    .filter((one) => [one.ariaPressed, one.ariaCurrent, one.ariaChecked].every((said) => said !== "true"))
    .filter((one) => !one.querySelector(":checked"))
    .map((one) => {
      const said = [one.closest("[data-name]")?.dataset.name, one.innerText || one.ariaLabel || one.title, one.value];
      const name = said.filter(Boolean).join(" ").replaceAll(/\\s+/g, " ");
      // The step that is shown may be another one meanwhile.
      return (one.dataset.press = name.replace(/ = \\S+$/, "").replace(/^no fresh noise$/, "fresh noise: σₜ"));
    });
  const dead = [...document.querySelectorAll(`${root} a:not([href])`)].filter((one) => one.checkVisibility());
  const { part, chosen } = page;
  const told = `.part-${part}:is([data-outdated=true], [data-state=queued], [data-state=loading])`;
  return {
    part,
    lesson: page.lesson,
    link: chosen.href,
    names,
    dead: dead.map((one) => one.innerText),
    told: document.querySelector(told) !== null,
    projected: document.querySelector(".projector") !== null,
  };
}
"""
# Press, with all answers held back; returns after how many frames what is shown has changed, or null.
PRESS = f"""
(name) => new Promise((done) => {{
  const shown = {SHOWN};
  const named = (one) => one.dataset.press === name && one.checkVisibility({{ visibilityProperty: true }});
  const one = [...document.querySelectorAll("[data-press]")].find(named);
  const before = shown();
  let release = () => {{}};
  window.held = new Promise((resolve) => {{ release = resolve; }});
  let frames = 0;
  const look = () => {{
    const changed = shown() !== before;
    if (!changed && ++frames <= 60) return requestAnimationFrame(look);
    release();
    return done(changed ? frames : null);
  }};
  one.click();
  look();
}})
"""
QUIET = """
window.asking = 0; window.opened = 0; window.copied = 0; window.held = null;
const fetch = window.fetch;
window.fetch = async (url, how) => {
  window.asking += 1;
  try {
    await window.held;
    if (!String(url).endsWith("/run")) {
      const got = await fetch(url, how);
      return new Response(await got.arrayBuffer(), got);
    }
    const cut = new AbortController();
    window.cut = () => cut.abort(); // the connection
    const got = await fetch(url, { ...how, signal: AbortSignal.any([how.signal, cut.signal]) });
    const start = (stream) => {
      window.say = (message) => {
        const head = new TextEncoder().encode(JSON.stringify(message));
        stream.enqueue(new Uint8Array(Uint32Array.of(head.length, 0).buffer));
        stream.enqueue(head);
      };
    };
    return new Response(got.body.pipeThrough(new TransformStream({ start })), got);
  } finally {
    setTimeout(() => { window.asking -= 1; }); // once the page has read the answer
  }
};
const click = HTMLInputElement.prototype.click;
addEventListener("click", ({ target }) => { if (target.type === "file") window.opened += 1; }, true);
window.prompt = () => { window.copied += 1; };
"""


def gone(id):
    raise ValueError("there is no such run")


@pytest.fixture(scope="module")
def app(torch_page):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(StepTimes, "measured", lambda self, ref: [(1, 4, 9.0)])
        patch.setattr(StepTimes, "seconds", lambda self, kind: None)  # else a busy machine's form begins with 1 picture
        with served("mnist-tiny") as app:
            assert app.warmup.ready.wait(120)
            with app.services.turns.join(SimpleNamespace(stop=lambda: None, stopping=False), "another") as seat:
                seat.wait_for_turn()
                yield app


@pytest.fixture(scope="module")
def window(browser):
    with new_page(browser) as page:
        page.add_init_script(QUIET)
        yield page


@pytest.fixture
def quiet(window, app):
    """The one page of this file, empty at first: in a new one the lab takes half as long again to open."""
    yield window
    window.goto(f"{app.local_url}health")  # of the same origin, and no page
    window.evaluate("sessionStorage.clear()")
    window.evaluate("for (const key in localStorage) if (key.startsWith('lab-how')) delete localStorage[key]")
    window.unroute_all()
    window.set_viewport_size({"width": 1280, "height": 720})
    errors, window.errors = window.errors, []
    assert not errors, errors


def settled(page):
    """Wait until what a press has set off is asked and answered."""
    # The page asks 120 ms after a change what a run of it takes, by the same clock, which a busy machine may stop.
    # The page waits by itself: playwright would ask it in each frame.
    page.evaluate("""
    async () => {
      const pause = (ms) => new Promise((done) => setTimeout(done, ms));
      const starting = () => document.querySelector("[data-state=starting]"); // a run is told of without being asked
      const end = performance.now() + 120_000;
      await pause(130);
      while (window.asking || !document.documentElement.dataset.ready || starting()) {
        if (performance.now() > end) throw new Error("the page does not come to rest");
        await pause(20);
      }
    }
    """)


def ready(page, url, query):
    page.goto(f"{url}?{query}")
    page.wait_for_function("document.documentElement.dataset.ready")


def opened(page, url, query):
    """Open a link, and wait for the recorded run of its part, which may come later than all else."""
    ready(page, url, query)
    page.wait_for_function("!document.querySelector('.part:not([hidden]) .status:not([hidden]) .tag[hidden]')")
    for slider in page.locator(".scrubber:enabled:visible").all():
        slider.press("End")  # a recorded run plays no more


def copied_link(page):
    page.evaluate("navigator.clipboard.writeText = async (text) => { window.link = text; }")
    page.click("#share > button:text('Share')")
    page.click("#share .menu button:text-is('Link')")
    return page.wait_for_function("window.link").json_value()


def silent(page, url, query, root):
    """What can be pressed and does not answer."""
    opened(page, url, query)
    seen = page.evaluate(LOOK, root)
    part, first, before, name, done, wrong = seen["part"], seen["link"], "", "", set(), []
    while True:
        settled(page)
        page.evaluate(
            "document.querySelectorAll('.how.all').forEach((one) => { one.open = true; })"
        )  # a press folds it
        seen = page.evaluate(LOOK, root)
        if seen["projected"]:
            page.keyboard.press("Escape")
            seen = page.evaluate(LOOK, root)
        if seen["part"] != part or seen["lesson"]:  # where the press before led
            page.evaluate("(part) => page.open(part, null, { lesson: '' })", part)
            name = ""
            continue
        # What the form no longer says is dimmed, unless a run of it goes on. One of the plane may be over already.
        if name and part in {*HAS_RUNS} & ON_SERVER and seen["link"] not in (before, first) and not seen["told"]:
            wrong.append(f"{name}: nothing is said of it")
        wrong += seen["dead"]
        name = next((name for name in seen["names"] if name not in done), "")
        if not name:
            return wrong
        done.add(name)
        before = seen["link"]
        if page.evaluate(PRESS, name) is None:
            wrong.append(name)


# One function makes the course's cards: three are pressed. test_lessons.py checks what all of them open.
@pytest.mark.long
@pytest.mark.xdist_group("presses")
@pytest.mark.parametrize(
    ("part", "root"),
    [
        *((part, "main") for part in (*HAS_RUNS, "forward")),
        ("course", ":is(.lessons, .teachers, .card:nth-child(-n + 3))"),
    ],
)
def test_every_press_of_a_part_answers(quiet, app, part, root):
    assert silent(quiet, app.local_url, f"tab={part}", root) == []


@pytest.mark.parametrize(
    ("part", "named"),
    [
        *(("watch", ref) for ref in ("cifar10-tiny", "emoji-tiny")),
        ("watch", ".try button:has-text('Draw a 7')"),
        ("compare", ".try button >> nth=0"),
        ("compare", "cifar10-tiny"),
    ],
)
def test_a_starter_and_a_model_run_however_long_that_takes(quiet, app, part, named):
    opened(quiet, app.local_url, f"tab={part}")
    if named.startswith(".try"):
        title = quiet.inner_text(f".part-{part} {named} >> span")
        quiet.click(f".part-{part} {named}")
        quiet.wait_for_selector(f".part-{part} .try button[aria-pressed=true]:has-text('{title}')")
    else:
        quiet.select_option(f".part-{part} select.models >> nth=0", named)
    quiet.wait_for_selector(f".part-{part}[data-outdated=true]:not([data-state=idle])")  # the example is not the run's


def run_link(page, app, query):
    """Open a link, and run it, which waits for its turn then."""
    page.goto(f"{app.local_url}?{query}")
    page.wait_for_selector(".part-watch[data-ready=true][data-described]")
    page.click(".part-watch .run")
    page.wait_for_selector(".part-watch[data-state=queued]")


def test_a_link_whose_run_is_long_waits_for_run_and_what_is_changed_by_hand_is_said(quiet, app):
    """Any website can send a visitor's browser to such a link."""
    opened(quiet, app.local_url, "tab=watch&steps=1000")
    quiet.wait_for_selector(".part-watch[data-ready=true] .status:text-matches('Settings changed.*Run, [0-9.]+ h')")
    settled(quiet)
    assert quiet.get_attribute(".part-watch", "data-state") == "idle"
    assert quiet.input_value(".part-watch [data-name=steps] input[type=number]") == "1000"
    quiet.click(".part-watch .run")
    quiet.wait_for_selector(".part-watch[data-state=queued]")
    quiet.click(".part-watch .stop")
    quiet.wait_for_selector(".part-watch[data-state=stopped][data-outdated=false]")
    quiet.click(".part-watch .preset[value='50']")
    quiet.wait_for_selector(".part-watch .status:text-matches('Settings changed.*Run, 8 min')")
    quiet.click(".part-watch .preset[value='1000']")
    quiet.wait_for_selector(".part-watch[data-outdated=false]")


def test_a_link_downloads_no_model_and_says_what_run_will_download(quiet, app, monkeypatch):
    monkeypatch.setattr(snapshots, "status", lambda ref: snapshots.Status("download", 143_000_000))
    opened(quiet, app.local_url, "tab=watch&checkpoint=google/ddpm-cifar10-32&steps=1&count=1")
    quiet.wait_for_selector(
        ".part-watch[data-ready=true] .estimate:text('Run downloads google/ddpm-cifar10-32 first (143 MB)')"
    )
    settled(quiet)
    assert quiet.get_attribute(".part-watch", "data-state") == "idle"
    assert quiet.is_enabled(".part-watch .run")
    quiet.set_viewport_size({"width": 800, "height": 390})  # a phone that lies on its side
    assert quiet.is_visible(".part-watch .estimate")


def test_what_a_link_has_that_can_not_be_is_said_and_a_wrong_model_keeps_its_text(quiet, app):
    wrong = {"checkpoint": "nope", "steps": "abc", "variance": "zz", "eta": "0x1", "label": "horse", "seed": "14"}
    quiet.goto(f"{app.local_url}?{urlencode(wrong)}")
    said = "Not possible here: Steps: abc, Noise added back: zz, Noise, η: 0x1."
    quiet.wait_for_selector(f"#said.shown:has-text('{said}')")
    quiet.wait_for_selector(".part-watch [data-name=checkpoint] .mistake:has-text('There is no checkpoint')")
    typed = quiet.get_by_label("Another model")
    assert (typed.input_value(), typed.get_attribute("aria-invalid")) == ("nope", "true")
    assert quiet.inner_text(".part-watch .estimate") == "Correct “Model” first" and quiet.is_disabled(
        ".part-watch .run"
    )
    quiet.select_option(".part-watch select.models", "mnist-tiny")
    quiet.wait_for_selector(".part-watch[data-state=queued]")
    assert not quiet.locator(".mistake:visible, [aria-invalid]").count()
    assert quiet.inner_text("[data-name=label] .changed") == "horse is not possible with this model, so it was changed."
    assert "seed=14" in quiet.url and "nope" not in quiet.url


def test_a_lesson_ends_the_run_before_it_drops_the_tool_and_shows_its_own_example(quiet, app):
    opened(quiet, app.local_url, "tab=watch&seed=5")
    quiet.click(".part-watch .run")
    quiet.wait_for_selector(".part-watch[data-state=queued]")
    quiet.click(".part-watch .tools button >> nth=0")
    quiet.evaluate("page.open('course', null)")
    quiet.click(".lessons button >> nth=0")
    quiet.wait_for_selector(".part-watch[data-state=idle][data-outdated=false]:not([data-frames='0'])")
    assert quiet.get_by_text("Example", exact=True).first.is_visible()
    assert not quiet.locator(".part-watch .tools [aria-pressed=true]").count()


def test_the_form_says_what_an_example_shows_and_calls_it_nobodys_choice(quiet, app):
    opened(quiet, app.local_url, "tab=network")
    quiet.wait_for_selector(
        ".part-network[data-outdated=false]:not([data-frames='0']) [data-name=label] [value='3']:checked"
    )
    assert quiet.input_value(".part-network [data-name=seed] input") == "7"
    quiet.select_option(".part-network select.models", "cifar10-tiny")
    quiet.wait_for_selector(".part-network [data-name=label] option[value=horse]", state="attached")
    assert not quiet.locator(".part-network [data-name=label] .changed:visible").count()


def test_a_graft_that_another_model_does_not_have_is_no_longer_asked_for(quiet, app):
    opened(quiet, app.local_url, "tab=network&graft=6")
    quiet.wait_for_selector(".part-network[data-frames]:not([data-frames='0'])")  # of the recorded run
    assert quiet.input_value(".graft select") == "6"
    quiet.select_option(".part-network select.models", "cifar10-tiny")
    quiet.wait_for_selector(".graft:has-text('6 is not possible with this model')")
    assert quiet.input_value(".graft select") == ""
    quiet.wait_for_url(re.compile("checkpoint=cifar10-tiny"))  # it runs
    assert "graft" not in quiet.url
    quiet.select_option(".graft select", "frog")
    quiet.wait_for_url(re.compile("graft=frog"))
    assert not quiet.locator(".graft .changed:not(:empty)").count()
    quiet.select_option(".part-network select.models", "emoji-tiny")
    quiet.wait_for_selector(".graft input:visible")
    assert quiet.input_value(".graft input") == ""
    quiet.fill(".graft input", "fox")
    quiet.keyboard.press("Tab")
    quiet.wait_for_url(re.compile("graft=fox"))


def test_a_value_out_of_range_stays_and_its_field_is_marked(quiet, app):
    opened(quiet, app.local_url, "tab=compare")
    steps = quiet.locator("[data-name=steps_b] input[type=number]")
    steps.fill("5000")
    quiet.wait_for_selector("[data-name=steps_b] .mistake:has-text('from 1 to 1000 for this checkpoint, got 5000')")
    assert (steps.input_value(), steps.get_attribute("aria-invalid")) == ("5000", "true")
    steps.fill("700")
    quiet.wait_for_selector("[data-name=steps_b] .mistake", state="hidden")
    quiet.select_option("[data-name=checkpoint] select", "mnist-tiny-2-steps")
    quiet.wait_for_selector("[data-name=steps_b] .changed:has-text('700 is not possible with this model')")


def test_all_fields_that_are_wrong_are_marked_at_once(quiet, app):
    opened(quiet, app.local_url, "tab=compare")
    quiet.evaluate("for (const one of document.querySelectorAll('.part-compare details')) one.open = true")

    def mistakes():
        found = quiet.locator(".part-compare [data-name]:has(> .mistake:not(:empty))").all()
        return {one.get_attribute("data-name") for one in found}

    wrong = {"steps": "0", "count": "99", "seed": "x"}
    for name, value in wrong.items():
        quiet.fill(f".part-compare [data-name={name}] input:not([type=range])", value)
    quiet.wait_for_selector(".part-compare [data-name=seed] > .mistake:not(:empty)")
    assert mistakes() == set(wrong)
    said = quiet.inner_text(".part-compare .estimate")
    assert said.startswith("Correct “") and all(f"“{label}”" in said for label in ("Steps", "Seed", "Pictures"))
    quiet.fill(".part-compare [data-name=seed] input:not([type=range])", "7")
    quiet.wait_for_selector(".part-compare [data-name=seed] > .mistake:not(:empty)", state="detached")
    assert mistakes() == {"steps", "count"}
    quiet.fill(".part-compare [data-name=count] input:not([type=range])", "1")
    for name in ("steps", "steps_b"):  # what this checkpoint does not have
        quiet.fill(f".part-compare [data-name={name}] input:not([type=range])", "5000")
    quiet.wait_for_selector(".part-compare [data-name=steps_b] > .mistake:not(:empty)")
    assert mistakes() == {"steps", "steps_b"}
    assert quiet.inner_text(".part-compare .estimate") == "Correct “Steps”, “Steps (B)” first"


def test_a_field_that_is_wrong_is_seen_however_deep_it_lies(quiet, app):
    opened(quiet, app.local_url, "tab=watch")
    quiet.evaluate("for (const one of document.querySelectorAll('.part-watch details')) one.open = false")
    count = quiet.locator(".part-watch .how .more [data-name=count] input[type=number]")
    count.evaluate("(one) => { one.value = 99; one.dispatchEvent(new Event('change', { bubbles: true })); }")
    quiet.wait_for_selector(".part-watch [data-name=count] .mistake:visible")


def test_words_are_typed_and_a_picture_is_chosen_where_the_buttons_say_so(quiet, app):
    opened(quiet, app.local_url, "tab=watch")
    quiet.click("text=Draw what I type")
    quiet.wait_for_selector(".part-watch[data-outdated=true] .field-prompt input:focus")
    assert quiet.input_value(".field-prompt input") == "" and quiet.is_visible(".try.words")
    assert not quiet.is_visible(".part-watch [data-name=sampler]")  # for experts
    assert quiet.get_attribute(".try button:has-text('Draw what I type')", "aria-pressed") == "true"
    quiet.wait_for_selector(".part-watch .how .values:text('20 steps, DDIM')", state="attached")
    quiet.click("text=Draw a 7")  # nothing of the words' model stays
    quiet.wait_for_selector(".part-watch .how .values:text('50 steps, little noise')", state="attached")
    opened(quiet, app.local_url, "tab=watch")
    quiet.evaluate("() => { page.client.ask = () => new Promise(() => {}); }")
    with quiet.expect_file_chooser():  # at once, however slow the server is
        quiet.click("text=My own picture")


def test_a_picture_of_ones_own_is_shown_once_it_is_chosen(quiet, app, tmp_path):
    Image.new("RGB", (60, 40), "red").save(tmp_path / "own.png")
    quiet.set_viewport_size({"width": 390, "height": 844})
    opened(quiet, app.local_url, "tab=watch")
    with quiet.expect_file_chooser() as chooser:
        quiet.click("text=My own picture")
    chooser.value.set_files(tmp_path / "own.png")
    quiet.wait_for_selector(".forward[data-picture=own][data-ready=true]:visible")
    box = quiet.locator(".forward .x0 canvas").bounding_box()
    assert box["y"] >= 0 and box["y"] + box["height"] <= 844
    assert not quiet.locator("body > input[type=file]").count()


def test_a_drawing_of_ones_own_is_shown_like_a_picture(quiet, app):
    opened(quiet, app.local_url, "tab=watch")
    quiet.click("text=Draw my own")
    done = quiet.get_by_role("button", name="Use this drawing")
    assert done.is_disabled()
    box = quiet.locator(".draw canvas").bounding_box()
    quiet.mouse.move(box["x"] + 0.5 * box["width"], box["y"] + 0.2 * box["height"])
    quiet.mouse.down()
    quiet.mouse.move(box["x"] + 0.5 * box["width"], box["y"] + 0.8 * box["height"], steps=4)
    quiet.mouse.up()
    done.click()
    quiet.wait_for_selector(".forward[data-picture=own][data-ready=true]:visible")
    ink = """() => {
        const canvas = document.querySelector(".forward .x0 canvas");
        const { width, height } = canvas;
        const { data } = canvas.getContext("2d").getImageData(0, 0, width, height);
        const level = (x, y) => data[4 * (Math.floor(y * height) * width + Math.floor(x * width))];
        return [level(0.5, 0.5), level(0.25, 0.5), level(0.5, 0.95)];
    }"""
    line, *around = quiet.evaluate(ink)
    assert line > 200 and max(around) < 50
    assert not quiet.locator("dialog.draw").count()


def test_moving_over_the_square_between_four_words_blends_its_pictures(quiet, app):
    opened(quiet, app.local_url, "tab=watch")
    starter = quiet.locator(".part-watch .try button:has-text('Mix four words')")
    starter.hover()
    quiet.wait_for_selector(".part-watch .try button[data-live=true]")
    box = starter.bounding_box()
    seen = set()
    for share in (0.1, 0.5, 0.9):
        quiet.mouse.move(box["x"] + share * box["width"], box["y"] + 3)
        words = starter.locator(".blend small").inner_text()
        seen.add((words, starter.locator("canvas.four").evaluate("(one) => one.toDataURL()")))
    assert len(seen) == 3
    assert "% green frog" in words.split(", ")[0] and starter.locator(".blend").is_visible()
    assert quiet.get_attribute(".part-watch", "data-state") == "idle"  # without a run
    starter.click()
    quiet.wait_for_selector(".part-between:visible")


def test_the_grain_is_shown_whatever_was_set_before(quiet, app):
    """A latent has none, and neither has a prompt's picture."""
    opened(quiet, app.local_url, "tab=compare&checkpoint=emoji-tiny&prompt=fox&guidance=7&count=1&clip=false&seed=5")
    quiet.evaluate("page.open('watch', { checkpoint: 'emoji-tiny', prompt: 'fox' })")
    settled(quiet)
    quiet.click(".try button:has-text('grainy')")
    quiet.wait_for_selector(".part-compare:visible:not([data-state=idle])")
    # 10 steps, β and β̃, and no class are the defaults.
    assert quiet.evaluate("page.chosen.search") == "?tab=compare&checkpoint=mnist-tiny"


def test_on_a_phone_what_a_button_plays_comes_into_sight(browser, app):
    phone = browser.new_page(**CALM, viewport={"width": 390, "height": 844}, bypass_csp=True)
    held, hold = [], [True]

    def take(route):
        held.append(route) if hold else route.continue_()

    phone.route("**/parts/watch/example.json", take)
    with phone.expect_request("**/parts/watch/example.json"):
        ready(phone, app.local_url, "tab=watch")
    phone.evaluate("scrollTo(0, 9999)")
    phone.route("**/ask", take)
    with phone.expect_request("**/ask"):
        phone.click("text=Draw a 7")
    phone.wait_for_function("scrollY < 300")
    hold.clear()
    for route in held:  # first the recorded run, which makes the player longer
        route.continue_()
        phone.wait_for_selector(".ddpm-player:not([data-frames='0'])")
    phone.wait_for_selector(".part-watch[data-state=queued]")
    phone.wait_for_function("document.querySelector('.ddpm-player .frame').getBoundingClientRect().top > 0")
    assert phone.locator(".ddpm-player .transport").bounding_box()["y"] < 844 - 120
    phone.close()


def test_a_run_whose_connection_breaks_is_found_again_and_one_that_is_gone_is_said_to_be(quiet, app, monkeypatch):
    run_link(quiet, app, "tab=watch&seed=15")
    run = quiet.get_attribute(".part-watch", "data-run")
    quiet.evaluate("window.cut()")
    quiet.wait_for_selector(".part-watch[data-state=lost]")
    quiet.wait_for_selector(f".part-watch[data-state=queued][data-run='{run}']")
    monkeypatch.setattr(app.runs, "find", gone)  # as after a start of the server: it knows none
    quiet.evaluate("window.cut()")
    quiet.wait_for_selector(".part-watch .status:has-text('The run was lost: Run starts it again')")
    assert quiet.is_enabled(".part-watch .run")


def test_the_link_of_a_run_that_is_found_again_is_of_that_run(quiet, app):
    run_link(quiet, app, "tab=watch&seed=15")
    quiet.evaluate("window.cut()")
    quiet.fill(".part-watch [data-name=seed] input", "16")  # while the run is looked for
    quiet.wait_for_selector(".part-watch[data-state=queued]")
    assert "seed=15" in copied_link(quiet)


def test_the_link_is_of_what_is_chosen_where_nothing_is_shown(quiet, app):
    quiet.route("**/parts/grid/example.json", lambda route: route.abort())
    ready(quiet, app.local_url, "tab=grid")
    quiet.fill(".part-grid [data-name=seed] input", "16")
    assert "seed=16" in copied_link(quiet)


def test_a_run_that_is_lost_before_its_first_message_is_not_taken_for_an_older_one(quiet, app):
    run_link(quiet, app, "tab=watch&seed=15")
    quiet.route("**/run", lambda route: route.abort())
    quiet.fill(".part-watch [data-name=seed] input", "16")
    quiet.click(".part-watch .run")
    quiet.wait_for_selector(".part-watch .status:has-text('The run was lost: Run starts it again')")


def test_a_model_that_is_chosen_while_an_estimate_comes_is_waited_for(quiet, app):
    opened(quiet, app.local_url, "tab=watch")
    settled(quiet)
    quiet.evaluate("""
    () => {
      const { client } = page;
      const ask = client.ask.bind(client);
      const known = new Promise((resolve) => { window.know = resolve; });
      client.ask = async (part, what, values) => {
        if (what === "facts") await known;
        return ask(part, what, values);
      };
    }
    """)
    quiet.evaluate("document.querySelector('.part-watch .how').open = true")
    quiet.click(".part-watch .preset[value='1000']")
    quiet.select_option(".part-watch select.models", "cifar10-tiny")
    settled(quiet)
    assert quiet.get_attribute(".part-watch", "data-state") == "idle"
    quiet.evaluate("window.know()")
    quiet.wait_for_selector(".part-watch[data-state=queued]")
    assert "checkpoint=cifar10-tiny" in quiet.url and "steps=1000" in quiet.url


def test_a_server_that_is_gone_is_asked_again_until_it_is_back(quiet, app):
    quiet.route("**/parts/compare/mount.js", lambda route: route.abort())  # it may be kept from before
    opened(quiet, app.local_url, "tab=watch")
    quiet.wait_for_selector(".part-watch[data-described]")  # by a module, which is loaded with the first question
    quiet.evaluate("document.querySelector('.part-watch .how').open = true")
    settled(quiet)
    try:
        quiet.context.set_offline(True)
        quiet.click(".part-watch .preset[value='10']")
        quiet.wait_for_selector(".part-watch .status:has-text('Run, ')")  # which needs no server
        quiet.select_option(".part-watch .models", "cifar10-tiny")
        quiet.wait_for_selector("#said.shown:text('Connection lost.')")
        quiet.click("[data-place=compare]")
        quiet.wait_for_selector("[data-place=watch][aria-current=true]")  # what the bar says is what is shown
        assert quiet.is_visible(".part-watch")
    finally:
        quiet.context.set_offline(False)
    quiet.wait_for_selector(".part-watch .status:has-text('Settings changed'):has-text('Run, ')")


def test_no_starter_stands_alone_and_the_link_to_the_essay_has_two_lines(quiet, app):
    opened(quiet, app.local_url, "tab=watch")
    tops = "(all) => all.map((one) => Math.round(one.getBoundingClientRect().top))"
    for width in range(1060, 1160, 20):
        quiet.set_viewport_size({"width": width, "height": 720})
        rows = quiet.locator(".part-watch > .try > button").evaluate_all(tops)
        assert min(rows.count(top) for top in rows) > 1, width
    quiet.set_viewport_size({"width": 390, "height": 844})
    lines = (
        "(link) => { const range = new Range(); range.selectNodeContents(link); return range.getClientRects().length; }"
    )
    assert quiet.locator("#essay").evaluate(lines) <= 2


def test_the_preview_of_the_square_is_seen_on_a_narrow_screen(quiet, app):
    quiet.set_viewport_size({"width": 320, "height": 700})
    opened(quiet, app.local_url, "tab=watch")
    quiet.hover(".try button[data-live]")
    seen = """(blend) => {
      const { left, top, right, bottom } = blend.getBoundingClientRect();
      return left >= 0 && right <= innerWidth && blend.contains(document.elementFromPoint(left + 9, bottom - 9));
    }"""
    assert quiet.locator(".try .blend").evaluate(seen)


@pytest.mark.parametrize(
    ("module", "press", "then"),
    [("form/pad.js", "text=Draw my own", "dialog.draw"), ("parts/course/bar.js", ".try .primary", "#course-bar h2")],
)
def test_a_press_whose_module_could_not_be_loaded_says_so_and_works_when_pressed_again(quiet, app, module, press, then):
    quiet.route(f"**/{module}", lambda route: route.abort())
    opened(quiet, app.local_url, "tab=watch")
    quiet.click(press)
    quiet.wait_for_selector("#said.shown:text('could not be loaded: try again')")
    quiet.unroute(f"**/{module}")
    quiet.click(press)
    quiet.wait_for_selector(then)


def test_only_models_of_pixels_are_offered_where_pixels_are_needed(quiet, app):
    opened(quiet, app.local_url, "tab=latents")
    offered = "(all) => all.map((one) => one.value)"
    models = quiet.locator(".part-latents .models option").evaluate_all(offered)
    assert {"mnist-tiny", "cifar10-tiny"} <= set(models) and "emoji-tiny" not in models


def test_what_is_chosen_is_seen_and_its_number_fits(quiet, app):
    opened(quiet, app.local_url, "tab=compare&steps=1000")
    colours = "(all) => all.map((one) => getComputedStyle(one).borderColor)"
    first, *others = quiet.locator(".part-compare .tiles label").evaluate_all(colours)
    assert len(others) == 10 and first not in others and len(set(others)) == 1
    box = quiet.locator(".card-A [data-name=steps] input[type=number]")
    assert box.evaluate("(box) => box.value === '1000' && box.scrollWidth <= box.clientWidth")


# Elements that reach into the right margin, and how wide all is.
WIDE = """(margin) => [document.documentElement.scrollWidth, ...[...document.querySelectorAll("button, header, .plot")]
  .filter((one) => one.checkVisibility() && !one.closest(".run-bar, .try, .wall, article"))
  .filter((one) => one.getBoundingClientRect().right > innerWidth - margin + 1)
  .map((one) => one.outerHTML.slice(0, 99))]"""


# Wide text, as readers may set it (WCAG 1.4.12).
SPACED = """
* { line-height: 1.5 !important; letter-spacing: .12em !important; word-spacing: .16em !important }
p { margin-bottom: 2em !important }
"""


def test_nothing_is_wider_than_the_window_and_run_is_at_hand(quiet, app):
    """Also at 400 per cent, which is 320 pixels (WCAG 1.4.10), with wide text."""
    opened(quiet, app.local_url, "tab=watch")
    for part in ON_PAGE:
        quiet.evaluate("(part) => page.open(part, null)", part)
        settled(quiet)
        if part in HAS_RUNS:
            quiet.wait_for_selector(".tag:visible:text('Example')")
        quiet.set_viewport_size({"width": 320, "height": 844})
        wide_text = quiet.add_style_tag(content=SPACED)
        quiet.wait_for_function("document.documentElement.scrollWidth === 320")  # what was drawn wider is drawn anew
        wide_text.evaluate("(style) => style.remove()")
        quiet.evaluate("document.querySelectorAll('main details').forEach((one) => { one.open = true; })")
        for width in (320, 360, 390, 768, 1280):
            quiet.set_viewport_size({"width": width, "height": 844})
            assert quiet.evaluate(WIDE, 16 if width <= 900 else 24) == [width], part
            if width == 390 and part in (*HAS_RUNS, "network"):
                box = quiet.locator(f".part-{part} .run").bounding_box()
                assert box["height"] >= 44 and box["y"] + box["height"] <= 844, part


def test_the_buttons_of_a_lesson_stay_together(quiet, app):
    opened(quiet, app.local_url, "lesson=which-noise")
    quiet.wait_for_selector("#course-bar header button >> nth=2")  # a module draws them, which comes later
    quiet.wait_for_selector(".part-compare[data-ready=true][data-described]")
    for width in (320, 360, 390, 600, 768, 1280):
        quiet.set_viewport_size({"width": width, "height": 844})
        assert quiet.evaluate(WIDE, 16 if width <= 900 else 24) == [width]
        tops = quiet.locator("#course-bar header button").evaluate_all("(all) => all.map((one) => one.offsetTop)")
        assert len(tops) == 3 and len(set(tops)) == 1  # Next comes with the answer
    quiet.keyboard.press("f")
    assert quiet.inner_text(".projector > .question") == quiet.inner_text("#course-bar .question")
    quiet.keyboard.press("f")
    assert not quiet.locator(".part .question").count()


def test_on_a_small_phone_the_slider_is_on_the_first_screen(quiet, app):
    quiet.set_viewport_size({"width": 320, "height": 640})
    opened(quiet, app.local_url, "tab=watch")
    slider, bar = (quiet.locator(f".part-watch {one}").bounding_box() for one in (".scrubber", ".run-bar"))
    assert slider["y"] + slider["height"] <= bar["y"]


def test_the_finding_of_a_comparison_is_on_the_first_screen_and_its_times_agree(quiet, app):
    quiet.set_viewport_size({"width": 1280, "height": 800})
    opened(quiet, app.local_url, "tab=compare")
    finding = quiet.locator(".part-compare .sentence").bounding_box()
    assert finding["y"] + finding["height"] <= 800
    for seconds in (20, 40):
        quiet.evaluate(
            "(seconds) => { page.knowledge.describe = async () => ({ estimate: '', seconds, auto: false }); }", seconds
        )
        quiet.evaluate("page.follow({ back: true })")
        quiet.wait_for_selector(f".part-compare .run:text-is('Run, {seconds} s')")
    for i in range(5):
        quiet.wait_for_selector(f".part-compare .try button >> nth={i} >> small:text-is('40 s')")


# The smallest letters of the projector view that are no index of a symbol, nor on a button of its bar.
SMALLEST = """() => Math.min(...[...document.querySelectorAll(".projector *:not(sub, .wall *, .unseen)")]
  .filter((one) => one.checkVisibility() && one.getBoundingClientRect().width > 2)
  .filter((one) => [...one.childNodes].some((node) => node instanceof Text && node.data.trim()))
  .map((one) => parseFloat(getComputedStyle(one).fontSize) || 16))"""


@pytest.mark.long
def test_every_part_goes_onto_the_wall_and_the_keys_are_told_there(quiet, app):
    opened(quiet, app.local_url, "tab=watch")
    code = "data:image/svg+xml,<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 1 1'/>"
    quiet.evaluate(f'page.invitation = async () => ({{ address: "http://192.0.2.7/", code: "{code}", why: "" }})')
    for part in ON_PAGE:
        quiet.evaluate("(part) => page.open(part, null)", part)
        quiet.keyboard.press("f")
        quiet.wait_for_selector(".projector > .wall h2:not(:empty)")
        quiet.wait_for_selector(".projector > .room img:visible")
        box = quiet.locator(".projector").bounding_box()
        assert [box[side] for side in ("x", "y", "width", "height")] == [0, 0, 1280, 720], part
        for key in "tn":
            quiet.keyboard.press(key)
        assert quiet.evaluate(SMALLEST) >= 16, part  # pixels: read from the last row
        for key in "tn":
            quiet.keyboard.press(key)
        quiet.keyboard.press("?")
        assert quiet.is_visible(".keys:has-text('projector')")
        quiet.keyboard.press("Escape")
        assert not quiet.is_visible(".keys")
        quiet.keyboard.press("Escape")
        quiet.wait_for_selector("#places:not([inert])")
        assert not quiet.locator(".projector, .wall, .room, [inert]").count(), part


def test_the_wall_takes_a_run_whose_pictures_are_fewer_than_the_ones_before_it(quiet, app):
    opened(quiet, app.local_url, "tab=watch")
    quiet.locator(".ddpm-player .batch button").last.click()
    quiet.click(".part-watch .run")
    quiet.wait_for_selector(".part-watch[data-state=queued]")
    quiet.evaluate("""
    async () => {
      const [plan] = (await page.example("watch")).results;
      const results = [{ ...plan, count: 1, seeds: ["13"] }];
      const { run } = document.querySelector(".part-watch").dataset;
      const message = { run, seq: 1e6, state: "running", text: "", progress: 0, left: null, results };
      window.say(message);
    }
    """)
    quiet.keyboard.press("f")
    quiet.wait_for_selector(".projector > .wall h2:not(:empty)")


def test_a_slide_of_pictures_that_are_gone_meanwhile_is_said_to_be_impossible(quiet, app):
    opened(quiet, app.local_url, "tab=watch")
    quiet.click("#share > button:text('Share')")
    quiet.evaluate("document.querySelector('.part-watch .run').click()")
    quiet.wait_for_selector(".part-watch[data-state=queued]")
    quiet.click("#share .menu button:text-is('Picture (PNG)')")
    quiet.wait_for_selector("#share .menu-said:text('It could not be made: try again.')")


@pytest.mark.parametrize("precision", ["bf16", "fp32"])
def test_a_script_for_diffusers_says_so_where_the_page_computes_in_another_precision(quiet, app, precision):
    opened(quiet, app.local_url, "tab=watch")
    quiet.evaluate("(precision) => { page.given.device.precision = precision; }", precision)
    quiet.evaluate("() => { navigator.clipboard.writeText = async (text) => { window.script = text; }; }")
    quiet.click("#share > button:text('Share')")
    quiet.click("#share .menu button:text-is('Copy for diffusers')")
    first = quiet.wait_for_function("window.script").json_value().splitlines()[0]
    said = "# The page computes in bf16, and this script in fp32: the pictures differ a little."
    assert first == (said if precision == "bf16" else "import numpy as np")


@pytest.mark.parametrize("part", ["grid", "latents", "repair", "likelihood"])
def test_a_picture_on_screen_keeps_its_address(quiet, app, part):
    """Also when the browser collects garbage before it has loaded the picture."""
    opened(quiet, app.local_url, f"tab={part}")
    quiet.wait_for_selector(f".part-{part} img[src^='blob:']", state="attached")
    session = quiet.context.new_cdp_session(quiet)
    for _ in range(2):
        session.send("HeapProfiler.collectGarbage")
        quiet.wait_for_timeout(50)
    lost = quiet.evaluate("""
    async () => {
      const images = [...document.querySelectorAll("img[src^='blob:']")];
      const there = await Promise.all(images.map(({ src }) => fetch(src).then(() => true, () => false)));
      return there.filter((is) => !is).length;
    }
    """)
    assert not lost


def test_what_a_symbol_means_is_said_with_a_picture_and_the_list_is_behind_it(quiet, app):
    opened(quiet, app.local_url, "tab=watch")
    quiet.keyboard.press("n")
    for term in quiet.locator(".ddpm-player .term:visible").all():
        term.click()
        quiet.wait_for_selector(".meaning canvas:visible")
        assert len(quiet.inner_text(".meaning p")) > 20
        quiet.keyboard.press("Escape")
    quiet.locator(".ddpm-player .term:visible").first.click()
    quiet.click("text=All words")
    assert quiet.is_visible(".ddpm-player .legend dl")


def test_what_a_symbol_means_is_said_before_the_first_picture(quiet, app):
    quiet.route("**/parts/watch/example.json", lambda route: route.abort())
    ready(quiet, app.local_url, "tab=watch")
    quiet.locator(".ddpm-player .term:visible").first.click()
    quiet.wait_for_selector(".meaning p:visible")
    assert not quiet.is_visible(".meaning canvas")


def test_where_a_screen_is_low_the_whole_picture_and_its_player_are_seen(quiet, app):
    low = (844, 390), (640, 360)  # a phone on its side; 1280 × 720 at 200 %
    quiet.set_viewport_size({"width": 844, "height": 390})
    opened(quiet, app.local_url, "tab=watch")
    for part in ("watch", "compare", "plane"):
        quiet.evaluate("(part) => page.open(part, null)", part)
        for width, height in low:
            quiet.set_viewport_size({"width": width, "height": height})
            quiet.wait_for_function(
                """
                (part) => {  // once all is there that stands below them
                  const transport = document.querySelector(`.part-${part} .stage .transport`);
                  if (!transport?.checkVisibility()) return false;
                  transport.scrollIntoView({ block: "end" });
                  const boxes = (selector) => [...document.querySelectorAll(selector)]
                    .filter((one) => one.checkVisibility()).map((one) => one.getBoundingClientRect());
                  const seen = boxes(":is(.frame, .pane canvas, .stage .transport)");
                  const [bar] = boxes(".run-bar");
                  return seen.every(({ top, bottom }) => top >= 0 && bottom <= innerHeight - bar.height);
                }
                """,
                arg=part,
            )


def test_a_drawing_begins_without_an_error_and_with_one_lane_of_many_steps(quiet, app):
    opened(quiet, app.local_url, "tab=plane")
    quiet.click(".part-plane .choice label:has-text('Draw')")
    quiet.wait_for_selector(".estimate:not(.wrong):has-text('Draw your data first')")
    steps = [quiet.input_value(f".part-plane [data-name={name}] input[type=number]") for name in ("steps", "steps_b")]
    assert steps == ["10", "200"]


def test_a_page_with_runs_in_every_part_is_still_answered(quiet, app):
    """A browser keeps six connections to a server."""
    opened(quiet, app.local_url, "tab=watch")
    states = []
    for part in ("watch", "compare", "grid", "latents", "repair", "likelihood"):
        quiet.evaluate("(part) => page.open(part, null)", part)
        quiet.click(f".part-{part} .run")
        quiet.wait_for_selector(f".part-{part}:is([data-state=queued], [data-state=error])")
        states.append(quiet.get_attribute(f".part-{part}", "data-state"))
    assert states == ["queued"] * 4 + ["error"] * 2
    quiet.wait_for_selector(".part-likelihood .status:has-text('This browser already has four runs')")
    quiet.evaluate("document.querySelector('.part-grid .stop').click()")
    quiet.wait_for_selector(".part-grid[data-state=stopped]", state="attached")
    quiet.click(".part-likelihood .run")
    quiet.wait_for_selector(".part-likelihood[data-state=queued]")
    other = quiet.context.new_page()  # another window of the same browser
    opened(other, app.local_url, "tab=watch")
    run = ".part-watch .run"
    other.click(run)
    other.wait_for_selector(".part-watch .status:has-text('This browser already has four runs')")
    quiet.goto("about:blank")
    other.click(run)
    other.wait_for_selector(".part-watch[data-state=queued]")
    other.close()
