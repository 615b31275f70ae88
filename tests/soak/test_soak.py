"""The app under load, killed, and fed with hostile input: `pytest -n 0 tests/soak --soak whole`, which takes hours.

Everything talks to 127.0.0.1 only, and writes to temporary folders only. Each part prints a line of JSON with what was
measured. `--soak quick` takes seconds to a minute a part, and proves that it works, no more. -k chooses parts. Linux
only, as memory and open files are read from /proc.
"""

import json
import time

import pytest
import torch

from benchmarks._measure import describe
from soak import attacks, fuzz, hostile, kill, load, strangers
from soak.hostile import questions
from soak.served import ServedApp

# Of each part the sizes: (with --soak whole, with --soak quick).
LOADS = {
    load.crowd: {"clients": (50, 4), "rounds": (3, 1), "steps": (20, 5)},
    load.shares: {"visitors": (10, 3), "steps": (10, 5), "long_steps": (1000, 200), "long_images": (16, 4)},
    load.vanish: {"clients": (200, 8), "seconds": (20.0, 1.0)},
    load.hours: {"seconds": (600.0, 6.0), "workers": (6, 2)},
}
KILLS = {
    kill.conversion: {"kills": (5, 1)},
    kill.download: {"kills": (5, 1)},
}
PAGES = {
    strangers.unheard: {"seconds": (30.0, 3.0), "rate": (32.0, 16.0)},
    strangers.half_heads: {"connections": (1100, 30), "streams": (500, 10)},
    strangers.remembered: {"runs": (10_000, 50)},
    strangers.foreign: {},
    attacks.handshakes: {"count": (4500, 50)},
    attacks.worthless: {"count": (200, 70)},
    attacks.unread: {"sockets": (16, 16), "steps": (100, 20)},
    attacks.bodies: {"connections": (100, 8)},
    attacks.terminated: {"runs": (20, 3)},
    questions.starve: {"connections": ((16, 120), (4,)), "seconds": (10.0, 1.0)},
    questions.large_json: {"megabytes": ((15.9, 0.5), (0.5,)), "seconds": (10.0, 1.0)},
}
STRANGERS = {
    fuzz.storm: {"calls": (5000, 200)},
    hostile.every_file: {"flips": (500, 5)},
}


@pytest.fixture
def options(request):
    """What the command line says: which size, and others."""
    return {name: request.config.getoption(f"--{name}") for name in ("soak", "checkpoint", "minutes", "kills")}


@pytest.mark.parametrize("part", [*LOADS, *KILLS, *PAGES, *STRANGERS], ids=lambda part: part.__name__)
def test_it_stands(part, options, tmp_path, capsys):
    sizes = {
        name: pair[options["soak"] == "quick"] for name, pair in {**LOADS, **KILLS, **PAGES, **STRANGERS}[part].items()
    }
    if part is load.hours and options["minutes"]:
        sizes["seconds"] = 60 * options["minutes"]
    if "kills" in sizes and options["kills"]:
        sizes["kills"] = options["kills"]
    if part in LOADS:
        with ServedApp(tmp_path, options["checkpoint"]) as app:
            result = part(app, **sizes)
    elif part in {**KILLS, **PAGES}:
        result = part(tmp_path, options["checkpoint"], **sizes)
    else:
        result = part(tmp_path, **sizes)
    with capsys.disabled():
        print(json.dumps({"part": part.__name__, **result, "machine": describe(torch.device("cpu"))}))
    assert result["passed"]


def test_clients_are_timed_each_on_its_own_and_an_error_is_raised():
    quick, slow = load.together([lambda: None, lambda: time.sleep(0.3)])
    assert quick < 0.3 <= slow
    with pytest.raises(ZeroDivisionError):
        load.together([lambda: 1 / 0, lambda: None])
