"""The app under many clients: crowds, unequal visitors, clients that vanish, hours of mixed runs."""

from __future__ import annotations

import contextlib
import random
import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from soak.served import Failed, ServedApp
from ui.machine.turns import SLICE

VARY = 0.05  # that memory and open files may differ by at the end

Result = dict[str, Any]


def together(works: Iterable[Callable[[], object]]) -> list[float]:
    """Do all at once; the seconds until each was done. An error in one is raised."""
    works = list(works)
    barrier = threading.Barrier(len(works))

    def timed(work: Callable[[], object]) -> float:
        barrier.wait()
        started = time.perf_counter()
        work()
        return time.perf_counter() - started

    with ThreadPoolExecutor(len(works)) as pool:
        return list(pool.map(timed, works))


def one_by_one(works: Iterable[Callable[[], object]]) -> list[float]:
    """Do one after another; the seconds of each."""
    return [seconds for work in works for seconds in together([work])]


def crowd(app: ServedApp, clients: int, rounds: int, steps: int) -> Result:
    """So many clients at once: everyone gets the picture that its seed gives alone, within the sum of their times."""
    import ddpm_core

    model = ddpm_core.load(app.checkpoint)
    expected = [ddpm_core.sample(model, [seed], steps, variance="beta_tilde").squeeze() for seed in range(clients)]
    app.warm_up()
    alone, lasts, wrong = [], [], 0
    for _ in range(rounds):
        pictures: dict[int, np.ndarray] = {}

        def run(seed: int, pictures: dict[int, np.ndarray] = pictures) -> None:
            (pictures[seed],) = app.sample(steps=steps, count=1, seed=seed)

        runs = [lambda seed=seed, run=run: run(seed) for seed in range(clients)]
        alone.append(sum(one_by_one(runs)))
        lasts.append(max(together(runs)))
        wrong += sum(not np.array_equal(pictures[seed], expected[seed]) for seed in range(clients))
    shares = [last / whole for last, whole in zip(lasts, alone, strict=True)]
    return {
        "clients": clients,
        "rounds": rounds,
        "steps": steps,
        "wrong_pictures": wrong,
        "sum_of_each_alone_seconds": alone,
        "last_seconds": lasts,
        "last_of_sum": shares,
        "errors": app.errors(),
        "passed": not wrong and not app.errors() and max(shares) <= 1,
    }


def shares(app: ServedApp, visitors: int, steps: int, long_steps: int, long_images: int) -> Result:
    """Visitors with short runs, among themselves and beside one with a run of minutes."""

    def short(seed: int) -> Callable[[], object]:
        return lambda: app.sample(steps=steps, count=1, seed=seed)

    app.warm_up()
    app.warm_up(long_images)
    among = max(together(map(short, range(visitors))))
    ended = threading.Event()

    def long() -> None:
        with contextlib.closing(app.events("trajectory", steps=long_steps, count=long_images)) as events:
            for number, _ in enumerate(events):
                if not number:
                    begun.set()
                if ended.is_set():
                    return

    begun = threading.Event()
    thread = threading.Thread(target=long)
    thread.start()
    begun.wait()
    beside = together(map(short, range(visitors)))
    ended.set()
    thread.join()
    return {
        "visitors": visitors,
        "steps": steps,
        "beside": f"{long_steps} steps × {long_images} images",
        "among_themselves_seconds": among,
        "beside_seconds": max(beside),
        "ratio": max(beside) / among,
        "passed": max(beside) <= 3 * among + SLICE,  # the long run's turn goes on at first
    }


