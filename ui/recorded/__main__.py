"""Record the runs that the page shows before a visitor starts one: `python -m ui.recorded`.

The example.json of each part contains the values of its form. This program runs the part's computation with these
values and the embedded models, and adds the results in the form in which the page receives them, with pictures as WebP.
`python -m ui.recorded train` trains digits with `python -m train fit`, which takes some minutes.
"""

from __future__ import annotations

import base64
import io
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from ddpm_core.imaging import image_files
from ui.models.facts import facts
from ui.parts.following import RunFolder
from ui.pictures.encoded import Encoded, encode_sprite
from ui.recorded import page
from ui.runs.jobs import Job
from ui.runs.log import Values
from ui.serving.server import App, build
from ui.web import FILES

FOLDER = FILES / "parts"
# WebP quality of the recordings of these parts, whose pictures are smooth or many; other parts are lossless
QUALITY = {"between": 80, "network": 80}
# Flags of the recorded training. Loss and times t are as in the page; batch size and learning rate are as in longer
# trainings of the preset.
TRAINING = (
    *("--config", "mnist-tiny", "--data", "digits", "--prediction", "v", "--loss", "simple", "--times", "lognormal"),
    *("--log-sigma-mean", "0.4", "--log-sigma-std", "1.1", "--steps", "1000", "--batch", "64", "--warmup", "50"),
    *("--log-every", "2", "--sample-count", "20", "--sample-steps", "10", "--sample-seconds", "4"),
)
TRAIN_GRIDS = 12  # number of sample grids in the recording of the training; the early grids are closer together
TRAIN_POINTS = 120  # number of points in the curve of the recorded training
TRAIN_QUALITY = 75  # WebP quality of the training's pictures, because lossless files of noise would be large
WORDED = ("plan", "bits")  # kinds of results for which ui/web/plans/plan.js writes the texts
GREYS = 16  # number of grey levels of Watch's noisy pictures: few levels halve the bytes, and noise hides the loss


def record(parts: list[str]) -> None:
    """Write example.json in the folder of each part. The files are reproducible on one machine with the
    same weights.
    """
    app = build("mnist-tiny")
    app.warmup.start()
    app.warmup.ready.wait()
    for part in parts:
        if part == "train":
            with tempfile.TemporaryDirectory() as folder:
                subprocess.run([sys.executable, "-m", "train", "fit", *TRAINING, "--out", folder], check=True)
                _write(part, record_training(RunFolder(Path(folder))))
            continue
        values = example(part)["values"]
        results = _compute(app, part, values)
        if part == "grid":
            results = _keep_last_frames(results)
        if part == "watch":
            results = _thin_frames(results)
        if part == "repair":  # the recording has x_t of each step: noise, which can't be compressed
            results = [one for one in results if one["kind"] != "step" or one["k"] % 7 == 0]
        _write(part, {"values": values, "results": _make_light(results, QUALITY.get(part))})


def example(part: str) -> Values:
    """Return the recording of a part: {values, results}, or {values} if nothing is recorded yet."""
    return json.loads(_file(part).read_text(encoding="utf-8"))


def examples() -> list[str]:
    """Return the parts that have a recording."""
    return sorted(folder.name for folder in FOLDER.iterdir() if _file(folder.name).is_file())


def _file(part: str) -> Path:
    """Return the path of a part's recording."""
    return FOLDER / part / "example.json"


def _compute(app: App, part: str, values: Values) -> list[Values]:
    """Compute a run of a part and return its results in the form that the page shows."""

    def plan_run(**more: object) -> Values:
        """Return the page's plan for these values. more: as in `page.plan_run`."""
        return page.plan_run(part, values, lambda ref: facts(app.services.models.get(ref)), **more)

    if part not in app.parts:  # the browser computes this part, without the server
        return plan_run(computes=True)["results"]
    computation, results = app.parts[part].request(plan_run()["asked"]), []
    for update in Job(computation, app.services).updates():
        results += update.results
        if update.state == "error":
            raise SystemExit(f"{part}: {update.text}")
    return [plan_run(result=one)["shown"] if one["kind"] in WORDED else one for one in results]


