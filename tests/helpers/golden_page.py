"""What golden.py records of the page: what it says about settings, the files of runs, and where links lead.

The settings are drawn from the lists below, and not from the page's forms, so they stay the same when the forms change.
Only `Page` uses the parts of the page. Links are opened in a browser.
"""

from __future__ import annotations

import base64
import functools
import hashlib
import io
import json
import random
import re
import urllib.parse
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import plans
import test_static
import toylab
from PIL import ExifTags, Image

Values = dict[str, Any]
LINES = 40  # lines of a text; the middle of a longer text is replaced by its digest
# The models by what they draw, and the steps that the students have learned.
DIGITS = ("mnist-tiny", "mnist-tiny", "mnist-tiny", "mnist-tiny-consistency", "mnist-tiny-2-steps")
COLOURS = ("cifar10-tiny", "cifar10-tiny", "cifar10-tiny-4-steps")
STUDENTS = {
    "mnist-tiny-consistency": ("consistency", [1, 2, 4]),
    "mnist-tiny-2-steps": ("ddim", [2]),
    "cifar10-tiny-4-steps": ("ddim", [4]),
}
OPTIMISED = {"mnist-tiny": [4, 5, 6, 8, 10, 20], "cifar10-tiny": [10]}
LABELS = {"mnist": ["any", "any", "0", "3", "7"], "cifar": ["any", "any", "cat", "ship", "9"], "emoji": ["any"]}
PROMPTS = ["red apple", "a green fox", 'l\'été "x"  y', "🍎", "blue asdfgh", ""]
SAMPLERS = ["ddpm", "ddpm", "ddpm", "ddim", "ddim", "dpm++", "unipc", "langevin", "consistency"]
SPACINGS = ["linspace", "trailing", "leading", "quadratic", "quadratic_T"]
TOUCHES = [
    test_static.TOUCH,
    "490-noise-100-7.7-6.7",
    "700-clean-50-3.3-3.4-4.4_200-noise-30-9.9",
    "100-0.128.255-7-3.3",
]
# The files of each part, except WebP, which node can't write.
FILES = {part: ("png", "gif", "strip", "csv", "zip") for part in ("watch", "compare")} | {
    "grid": ("png", "csv", "zip"),
    "latents": ("png", "gif"),
    "repair": ("png", "gif"),
    "between": ("png",),
    "plane": ("csv",),
    "likelihood": ("csv",),
}


# --- Random valid settings


def chain(draw: random.Random, ref: str, most: int = 1000) -> Values:
    """Return random steps, a sampler and its options."""
    if ref in STUDENTS:
        sampler, steps = STUDENTS[ref]
        return {"sampler": sampler, "steps": draw.choice(steps), "spacing": "auto"}
    sampler = draw.choice(SAMPLERS)
    found: Values = {
        "sampler": sampler,
        "steps": draw.choice([n for n in (1, 2, 3, 4, 7, 10, 20, 50, 100, 1000) if n <= most]),
    }
    if sampler in ("ddpm", "langevin"):
        computed = ["analytic"] if ref in OPTIMISED else []
        found["variance"] = draw.choice(["beta", "beta_tilde", *computed])
    if sampler == "ddim" and draw.random() < 0.7:
        found["eta"] = draw.choice([0, 0.5, 1, "0.25", 0.123456789])
    if draw.random() < 0.5:
        found["spacing"] = draw.choice(SPACINGS)
    steps = [n for n in OPTIMISED.get(ref, []) if n <= most]
    if sampler in ("ddim", "dpm++", "unipc") and steps and draw.random() < 0.2:
        found |= {"spacing": "optimised", "steps": draw.choice(steps)}
    return found


def told(draw: random.Random, ref: str, found: Values) -> Values:
    """Return a random class or prompt, and guidance."""
    label = draw.choice(LABELS[re.split(r"\d|-", ref)[0]])
    more: Values = {} if label == "any" and draw.random() < 0.7 else {"label": label}
    if ref == "emoji-tiny":
        more |= {"prompt": draw.choice(PROMPTS)} | draw.choice([{}, {}, {"negative": "blurred"}])
    if found.get("variance") != "analytic" and ref not in STUDENTS and draw.random() < 0.4:
        more["guidance"] = draw.choice([1, 2.5, "3", 10, 0])
    return more


def seeded(draw: random.Random, most: int) -> Values:
    count = draw.choice([n for n in (1, 2, 4, 5, 16) if n <= most])
    return {"seed": draw.choice([0, 13, 42, "7", 2**32 - 17]), "count": count}


