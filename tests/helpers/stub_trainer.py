"""Stands in for `python -m train.fit.flags.attended` in tests of Train: it says what a run says, and learns nothing.

It takes the same flags and ends as that does: when its standard input ends it saves, and returns 130.
"""

import json
import os
import shutil
import sys
import threading
import time
from pathlib import Path

from PIL import Image

DELAY = 0.05  # seconds a step


def main() -> int:
    words = sys.argv[1:]
    out = Path(words[words.index("--out") + 1])
    model = Path(os.environ["STUB_MODEL"])
    steps = int(os.environ.get("STUB_STEPS", "1000"))
    ended = threading.Event()
    threading.Thread(target=lambda: (os.read(0, 1), ended.set()), daemon=True).start()
    if fails := os.environ.get("STUB_FAILS"):
        print(f"Traceback\nerror: {fails}", file=sys.stderr)
        return 2
    saved = sorted((out / "checkpoints").glob("step-*.pt"))
    start = int(saved[-1].stem[5:]) if "--resume" in words else 0
    assert ("--resume" in words) == bool(saved)
    (out / "samples").mkdir(exist_ok=True)

    def say(**what: object) -> None:
        with open(out / "progress.jsonl", "a") as file:
            file.write(json.dumps(what | {"seconds": 0.5}) + "\n")

    def save(step: int) -> None:
        (out / "checkpoints").mkdir(exist_ok=True)
        (out / "checkpoints" / f"step-{step:09d}.pt").write_bytes(b"state")

    config = {"steps": steps, "batch": 64, "prediction": "v", "loss": "simple", "times": "lognormal"}
    say(start=start, config=config, classes=["0", "1"])
    save(start)
    for step in range(start, steps + 1):
        if ended.is_set():
            save(step)
            return 130
        say(step=step, loss=1 / (step + 1), lr=0.1, images_per_s=100.0)
        if step % 2 == 0:
            for kind in ("ema", "raw"):
                Image.new("L", (120, 60), step % 256).save(out / "samples" / f"step-{step:09d}-{kind}.png")
                say(step=step, samples=kind, error=90 / (step + 1))
            if not (out / "model").exists():
                shutil.copytree(model, out / "model")
        time.sleep(DELAY)
    save(steps)
    return 0


if __name__ == "__main__":
    sys.exit(main())
