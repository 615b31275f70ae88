"""The course: what its lessons and cards open, the pictures of the cards, and a visitor's way through it."""

import re
from urllib.parse import parse_qs, urlsplit
from xml.etree import ElementTree

import pytest
from browser import CALM, served
from toylab import requested, toy_services

import ddpm_core
from ddpm_core.checkpoint import refs, spec
from ddpm_core.checkpoint.cost import network_cost
from ddpm_core.checkpoint.hub import snapshots
from ui.machine.limits import ServerLimits
from ui.models.loaded import Models
from ui.parts import course, latents, likelihood, network, repair, sampling
from ui.recorded import page as in_node
from ui.web import FILES

PLACES = (
    *(sampling.SamplingPart, latents.LatentsPart, repair.RepairPart),
    *(likelihood.LikelihoodPart, network.NetworkPart),
)


@pytest.mark.parametrize("opened", [*course.TOUR, *course.LESSONS, *course.cards()], ids=lambda opened: opened.name)
def test_what_a_lesson_and_a_card_open_is_possible(opened):
    found = in_node.ask({"forms": opened.part, "values": opened.values})
    assert "error" not in found and opened.values.keys() <= {field["name"] for field in found["fields"]}
    if opened.part in ("forward", "plane", "train"):  # the page computes them
        return
    (place,) = [place for place in PLACES if opened.part in place.names]
    made = place(toy_services(Models("cpu")))
    computation = requested(made, opened.part, opened.values)
    computation.checked_plan([made.services.models.known(ref) for ref in computation.refs])


def test_every_card_has_a_picture_and_whole_html():
    page = ElementTree.fromstring(f"<body>{course.CARDS.read_text(encoding='utf-8')}</body>")
    cards = [card for card in page if card.tag == "article"]
    assert all(card.find(path) is not None for card in cards for path in ("h3", "p", "p/button", "p/a", "details/math"))
    here = {card.name for card in course.cards()}
    assert {card.get("data-name") for card in cards} - here <= {"words", "smaller-space"}, "no such model is here"
    shown = course.CoursePart(toy_services()).questions["cards"]({})["html"]
    for card in cards:
        assert (f'data-name="{card.get("data-name")}"' in shown) == (card.get("data-name") in here)
    for card in [card for card in cards if card.get("data-name") in here]:
        assert (FILES / f"examples/course/{card.get('data-name')}.webp").is_file()
    lessons = [one for one in course.CoursePart(toy_services()).initial()["lessons"] if not one["screen"]]
    assert len({lesson["name"] for lesson in lessons}) == len(lessons) == 9
    pictures = [FILES / f"examples/course/lesson-{lesson['name']}.webp" for lesson in lessons]
    assert sum(picture.stat().st_size for picture in pictures) < 30_000
    some = ("guesses", "curves", "step", "then", "screen", "sets")  # not all ask first
    assert all(value for lesson in lessons for name, value in lesson.items() if name not in some)


def table_of(name):
    """The rows of a card's table, by their headings."""
    page = ElementTree.fromstring(f"<body>{course.CARDS.read_text(encoding='utf-8')}</body>")
    rows = page.findall(f".//article[@data-name='{name}']//tr")
    return {row.findtext("th"): [cell.text for cell in row.findall("td")] for row in rows}


def test_the_table_of_blocks_has_the_measured_shares():
    digits, photos = (ddpm_core.readers(ddpm_core.load(name)).figures for name in ("mnist-tiny", "cifar10-tiny"))
    table = table_of("blocks")
    assert table.pop("Nothing")[0] == f"{100 * digits['whole']:.1f}"
    of_digits = [[f"{100 * share:.1f}" for share in off.values()] for off in digits["off"].values()]
    of_photos = [[f"{rms:.2f}" for rms in off.values()] for off in photos["off"].values()]
    del table["Switched off"], of_digits[-1], of_photos[-1]  # all skips at once are not in it
    assert list(table.values()) == [a + b for a, b in zip(of_digits, of_photos, strict=True)]


def test_the_table_of_the_smaller_space_has_what_is_counted():
    if course.LATENT not in refs.embedded():
        pytest.skip("the model is not here")
    config = spec.read(snapshots.here(refs.parse(course.LATENT)))
    on_pixels = config.unet | {"sample_size": config.spec.picture_size, "in_channels": 3, "out_channels": 3}
    costs = [f"{network_cost(unet).flop / 1e9:,.1f}" for unet in (config.unet, on_pixels)]
    assert table_of("smaller-space")["GFLOP of one evaluation"] == costs