def any_model(draw: random.Random) -> str:
    return draw.choice([*DIGITS, *COLOURS, "emoji-tiny", "emoji-tiny"])


def watch(draw: random.Random, cheap: bool) -> Values:
    ref = draw.choice(DIGITS) if cheap and draw.random() < 0.8 else any_model(draw)
    found = {"checkpoint": ref} | chain(draw, ref, 7 if cheap else 1000)
    found |= told(draw, ref, found) | seeded(draw, 2 if cheap else 16)
    found |= draw.choice([{}, {}, {"clip": draw.choice([True, False, "true"])}])
    if found["sampler"] not in ("dpm++", "unipc") and found["steps"] > 1 and draw.random() < 0.35:
        found["touch"] = draw.choice(TOUCHES[:3] if ref == "emoji-tiny" else TOUCHES)
        if ref == "emoji-tiny":
            found["touch"] = TOUCHES[1]
    if ref == "emoji-tiny" and "touch" not in found:
        found |= draw.choice([{}, {"attention": True}])
    return found


def compare(draw: random.Random, cheap: bool) -> Values:
    refs = draw.choice([DIGITS, DIGITS, COLOURS, ("emoji-tiny",)])
    ref, most = draw.choice(refs), 7 if cheap else 1000
    other = draw.choice(["same", *refs])
    found = {"checkpoint": ref, "checkpoint_b": other} | chain(draw, ref, most)
    if other in ("same", ref) and ref not in STUDENTS and draw.random() < 0.5:
        b = {"sampler": found["sampler"], "steps": found["steps"]}  # only the noise differs
        b |= {"variance": "beta"} if b["sampler"] in ("ddpm", "langevin") else {}
    else:
        b = chain(draw, ref if other == "same" else other, most)
    found |= told(draw, ref, found) | seeded(draw, 2 if cheap else 16)
    if "analytic" in (found.get("variance"), b.get("variance")) or other in STUDENTS:
        found.pop("guidance", None)
    elif found.get("label", "any") != "any" and ref not in STUDENTS and draw.random() < 0.3:
        b["guidance"] = draw.choice([1, 4])
    if ref == "emoji-tiny" and draw.random() < 0.5:
        b["prompt"] = "green heart"
    return found | {f"{name}_b": value for name, value in b.items()}


def grid(draw: random.Random, cheap: bool) -> Values:
    ref = draw.choice(["mnist-tiny", "cifar10-tiny", "mnist-tiny-2-steps", *([] if cheap else ["emoji-tiny"])])
    rows = draw.choice(["variance", "sampler"])
    columns = draw.choice(["2, 3", "1", "2 4"] if cheap else ["5, 10", "2 4 50", "1000", "10;20;30,40"])
    found: Values = {"checkpoint": ref, "rows": rows, "columns": columns} | seeded(draw, 2 if cheap else 4)
    if ref in STUDENTS:
        return found | {"rows": "sampler", "columns": "2, 4"}
    if rows == "sampler":
        found |= {"variance": draw.choice(["beta", "beta_tilde"]), "eta": draw.choice([0, 0.5])}
        found |= told(draw, ref, found)
    return found | draw.choice([{}, {"spacing": draw.choice(SPACINGS)}])


def pixels(ref: str, seed: int) -> str:
    """Return a picture for a model, in the form of an address."""
    side, channels = (28, 1) if ref.startswith("mnist") else (32, 3)
    small = np.random.default_rng(seed).integers(0, 256, (4, 4, channels), dtype=np.uint8)
    index = np.arange(side) * 4 // side
    whole = np.ascontiguousarray(small[index][:, index])
    return base64.urlsafe_b64encode(zlib.compress(whole.tobytes(), 9)).decode()


def hidden(draw: random.Random) -> str:
    """Return cells that are erased, in the form of an address."""
    cells = np.zeros((32, 32), np.uint8)
    top, left = draw.randrange(20), draw.randrange(20)
    cells[top : top + draw.randint(4, 12), left : left + draw.randint(4, 12)] = 1
    return base64.urlsafe_b64encode(np.packbits(cells).tobytes()).decode()


