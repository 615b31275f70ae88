"""Pictures of every tab, at 1280 and 390 pixels, light and dark, to be looked at: `python tests/screenshots.py FOLDER`.

Also `compare.gif` for the README: a run of two lanes in the real page.
"""

from __future__ import annotations

import io
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
os.environ.setdefault("HF_HUB_OFFLINE", "1")

from browser import ARGS, chromium_path
from PIL import Image
from playwright.sync_api import Page, sync_playwright

import ui

SIZES = {"desktop": {"width": 1280, "height": 800}, "phone": {"width": 390, "height": 844}}
# With this class and seed the digits are clear after 10 steps.
COMPARE = "compare=true&steps={0}&steps_b={0}&variance=beta&variance_b=beta_tilde&count=4&label=3&seed=42"


def finished(page: Page) -> None:
    page.wait_for_selector("#estimate p:has-text('this')", state="attached")
    page.click("#run")
    page.wait_for_selector(".ddpm-player[data-state=finished]", timeout=120_000)
    page.wait_for_timeout(400)


def denoise(page: Page, url: str) -> None:
    page.goto(f"{url}?seed=13&count=4")
    finished(page)


def compare(page: Page, url: str) -> None:
    page.goto(f"{url}?{COMPARE.format(10)}")
    page.wait_for_selector("#compare input:checked", state="attached")
    finished(page)


def projector(page: Page, url: str) -> None:
    compare(page, url)
    page.locator("body").press("f")
    page.wait_for_timeout(800)


def forward(page: Page, url: str) -> None:
    page.goto(f"{url}?tab=forward")
    page.wait_for_selector(".ddpm-forward[data-ready=true]")
    page.wait_for_timeout(800)


def train(page: Page, url: str) -> None:
    page.goto(f"{url}?tab=train")
    page.click(".ddpm-train .start")
    page.wait_for_function("Number(document.querySelector('.ddpm-train')?.dataset.grids) > 6", timeout=300_000)
    page.click(".ddpm-train .stop")
    page.wait_for_selector(".ddpm-train[data-state=stopped]")


def learn(page: Page, url: str) -> None:
    page.goto(f"{url}?tab=learn")
    page.wait_for_selector(".lesson .katex")
    page.wait_for_timeout(400)


def latents(page: Page, url: str) -> None:
    page.goto(f"{url}?tab=latents&steps=20&count=6")
    done(page, "latents")


def interpolate(page: Page, url: str) -> None:
    page.goto(f"{url}?tab=latents&mode=interpolate&steps=20&count=7&times=500,250,0&seed=13&seed_b=14")
    done(page, "latents")


def likelihood(page: Page, url: str) -> None:
    page.goto(f"{url}?tab=likelihood&count=2")
    done(page, "likelihood")


def plane(page: Page, url: str) -> None:
    page.goto(f"{url}?tab=plane")
    done(page, "plane")
    page.wait_for_selector(".ddpm-plane[data-last=true]")


def plane_trained(page: Page, url: str) -> None:
    page.goto(f"{url}?tab=plane&shape=spiral&denoiser_b=trained&steps=50&steps_b=50&variance=beta_tilde")
    done(page, "plane")
    page.wait_for_selector(".ddpm-plane[data-last=true]")


def study(page: Page, url: str) -> None:
    page.goto(f"{url}?tab=likelihood&mode=study&folder={Path(__file__).resolve().parents[1]}/docs/study")
    page.wait_for_selector(".ddpm-likelihood .plots img")
    page.wait_for_timeout(400)


def done(page: Page, tab: str) -> None:
    page.click(f".ddpm-{tab} .run:enabled")
    page.wait_for_selector(f".ddpm-{tab}[data-state=finished]", timeout=300_000)
    page.wait_for_timeout(400)


VIEWS = (
    denoise,
    compare,
    projector,
    forward,
    train,
    latents,
    interpolate,
    likelihood,
    study,
    plane,
    plane_trained,
    learn,
)


def animation(page: Page, url: str, path: Path) -> None:
    """The player of a comparison, as its scrubber goes from noise to pictures."""
    page.goto(f"{url}?{COMPARE.format(10)}")
    page.wait_for_selector("#compare input:checked")
    finished(page)
    player, frames = page.locator(".ddpm-player"), []
    for k in range(10):
        page.locator(".scrubber").fill(str(k))
        page.wait_for_selector(f".ddpm-player[data-k='{k}']")
        page.wait_for_timeout(150)
        shot = Image.open(io.BytesIO(player.screenshot()))
        frames.append(shot.resize((shot.width * 3 // 4, shot.height * 3 // 4)).quantize(64))
    frames[0].save(path, save_all=True, append_images=frames[1:], duration=[350] * 9 + [2500], loop=0, optimize=True)


def main(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    demo = ui.build()
    ui.launch(demo, prevent_thread_lock=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium_path(), args=ARGS)
        for view in VIEWS:
            for size, viewport in list(SIZES.items())[: 1 if view is projector else 2]:  # no phone is on a wall
                for scheme in ("light", "dark"):
                    page = browser.new_page(viewport=viewport, color_scheme=scheme, is_mobile=size == "phone")
                    view(page, demo.local_url)
                    path = folder / f"{view.__name__}-{size}-{scheme}.png"
                    page.screenshot(path=path, full_page=view is not projector)
                    print(path)
                    page.close()
        page = browser.new_page(viewport={"width": 1280, "height": 1000})
        animation(page, demo.local_url, folder / "compare.gif")
        print(folder / "compare.gif")
        browser.close()
    ui.close(demo)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python tests/screenshots.py FOLDER")
    main(Path(sys.argv[1]))
