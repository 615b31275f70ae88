"""The player of `ddpm_core.show`, as a notebook displays it."""

import torch

import ddpm_core

PIXELS = """canvas => [...canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data].filter(
  (_, i) => i % 4 === 0)"""


def test_the_player_shows_the_step_of_its_slider(page):
    levels = [0, 51, 102, 255]  # x_s of each step is one grey, and x̂_0 its opposite
    grey = [torch.full((1, 1, 8, 8), level / 127.5 - 1) for level in levels]
    steps = [ddpm_core.Step(k, 4 - k, 3 - k, x, -x, sigma=0.0) for k, x in enumerate(grey)]
    first, second = ddpm_core.show(steps).html, ddpm_core.show(steps[:2]).html
    page.set_content(f"<div>{first}</div><div>{second}</div>")  # two outputs of one notebook
    page.wait_for_function("document.querySelectorAll('canvas').length === 4")
    slider = page.get_by_role("slider", name="Step").first

    def shown():
        return [{*page.locator("canvas").nth(i).evaluate(PIXELS)} for i in range(2)]

    assert shown() == [{255}, {0}]  # it begins with the finished picture
    slider.press("Home")
    assert shown() == [{0}, {255}]
    slider.press("ArrowRight")
    assert shown() == [{51}, {204}]
    assert slider.get_attribute("aria-valuetext") == "Step 2 of 4 · t = 2"
    page.get_by_role("button", name="Play").first.click()
    page.wait_for_function("document.querySelector('output').textContent === 'Step 4 of 4 · t = 0'")
    page.get_by_role("button", name="Play").first.wait_for()  # it has come to rest
    assert shown() == [{255}, {0}]