# --- The page


@pytest.fixture(scope="module")
def url(torch_page):
    with served() as app:
        yield app.local_url


# What a first-year student need not know, as pages have it.
WORDS = (
    *("ᾱ", "snr", "σ", "ε", "β", "β̃", "μ̃", "q(", "grey levels", "seed", "ddpm", "ddim", "unipc", "eq.", "fig."),
    *("latent", "bits/dim", "rmse", "linspace", "l₀", "±", "score", "spread", "marginal", "u-net"),
)


def test_every_hard_word_of_a_part_is_explained_in_it(page, url):
    page.goto(url)
    for part in (part for place in PLACES for part in place.names):
        page.wait_for_function("window.page")
        page.evaluate("(part) => page.open(part, null)", part)
        for numbers in page.locator(".part:visible .chart:not([open]) > summary").all():
            numbers.click()  # behind which they are explained
        page.locator(".part:visible .legend > summary").wait_for()
        said = page.locator(".part:visible .stage").inner_text().lower()
        page.locator(".part:visible .legend > summary").click()
        assert page.locator(".part:visible .legend dl").is_visible()
        explained = " ".join(page.locator(".part:visible .legend dt").all_inner_texts()).lower()
        assert [word for word in WORDS if word in said and word not in explained] == [], part


def test_the_course_from_its_first_to_its_last_click(page, url):
    def at(lesson, part):
        page.wait_for_function("(name) => document.querySelector('#course-bar').dataset.lesson === name", arg=lesson)
        own = ".train[data-state]" if part == "train" else f".part-{part}[data-ready=true]"
        page.wait_for_selector(f"nav [data-part={part}][aria-current=true], {own}:visible")

    page.goto(f"{url}?tab=learn")  # a link of earlier versions
    page.wait_for_selector(f".course[data-cards='{len(course.cards())}']")
    page.locator(".course .lessons button").first.click()
    for lesson in course.LESSONS:
        at(lesson.name, lesson.part)
        page.wait_for_selector(f"#course-bar h2:focus:text('{lesson.title}')")  # where the keyboard goes on
        assert page.get_by_text(lesson.question).is_visible() and not page.get_by_text(lesson.answer).is_visible()
        following = page.get_by_role("button", name=re.compile("Next lesson|Skip to lesson"))
        assert not following.is_visible()  # it comes after the answer
        if lesson.part == "forward":
            page.get_by_role("button", name=lesson.button).click()
            page.wait_for_selector(".forward:not([data-t='0'])")  # t plays, and there is more to do
            assert page.get_by_text(lesson.todo).is_visible()
        page.locator("#course-bar summary", has_text="Answer").click()
        assert page.get_by_text(lesson.answer).is_visible()
        assert page.get_by_role("banner").count() == 1  # the page's: the bar is a part of its own
        if lesson is not course.LESSONS[-1]:
            following.click()
    # The last one has a figure, whose pictures and clocks follow its slider.
    page.locator(".one-path .slider").fill("10")
    assert "The end" in page.locator(".one-path [role=status]").inner_text()
    page.locator(".one-path .slider").press("ArrowLeft")
    assert "t = 1, σ = 0.01, log SNR = 9.21" in page.locator(".one-path [role=status]").inner_text()
    # Once it is folded, a slider does not unfold it.
    page.get_by_label("The lesson").click()
    page.locator(".part-watch .scrubber").press("ArrowLeft")
    assert page.locator("#course-bar.folded").count() == 1
    # Elsewhere one line leads back to it, and nothing that is offered there is hidden.
    page.locator("#places [data-place=compare]").click()
    page.wait_for_selector(".part-compare .try:visible")
    assert not page.get_by_text(lesson.question).is_visible()
    page.get_by_role("button", name="Back to it").click()
    page.get_by_text(lesson.question).wait_for()
    assert not page.locator(".try:visible").count()
    page.get_by_label("The lesson").click()
    page.get_by_role("button", name="Deeper").click()
    page.wait_for_selector(".course:visible")
    assert page.locator("#course-bar").is_hidden()
    for lesson, part in (
        ("one-path", "watch"),
        ("one-path", "compare"),
        ("one-path", "watch"),
        ("two-steps", "compare"),
    ):
        page.go_back()
        at(lesson, part)

    # Back and Forward go through the lessons, with their values.
    page.go_back()
    at("which-noise", "compare")
    page.wait_for_selector(".part-compare [data-name=sampler_b] input[value=ddpm]:checked", state="attached")
    page.go_forward()
    at("two-steps", "compare")

    # The button of a lesson runs it, and what it has set is in the link, which opens in a fresh profile.
    page.set_viewport_size({"width": 390, "height": 844})
    page.locator("#course-bar .do button").click()
    page.wait_for_selector(".part-compare[data-state=finished]")
    assert (
        page.locator("#course-bar").bounding_box()["height"] <= 120
    )  # the question alone, once the rest has been read
    shown = course.LESSONS[-2]
    assert page.get_by_text(shown.question).is_visible() and not page.get_by_text(shown.todo).is_visible()
    pictures = page.wait_for_selector(".part-compare .frame").bounding_box()
    assert pictures["y"] >= 0 and pictures["y"] + pictures["height"] <= 700  # in sight, also below the bar of a phone
    page.set_viewport_size({"width": 1280, "height": 720})
    link = page.url
    asked = {name: values[0] for name, values in parse_qs(urlsplit(link).query).items()}
    assert asked["lesson"] == "two-steps" and asked["sampler_b"] == "consistency" and asked["label"] == "5"
    page.locator("#course-bar header").get_by_label("End the course").click()
    page.wait_for_selector("#course-bar", state="hidden")
    assert "lesson" not in page.url
    fresh = page.context.browser.new_page(**CALM)
    fresh.goto(link)
    fresh.wait_for_selector("#course-bar[data-lesson=two-steps]")
    fresh.wait_for_selector(".part-compare[data-ready=true]")
    assert fresh.locator(".part-compare [data-name=steps] input[type=number]").input_value() == "2"

    # A teacher's: settings of their own, and two controls.
    fresh.locator("summary", has_text="For teachers").click()
    fresh.wait_for_selector(".teacher input:checked", state="attached")
    ticked = fresh.locator(".teacher input:checked").evaluate_all("(all) => all.map(({ value }) => value)")
    assert set(ticked) == {"label", "steps", "sampler", "seed", "count", "steps_b", "sampler_b"}  # what the lesson sets
    assert (
        fresh.locator(".teacher input[value=spacing]").count()
        and not fresh.locator(".teacher input[value=prompt]").count()
    )  # which this model does not have
    for name in {*ticked} - {"steps", "seed"}:
        fresh.locator(f".teacher input[value={name}]").uncheck()
    fresh.locator(".part-compare [data-name=steps] input[type=number]").fill("1000")  # long: it is not run
    fresh.evaluate("navigator.clipboard.writeText = (text) => { window.copied = text; return Promise.resolve(); }")
    # At the address that others in the room can open, as the code for them has it.
    room = "async (part, what) => what === 'room' && { address: 'http://192.0.2.7:7860/?other=1' }"
    fresh.evaluate(f"page.client.ask = {room}")
    fresh.get_by_text("Copy the link for my class").click()
    link = fresh.wait_for_function("window.copied").json_value()
    assert link.startswith("http://192.0.2.7:7860/?tab=compare")
    fresh.goto(f"{url}?lesson=two-steps&steps=4&only=steps,seed")  # the shortest one
    fresh.wait_for_selector(".part-compare[data-ready=true][data-described][data-state=idle]")  # the class presses Run
    of_class = parse_qs(urlsplit(link).query)
    assert of_class["only"] == ["steps,seed"] and of_class["steps"] == ["1000"]
    shown = fresh.locator(".part-compare [data-name]:visible")
    assert shown.evaluate_all("(all) => all.map((one) => one.dataset.name)") == ["steps", "seed"]
    assert fresh.locator(".part-compare [data-name=steps] input[type=number]").input_value() == "4"
    assert fresh.locator(".part-compare [data-name=sampler_b] input:checked").input_value() == "consistency"
    fresh.locator("#places button", has_text="Course").click()
    fresh.wait_for_selector(".course[data-cards]")
    assert not fresh.get_by_text("For teachers").count()  # a link for a class
    fresh.close()

    # A card opens its part.
    page.set_viewport_size({"width": 390, "height": 844})
    page.locator("#places button", has_text="Course").click()
    page.locator(".card[data-name=plane] summary").first.click()
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    page.get_by_role("button", name="Show two clouds").click()
    page.wait_for_selector(".part-plane:visible[data-ready=true]")