def latents(draw: random.Random, cheap: bool) -> Values:
    ref = draw.choice(["mnist-tiny", "mnist-tiny", "cifar10-tiny", "mnist-tiny-consistency"])
    found: Values = {"checkpoint": ref, "mode": draw.choice(["reconstruct", "interpolate"])}
    found |= {"seed": draw.choice([1, 13, 2**31]), "count": draw.choice([2, 3] if cheap else [2, 5, 16])}
    if ref in STUDENTS:
        found |= {"sampler": "consistency", "steps": 2}
    else:
        found |= {
            "times": draw.choice(["", "500", "900, 562, 62", "1000 0"]),
            "steps": draw.choice([2, 3] if cheap else [5, 50, 1000]),
        }
        found |= {"sampler": draw.choice(["ddpm", "ddim"])}
        found |= draw.choice([{}, {"variance": "beta"}, {"label": "3"}, {"eta": 0.5}])
    for name in ("picture", "picture_b"):
        found |= {name: pixels(ref, draw.randrange(3))} if draw.random() < 0.3 else {}
    return found | draw.choice([{}, {"seed_b": 99}])


def repair(draw: random.Random, cheap: bool) -> Values:
    ref = draw.choice(["mnist-tiny", "mnist-tiny", "cifar10-tiny"])
    tasks = ["mask", "mask", "downsample", "blur", *(["grey"] if ref == "cifar10-tiny" else [])]
    found: Values = {"checkpoint": ref, "task": draw.choice(tasks), "seed": draw.choice([1, 13, 77])}
    quick = ["ddnm", "replacement", *(["repaint"] if ref == "mnist-tiny" or not cheap else [])]
    found |= {"method": draw.choice([*quick, *([] if cheap else ["pigdm", "dps"])])}
    found |= {"method_b": draw.choice(["none", "none", *quick])}
    found |= {"count": draw.choice([2, 3] if cheap else [2, 8]), "steps": draw.choice([2, 3] if cheap else [5, 50])}
    found |= draw.choice([{}, {"hidden": hidden(draw)}]) | draw.choice([{}, {"label": "3"}, {"sampler": "ddim"}])
    return found | ({"picture": pixels(ref, draw.randrange(3))} if draw.random() < 0.3 else {})


def plane(draw: random.Random, cheap: bool) -> Values:
    found: Values = {"shape": draw.choice(["ring", "moons", "spiral", "gaussian", "drawing"])}
    if found["shape"] == "drawing":
        found["drawing"] = draw.choice(["1,2 3,-40", "-100,100", "5,5 -5,5 60,-70"])
    for lane in ("", "_b"):
        sampler = draw.choice(["ddpm", "ddpm", "ddim", "dpm++", "unipc"])
        steps = draw.choice([1, 3, 10] if cheap else [1, 10, 50, 1000])
        found |= {f"sampler{lane}": sampler, f"steps{lane}": steps}
        found |= {f"variance{lane}": draw.choice(["beta", "beta_tilde"])} if sampler == "ddpm" else {}
        found |= {f"denoiser{lane}": draw.choice(["exact", "exact", "trained"])}
    found |= {"cloud": draw.choice([10, 50] if cheap else [10, 500, 2000]), "seed": draw.choice([0, 13])}
    found |= draw.choice([{}, {"width": draw.choice([0.1, "0.3"])}]) | ({"training": 10} if cheap else {})
    return found | draw.choice([{}, {"spacing": draw.choice(SPACINGS)}])


def likelihood(draw: random.Random, cheap: bool) -> Values:
    ref = draw.choice(["mnist-tiny", "cifar10-tiny"])
    found: Values = {"checkpoint": ref, "count": draw.choice([1, 2, 8, 64])}
    found |= draw.choice([{}, {"labels": draw.choice(["classes", "none"])}])
    return found | draw.choice([{}, {}, {"picture": pixels(ref, 1), "label": draw.choice(["any", "3"])}])


def between(draw: random.Random, cheap: bool) -> Values:
    corners = draw.sample(["red apple", "🐸", "yellow sun", "blue whale", "", "a 'quote'"], 4)
    found: Values = dict(zip("abcd", corners, strict=True)) | {"steps": 1 if cheap else draw.choice([2, 20, 50])}
    found |= {"seed": draw.choice([1, 5]), "sampler": draw.choice(["ddim", "ddpm", "dpm++"])}
    return found | {"guidance": 1 if cheap else draw.choice([None, 1, 2.5])}


PARTS: dict[str, tuple[int, Callable[[random.Random, bool], Values]]] = {  # number of the 300 settings, and their maker
    "watch": (70, watch),
    "compare": (70, compare),
    "grid": (30, grid),
    "latents": (35, latents),
    "repair": (35, repair),
    "plane": (35, plane),
    "likelihood": (10, likelihood),
    "between": (15, between),
}