def _write(part: str, content: Values) -> None:
    """Write the recording of a part and print its size."""
    text = lines(content)
    _file(part).write_text(text, encoding="utf-8")
    print(f"{part}: {len(text) / 1e3:.0f} kB")


def lines(content: Values) -> str:
    """Return JSON with one line per result, so that ui/web/index.html can draw the first results before the others are
    downloaded.
    """

    def compact(value: object) -> str:
        """Return a value as JSON without spaces."""
        return json.dumps(value, separators=(",", ":"), ensure_ascii=False)

    results = ",\n".join(compact(one) for one in content["results"])
    head = "".join(f"{compact(name)}:{compact(value)}," for name, value in content.items() if name != "results")
    return f'{{{head}"results":[\n{results}\n]}}'


def record_training(run: RunFolder) -> Values:
    """Return a training's recording for the page. Its times are left out because they depend on the
    recording machine.
    """
    run.read()
    news = run.news(None, 0, 0)
    grids = list(news["grids"])
    while len(grids) < len(run.grids):
        grids += run.news(run.version, 0, len(grids))["grids"]
    kept = sorted({round((len(grids) - 1) * (i / (TRAIN_GRIDS - 1)) ** 2) for i in range(TRAIN_GRIDS)})
    end = grids[-1]["step"]
    points = [(step, loss, None, 0) for step, loss, *_ in run.points if step <= end]
    answer = news | {
        "title": run.title(),
        "total": end,
        "points": points[:: -(-len(points) // TRAIN_POINTS)],
        "grids": [grids[i] | {"seconds": 0} for i in kept],
    }
    return {"images": end * run.batch, "results": [_make_light(answer, TRAIN_QUALITY)]}


def _keep_last_frames(results: list[Values]) -> list[Values]:
    """Keep only the last frame of each lane, and replace its x0 by its x."""
    plan, *frames = results
    last = {frame["lane"]: frame | {"x0": frame["x"]} for frame in frames}
    return [plan, *last.values()]


def _thin_frames(results: list[Values]) -> list[Values]:
    """Keep every second frame, including the last, and reduce the noisy frames to GREYS levels, to make the first page
    small.
    """
    plan, *frames = results
    *noisy, last = frames[::-2][::-1]
    return [plan, *(frame | {"x": _reduce_greys(frame["x"])} for frame in noisy), last]


def _reduce_greys(images: np.ndarray) -> np.ndarray:
    """Return pictures rounded to GREYS grey levels."""
    step = 255 / (GREYS - 1)
    return ((images / step).round() * step).round().astype(np.uint8)


def _make_light(content: object, quality: int | None = None) -> object:
    """Return results with smaller pictures and shorter numbers. quality: the WebP quality; None for lossless
    pictures.
    """
    if isinstance(content, dict):
        return {name: _make_light(value, quality) for name, value in content.items()}
    if isinstance(content, (list, tuple)):
        return [_make_light(value, quality) for value in content]
    if isinstance(content, float):
        return float(f"{content:.5g}")
    if isinstance(content, np.ndarray) and content.dtype == np.uint8:
        content = encode_sprite(content, "png")
    if isinstance(content, np.ndarray):
        return _write_bytes(content.dtype.name, content.astype(content.dtype.newbyteorder("<")).tobytes())
    if isinstance(content, Encoded):
        return _write_bytes("image/webp", _webp(content.content, quality))
    return content


def _write_bytes(type: str, content: bytes) -> Values:
    """Return bytes in JSON, in the form that ui/web/messages/packing.js reads."""
    return {"type": type, "base64": base64.b64encode(content).decode()}


def _webp(picture: bytes, quality: int | None) -> bytes:
    """Return a picture file as WebP. quality: None for lossless."""
    file = io.BytesIO()
    image_files.open_picture(io.BytesIO(picture)).save(
        file, "WEBP", lossless=quality is None, quality=quality or 100, method=6
    )
    return file.getvalue()


if __name__ == "__main__":
    record(sys.argv[1:] or examples())