def test_the_tour_from_its_first_screen_to_the_card(page, url):
    """By the keyboard alone, on a phone; it can be left and continued, and goes back."""

    def at(name):
        page.wait_for_selector(f"#course-bar[data-lesson={name}] h2:focus")

    page.set_viewport_size({"width": 390, "height": 844})
    page.goto(f"{url}?lesson=tour")
    page.wait_for_selector("#course-bar[data-lesson=tour] .next button")
    assert not page.locator("#course-bar details").count()  # nothing is to be opened
    page.focus("#course-bar .next button")
    page.keyboard.press("Enter")
    at("tour-rub")
    page.wait_for_selector(".part-watch[data-state=finished]")
    page.focus(".part-watch .tools button[value='255.255.255']")
    page.keyboard.press("Enter")
    page.wait_for_selector("#course-bar.folded")
    bar = page.locator("#course-bar").bounding_box()
    assert bar["height"] <= 120 and page.locator("#course-bar .next button").is_visible()
    canvas = page.locator(".part-watch .touched")
    for key in (*["ArrowLeft"] * 3, *["ArrowUp"] * 4, *["Space", "ArrowDown"] * 2):
        canvas.press(key)
    page.wait_for_selector(".part-watch .lane >> nth=1")
    page.locator("#places button", has_text="Compare").click()  # it is left, and continued
    page.get_by_role("button", name="Back to it").click()
    page.locator("#course-bar .next button").click()
    at("tour-graft")
    page.go_back()
    at("tour-rub")
    page.locator("#course-bar").get_by_role("button", name="Previous screen").click()
    at("tour")
    page.goto(f"{url}?lesson=tour-graft")
    page.locator("#course-bar .do button").click()
    page.wait_for_selector(".part-network[data-state=finished]")
    assert "graft=6" in page.url
    page.locator("#course-bar .next a").click()
    page.wait_for_url("**/essay#card")
    page.locator("ddpm-figure[name=card]").wait_for()
    page.set_viewport_size({"width": 1280, "height": 720})