def drawn(seed: int, part: str, n: int, cheap: bool = False) -> Iterator[Values]:
    """Yield n settings of a part, each only once."""
    draw, seen = random.Random(f"{seed} {part}"), set()
    while len(seen) < n:
        values = PARTS[part][1](draw, cheap)
        if (key := text(values)) not in seen:
            seen.add(key)
            yield values


def text(values: Values) -> str:
    """Return settings as a key. Long values are replaced by their digests."""
    short = {name: value if len(str(value)) <= 80 else sha(str(value).encode())[:12] for name, value in values.items()}
    return json.dumps(short, ensure_ascii=False, sort_keys=True)


# --- What is recorded


def sha(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def unpacked(content: str) -> str:
    """Return a text in which packed pictures are replaced by digests of their pixels, because each zlib packs
    differently.
    """

    def digest(found: re.Match[str]) -> str:
        packed = urllib.parse.unquote(found[2])
        return found[1] + sha(zlib.decompress(base64.urlsafe_b64decode(packed)))

    return re.sub(r'(b64decode\("|picture\w*=)([\w%-]+=*)', digest, content)


def of_text(content: str) -> Any:
    """Return a text as its lines."""
    lines = unpacked(content).split("\n")
    if len(lines) <= LINES:
        return lines if len(lines) > 1 else content
    half = LINES // 4
    return [*lines[:half], f"… {len(lines)} lines, {sha(content.encode())}", *lines[-half:]]


def of_picture(content: bytes) -> Values:
    """Return the digest of the pixels of a picture or film, and the settings in it."""
    with Image.open(io.BytesIO(content)) as image:
        about = image.info.get("Description") or image.info.get("comment", b"").decode()
        about = about or image.getexif().get(ExifTags.Base.ImageDescription, "")
        frames, found = getattr(image, "n_frames", 1), hashlib.sha256()
        for k in range(frames):
            image.seek(k)
            found.update(np.asarray(image if image.format == "PNG" else image.convert("RGBA")).tobytes())
        size = f"{image.width}×{image.height} {image.mode}" + (f", {frames} frames" if frames > 1 else "")
    return {"size": size, "pixels": found.hexdigest()} | ({"about": json.loads(about)} if about else {})


def base64_of(array: np.ndarray) -> str:
    return base64.b64encode(array.tobytes()).decode()


def blank(count: int, size: int, channels: int) -> np.ndarray:
    return np.zeros((count, size, size, channels), np.uint8)


def of_file(name: str, content: bytes) -> Any:
    kind = Path(name).suffix
    if kind == ".zip":
        with zipfile.ZipFile(io.BytesIO(content)) as packed:
            return {inner: of_file(inner, packed.read(inner)) for inner in packed.namelist()}
    if kind in (".png", ".gif", ".webp"):
        return of_picture(content)
    if kind == ".npy":
        x = np.load(io.BytesIO(content))
        return f"{x.dtype} {x.shape} {sha(x.tobytes())}"
    if kind == ".json":
        return json.loads(content)
    return of_text(content.decode()) if kind in (".csv", ".py") else sha(content)


def plain(values: Any) -> Any:
    """Return values as a page gets them, with each text as its lines."""
    if isinstance(values, dict):
        return {str(key): plain(value) for key, value in values.items()}
    if isinstance(values, list | tuple):
        if values and all(isinstance(value, int | float | None) for value in values):  # numbers on one line
            line = " ".join(map(repr, values))
            return line if len(line) <= 120 else f"{len(values)} numbers, {sha(line.encode())}"
        return [plain(value) for value in values]
    return of_text(values) if isinstance(values, str) else values


# --- The parts, without a server


class Page:
    """How golden.py uses the page's parts. Only this class has to change when the page is rebuilt."""

    def __init__(self) -> None:
        import ui
        from ui.machine.step_times import StepKind
        from ui.models import facts

        self.app = ui.build("mnist-tiny", device="cpu")
        refs = {*DIGITS, *COLOURS, "emoji-tiny"}
        for ref in refs:  # fixed times, so that a run's estimate is the same on every machine
            self.app.services.step_times.note(StepKind(ref, 1), 0.003)
        services = self.app.services
        paces = {ref: facts.pace(services, ref) for ref in refs}
        of_worker = {"seconds": [(1, 1, 0.003)], "flop": None, "download": 0}
        paces |= {f"plane-{kind}": of_worker for kind in ("exact", "trained", "training")}
        self.pace = {
            "paces": paces,
            "device": services.models.kind,
            "busy": False,
            "tflop": services.limits.run_tflop,
        }

    def says(self, part: str, values: Values) -> Values:
        """Return what the page says about settings. Raises ValueError for wrong settings."""
        said = plans.planned(self.app, part, values, pace=self.pace)
        summary = {"summary": said["summary"]} if said["summary"] else {}
        apart = ("refs", "steps", "asked", "shown", "summary")
        return {name: value for name, value in said.items() if name not in apart} | summary

    def names(self, part: str, values: Values) -> Values:
        """Return the names of its files after a run, and the texts in them; {} if only the run knows them."""
        if part == "plane":
            return self.clouds(values, [(0, np.zeros((1, 2), np.float32))])
        own = toylab.requested(self.app.parts[part], part, values)
        models = {ref: self.app.services.models.known(ref) for ref in own.refs}
        plan = own.plan([*models.values()])
        if part == "likelihood":
            return {}
        if part in ("watch", "compare", "grid"):
            count = len(own.request.seeds)
            ends = [(lane.asked.steps - 1, models[lane.asked.checkpoint]) for lane in plan.lanes]
            frames = [[(k, blank(count, model.picture_size, model.picture_channels))] for k, model in ends]
            kept, kinds = {"frames": frames, "x0": []}, ("csv", "png")
        else:
            rows = [(0, blank(own.images, plan.model.picture_size, plan.model.picture_channels))]
            kept, kinds = {"rows": rows, "frames": []}, ("png",)
        kept |= {"about": [{"revision": None, "engine": "any"}] * len(own.refs)}
        run: Any = SimpleNamespace(kept=lambda: kept, computation=own, values=values)
        files = toylab.saved(self.app.parts[part], part, run, *kinds)
        found = {name: of_file(name, content) for name, content in files.values()}
        return {name: one.get("about") if name.endswith("png") else one for name, one in found.items()}

    def clouds(self, values: Values, clouds: list[tuple[int, np.ndarray]]) -> Values:
        """Return the file of these clouds of the plane."""
        computation = SimpleNamespace(refs=())
        run: Any = SimpleNamespace(kept=lambda: {"clouds": clouds}, computation=computation, values=values)
        return {name: of_file(name, content) for name, content in toylab.saved(self.app, "plane", run, "csv").values()}

    def runs(self, part: str, values: Values) -> Values:
        """Return the first message of a run, which says what will come, and all files at its end."""
        if part == "plane":  # the browser computes this part
            run = plans.planned(self.app, part, values, computes=True)
            clouds = [(lane, np.frombuffer(base64.b64decode(x["base64"]), np.float32)) for lane, x in run["clouds"]]
            return {"plan": plain(run["results"][0]), "files": self.clouds(values, clouds)}
        run, seen = toylab.messages(self.app.parts[part], part, values)
        if seen[-1]["state"] != "finished":
            raise ValueError(seen[-1]["text"])
        files = dict(toylab.saved(self.app.parts[part], part, run, *FILES[part]).values())
        (plan,) = toylab.results(seen, "plan")
        plan = plans.planned(self.app.parts[part], part, values, result=plan)["shown"]
        return {"plan": plain(plan), "files": {name: of_file(name, content) for name, content in files.items()}}


def rooms() -> dict[str, Any]:
    """Return cases: what the page says about 300 settings and about wrong ones, and the files of some runs."""
    page = Page()

    def says(part: str, values: Values) -> Values:
        return {"said": plain(page.says(part, values)), "files": page.names(part, values)}

    found: dict[str, dict[str, Callable[[], Any]]] = {
        f"says_{part}": {text(values): functools.partial(says, part, values) for values in drawn(1, part, n)}
        for part, (n, _) in PARTS.items()
    }
    draw, wrong = random.Random(2), {}
    for part, values in (test_static.settings(draw) for _ in range(150)):
        wrong[f"{part} {text(values)}"] = functools.partial(page.says, part, values)
    found["says_of_any_values"] = {name: (lambda ask=ask: plain(ask())) for name, ask in wrong.items()}
    runs = {"watch": 10, "compare": 8, "grid": 3, "latents": 5, "repair": 5, "plane": 4, "between": 1}
    found["files"] = {
        f"{part} {text(values)}": functools.partial(page.runs, part, values)
        for part, n in runs.items()
        for values in drawn(3, part, n, cheap=True)
    }
    alone = {"checkpoint": "mnist-tiny", "count": 1}
    found["files"][f"likelihood {text(alone)}"] = functools.partial(page.runs, "likelihood", alone)
    return found
