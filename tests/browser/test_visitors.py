"""Every visitor: older browsers, keyboards, screen readers, high contrast, large type, small windows, paper."""

from pathlib import Path

import flashing
import numpy as np
import pytest
from browser import CALM, MOTION, _missing, served

ROOT = Path(__file__).parents[2]
AXE = ROOT / "ui/web/node_modules/axe-core/axe.min.js"
HAS_RUNS = ("watch", "compare", "grid", "plane", "between", "latents", "repair", "likelihood")
PARTS = (*HAS_RUNS, "forward", "train", "course")
# A run of each that takes moments.
QUICK = {
    "compare": "&steps=4&steps_b=3",
    "grid": "&columns=2,3",
    "plane": "&steps=10&steps_b=10",
    "latents": "&steps=4&count=2",
    "likelihood": "&count=1",
}
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


@pytest.fixture
def axed(page):
    if not AXE.is_file():
        _missing("axe-core is not installed: npm --prefix ui/web ci")
    page.add_init_script(path=AXE)
    return page


@pytest.mark.parametrize("part", PARTS)
def test_axe_finds_nothing_before_a_run_and_after_it(axed, url, part):
    opened(axed, url, part, QUICK.get(part, ""))
    found = violations(axed)
    if part in HAS_RUNS:
        finished(axed, part)
        found += violations(axed)
    assert not found


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