@pytest.mark.parametrize("screen", course.TOUR, ids=lambda screen: screen.name)
def test_at_400_percent_the_tour_covers_nothing_that_has_the_focus(page, url, screen):
    page.set_viewport_size({"width": 320, "height": 256})
    page.goto(f"{url}?lesson={screen.name}")
    page.wait_for_selector(f"#course-bar[data-lesson={screen.name}] .next :is(a, button)")
    page.wait_for_selector(f".part-{screen.part}[data-ready=true]")
    page.locator("#course-bar").get_by_label("The lesson").click()
    page.wait_for_selector("#course-bar.folded")
    assert page.evaluate("document.documentElement.scrollWidth") == 320
    page.focus("#course-bar .next :is(a, button)")
    hidden = """() => { const { x, y, width, height } = document.activeElement.getBoundingClientRect();
        const hit = document.elementFromPoint(x + width / 2, y + height / 2);
        return document.activeElement.contains(hit) || hit?.contains(document.activeElement) ? null
            : document.activeElement.outerHTML; }"""
    for _ in range(12):
        page.keyboard.press("Tab")
        assert page.evaluate(hidden) is None
    page.set_viewport_size({"width": 1280, "height": 720})


def test_an_address_of_a_card_that_is_gone_leads_to_what_says_it(page, url):
    old = ["why", "forward", "reverse", "shapes", "loss", "predict", "variance", "slow", "student", "one-path", "words"]
    found = {}
    for name in old:
        page.goto(f"{url}?tab=course#card={name}")
        page.wait_for_url(re.compile(r"/essay#|lesson=|card=solvers") if name != "slow" else "**")
        if name == "slow":
            page.wait_for_selector(".card[data-name=solvers][open]")
        else:
            found[name] = page.url.removeprefix(url)
        if "/essay" in page.url:
            assert page.evaluate("document.querySelector(location.hash)?.localName") == "section"
    assert found["variance"].endswith("essay#step") and found["shapes"].endswith("?lesson=noising")
    assert not {*old} & {card.name for card in course.cards()}