def vanish(app: ServedApp, clients: int, seconds: float) -> Result:
    """Clients that start a run of minutes and are gone after a random while; half never listen."""
    rng = random.Random(0)
    plans = [(rng.uniform(0, seconds), rng.uniform(0, 3), number % 2 == 0) for number in range(clients)]
    refused = [0]

    def client(start: float, stay: float, listens: bool, seed: int) -> None:
        time.sleep(start)
        name = ("sample", "trajectory")[seed % 2]
        if not listens:
            with contextlib.suppress(Failed):  # some are taken only
                app.order(name, steps=1000, count=4, seed=seed)
            return
        end = time.monotonic() + stay
        try:
            with contextlib.closing(app.events(name, steps=1000, count=4, seed=seed)) as events:
                for _ in events:
                    if time.monotonic() > end:
                        return
        except Failed:
            refused[0] += 1

    def wave(count: int) -> None:
        together([lambda plan=plan, i=i: client(*plan, i) for i, plan in enumerate(plans[:count])])
        quiet(app)

    app.warm_up(4)
    started = app.memory()
    wave(clients // 2)  # fills what has a bound: threads, connections, buffers, the state of 64 pages
    before = (app.memory(), app.open_files())
    wave(clients)
    first = app.seconds_to_first_step()
    quiet(app)
    after = (app.memory(), app.open_files())
    grown = [now / then - 1 for now, then in zip(after, before, strict=True)]
    return {
        "clients": clients,
        "refused": refused[0],
        "memory_mb_with_the_model": started / 1e6,
        "clients_before_it_is_measured": clients // 2,
        "memory_mb": [before[0] / 1e6, after[0] / 1e6],
        "open_files": [before[1], after[1]],
        "next_run_first_step_seconds": first,
        "errors": app.errors(),
        "passed": first <= 1 and not app.errors() and all(change <= VARY for change in grown),
    }


def quiet(app: ServedApp, patience: float = 60) -> None:
    """Wait until the app has no run any more: it does not compute for three seconds."""
    end = time.monotonic() + patience
    while time.monotonic() < end:
        before = _cpu(app)
        time.sleep(3)
        if _cpu(app) - before < 0.5:
            return


def _cpu(app: ServedApp) -> float:
    """Seconds that the process has computed."""
    import os

    fields = Path(f"/proc/{app.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def hours(app: ServedApp, seconds: float, workers: int) -> Result:
    """Mixed runs without a break: their number, and how memory, files and temporary files go on."""
    app.warm_up(4)
    end = time.monotonic() + seconds
    counts = {"finished": 0, "left": 0, "refused": 0}
    lock = threading.Lock()

    def worker(number: int) -> None:
        rng = random.Random(number)
        while time.monotonic() < end:
            how = _visit(app, rng)
            with lock:
                counts[how] += 1

    threads = [threading.Thread(target=worker, args=(number,)) for number in range(workers)]
    for thread in threads:
        thread.start()
    states = []
    while time.monotonic() < end:
        time.sleep(min(10.0, seconds / 12))
        states.append((app.memory(), app.open_files(), app.threads(), app.temporary_bytes()))
    for thread in threads:
        thread.join()
    half = states[len(states) // 2 :]
    slope = float(np.polyfit(np.linspace(0, 1, len(half)), [state[0] for state in half], 1)[0] / half[0][0])
    return {
        "minutes": seconds / 60,
        **counts,
        "memory_mb": [states[0][0] / 1e6, half[0][0] / 1e6, states[-1][0] / 1e6],
        "memory_growth_in_second_half": slope,
        "open_files": [states[0][1], half[0][1], states[-1][1]],
        "threads": [states[0][2], half[0][2], states[-1][2]],
        "temporary_mb": [states[0][3] / 1e6, half[0][3] / 1e6, states[-1][3] / 1e6],
        "errors": app.errors(),
        "passed": slope <= VARY and not app.errors(),
    }


def _visit(app: ServedApp, rng: random.Random) -> str:
    """One client's run: any endpoint and sampler, one to eight images; one of five leaves early, or never listens."""
    values = {
        "steps": rng.choice((1, 5, 10, 20, 50)),
        "count": rng.choice((1, 1, 1, 4, 8)),
        "seed": rng.randrange(2**32 - 16),
        "sampler": rng.choice(("ddpm", "ddim")),
        "variance": rng.choice(("beta", "beta_tilde")),
        "eta": rng.random(),
    }
    name, fate = rng.choice(("sample", "trajectory")), rng.random()
    if fate < 0.1:
        with contextlib.suppress(Failed):
            app.order(name, **values)
        return "left"
    try:
        with contextlib.closing(app.events(name, **values)) as events:
            for _ in events:
                if fate < 0.2:
                    return "left"
    except Failed:
        return "refused"
    return "finished"