def test_teachers_find_a_plan_whose_lessons_open_and_the_limits_of_a_class(page, url):
    page.goto(f"{url}?tab=course")
    page.locator(".teachers > summary").click()
    links = page.locator(".teachers table a")
    names = [
        parse_qs(urlsplit(href).query)["lesson"][0] for href in links.evaluate_all("(all) => all.map((a) => a.href)")
    ]
    assert sorted(names) == sorted(lesson.name for lesson in course.LESSONS)
    times = [
        time.split("–") for time in page.locator(".teachers th").all_inner_texts()[:-1]
    ]  # the last row is homework
    assert [start for start, _ in times] == ["0", *(end for _, end in times[:-1])] and times[-1][1] == "45"
    said = page.locator(".teachers dl").inner_text()
    limits = ServerLimits.public()
    places = limits.concurrent_runs + limits.waiting_runs
    assert f"{places} runs at once, and {places // 2} of one address" in said
    assert f"“--limit waiting_runs=100”: that allows {(limits.concurrent_runs + 100) // 2}" in said
    links.nth(1).click()
    page.wait_for_selector("#course-bar[data-lesson=noising]")


def test_every_lesson_has_a_picture_with_words(page, url):
    page.goto(f"{url}?tab=course")
    pictures = page.locator(".course .lessons img")
    page.wait_for_function("document.querySelectorAll('.course .lessons img').length")
    assert pictures.count() == len(course.LESSONS)
    for picture in pictures.all():
        picture.scroll_into_view_if_needed()
        assert picture.get_attribute("alt") and picture.get_attribute("loading") == "lazy"
        page.wait_for_function("(one) => one.naturalWidth > 50", arg=picture.element_handle())


def test_the_bar_under_a_grainy_picture_does_not_say_that_all_is_picture(page, url):
    """Lesson 6: lane A keeps noise in its last two pictures, and lane B does not."""
    page.goto(f"{url}?lesson=which-noise")
    page.wait_for_selector(".part-compare[data-ready=true]")
    page.locator("#course-bar .do button").click()
    page.wait_for_selector(".part-compare[data-state=finished]")
    bars = page.locator(".part-compare .balance")
    for key, at in (("End", "step 10 of 10"), ("ArrowLeft", "step 9 of 10")):
        page.locator(".part-compare .scrubber").press(key)
        page.wait_for_selector(f".part-compare .transport .at:text('{at}')")
        bars.nth(1).get_by_text(re.compile(r"B: picture (100|more than 99) %")).wait_for()
        a, _ = bars.all_inner_texts()
        assert 60 <= int(re.search(r"A: picture (\d+) %", a)[1]) <= 90


def test_a_network_learns_in_its_lesson_alone_and_beside_another(page, url):
    """The right to train comes late, so that the recorded training is there between the press and the beginning."""
    late = "const { locks } = navigator, { request } = locks;"
    late += (
        "locks.request = (...asked) => new Promise((end) => setTimeout(() => end(request.apply(locks, asked)), 999));"
    )
    page.add_init_script(late)
    (lesson,) = [one for one in course.LESSONS if one.part == "train"]
    page.goto(f"{url}?lesson={lesson.name}")
    page.locator("#course-bar").get_by_role("button", name=lesson.button).click()
    page.wait_for_selector(".train[data-state=running][data-live=true][data-example=false]:not([data-grids='0'])")
    page.get_by_label("The lesson").click()  # it has folded
    for task in lesson.then:
        page.locator("#course-bar summary", has_text="Answer").click()
        page.get_by_role("button", name=re.compile("Next part")).click()
        assert page.get_by_text(task.question).is_visible()
        assert page.locator("#course-bar .do button").all_inner_texts() == [task.button] * bool(task.button)
    page.locator("#course-bar .do button").click()
    page.get_by_role("dialog").get_by_role("button", name="Train anew", exact=True).click()
    page.wait_for_selector(".train[data-state=running][data-lanes='2']")
    assert "two=true" in page.url and "prediction_b=epsilon" in page.url
    page.locator(".train .stop").click()
    page.wait_for_selector(".train[data-state=stopped]")
