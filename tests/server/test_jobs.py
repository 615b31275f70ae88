"""Runs of the page: every kept frame arrives, Stop and closing the page end them, one computes at a time."""

import asyncio
import gc
import threading
import time
import weakref
from dataclasses import replace
from types import SimpleNamespace

import anyio.to_thread
import numpy as np
import plans
import pytest
import toylab
from browser import run_async
from hypothesis import given
from hypothesis import strategies as st
from toylab import Models, wait_for

import ddpm_core
from ddpm_core.imaging import to_uint8
from ui.machine import turns
from ui.machine.step_times import StepKind, StepTimes, Stopwatch
from ui.machine.turns import ACTIVE, QUEUE, Outlook, Turns
from ui.models.loaded import Loading
from ui.parts.sampling import Frame, SamplingPart
from ui.pictures.encoded import FRAME_BYTES, encode_frames, kept_steps
from ui.runs import jobs
from ui.runs.asked import Checkpoint
from ui.runs.listeners import in_thread
from ui.runs.log import Message
from ui.runs.plans import Computation, Plan

SETTINGS = toylab.script(steps=10, count=2)
SEEDS = [SETTINGS.seed, SETTINGS.seed + 1]
LINE, PACE = Turns(), StepTimes()


def Job(lanes, models, visitor=None):
    """A job of these lanes; all of this module share their turns."""
    services = toylab.toy_services(models, LINE, PACE)
    return jobs.Job(toylab.sampling(services, *lanes), services, visitor)


class Gate:
    """A network whose every step waits to be let through."""

    def __init__(self):
        self.entered, self.go = threading.Semaphore(0), threading.Semaphore(0)

    def __call__(self, x, t, labels):
        self.entered.release()
        assert self.go.acquire(timeout=60)
        return 0.3 * x


def collect(job):
    updates = list(job.updates())
    return updates, [result for update in updates for result in update.results if isinstance(result, Frame)]


def until(updates, *states):
    for update in updates:
        if update.state in states:
            return update
    raise AssertionError(f"no update said {states}")


def in_background(job):
    """The job's updates taken by another thread: (the list they go to, that thread)."""
    seen = []
    thread = threading.Thread(target=lambda: seen.extend(job.updates()))
    thread.start()
    return seen, thread


@pytest.fixture(autouse=True)
def nothing_is_left_running():
    yield
    wait_for(lambda: len(LINE) == 0)


def test_the_words_come_once_before_the_first_frame_and_the_page_knows_what_is_going_to_happen():
    for options in ({}, {"variance": "beta"}, {"sampler": "ddim", "eta": 0.5}, {"spacing": "quadratic"}, {"steps": 1}):
        asked = {"checkpoint": "toy", "steps": 10, "count": 1, **options}
        models = Models()
        updates, frames = collect(Job([toylab.script(**asked)], models))
        read, *others = [result for update in updates for result in update.results]
        assert read["kind"] == "plan" and others == frames
        (steps,) = (lane["steps"] for lane in plans.answer("watch", asked, {"toy": models.model})["shown"]["lanes"])
        for frame, (t, s, alpha_bar, sigma) in zip(frames, steps, strict=True):
            assert s < t
            assert alpha_bar == models.model.schedule.alpha_bar[t]
            assert sigma == pytest.approx(frame.sigma, abs=1e-12)
        assert steps[-1][1] == steps[-1][3] == 0


@given(st.integers(1, 1000), st.sampled_from([8, 28, 32, 64, 128, 256, 512]), st.integers(1, 16))
def test_kept_frames_hold_both_ends_lie_evenly_and_fit(steps, size, count):
    kept = sorted(kept_steps(steps, size, count))
    assert kept[0] == 0
    assert kept[-1] == steps - 1
    gaps = np.diff(kept)
    assert len(gaps) == 0 or gaps.max() - gaps.min() <= 1
    if size <= 32:
        assert steps > 100 or len(kept) == steps


@pytest.mark.parametrize(
    ("size", "count", "channels"), [(32, 16, 3), (64, 4, 3), (256, 1, 3), (64, 8, 2), (32, 16, 4), (256, 1, 4)]
)
def test_a_whole_run_of_noise_weighs_at_most_what_is_allowed(size, count, channels):
    rng = np.random.default_rng(0)
    noise = (rng.standard_normal((count, size, size, channels)).clip(-1, 1) * 127.5 + 127.5).astype(np.uint8)
    whole = len(kept_steps(1000, size, count, channels)) * 2 * encode_frames(noise).nbytes
    assert FRAME_BYTES / 2 < whole <= FRAME_BYTES


def test_stop_ends_the_run_after_the_step_under_way():
    gate = Gate()
    job = Job([SETTINGS], Models(gate))
    seen, thread = in_background(job)
    for _ in range(3):
        gate.entered.acquire()
        gate.go.release()
    gate.entered.acquire()
    job.stop()
    wait_for(lambda: seen and seen[-1].state == "stopping")
    assert len(LINE) == 1  # the fourth step still computes
    gate.go.release()
    thread.join(60)
    assert seen[-1].state == "stopped"
    assert sum(len(update.results) for update in seen) == 1 + 4  # the plan, and four frames


def test_closing_the_updates_stops_the_run_and_frees_the_lock():
    gate = Gate()
    updates = Job([SETTINGS], Models(gate)).updates()
    until(updates, "running")
    gate.entered.acquire()
    updates.close()
    assert len(LINE) == 1
    gate.go.release()
    wait_for(lambda: len(LINE) == 0)
    assert not gate.entered.acquire(blocking=False)


def places(message):
    """How many runs begin before one that waits in the line."""
    return message.status["before"] if message.status and message.status["kind"] == "line" else None


def test_runs_take_turns_and_say_what_they_wait_for():
    gate = Gate()
    first = Job([SETTINGS], Models(gate))
    _, first_thread = in_background(first)
    gate.entered.acquire()
    second = Job([SETTINGS], Models())
    third = Job([SETTINGS], Models())
    seen, second_thread = in_background(second)
    wait_for(lambda: seen and places(seen[-1]) == 0)
    others, third_thread = in_background(third)
    wait_for(lambda: others and places(others[-1]) == 1)
    first.stop()
    wait_for(lambda: seen[-1].status == {"kind": "previous"})
    third.stop()  # in the queue: at once
    third_thread.join(60)
    assert others[-1].state == "stopped"
    gate.go.release()
    for thread in (first_thread, second_thread):
        thread.join(60)
    assert seen[-1].state == "finished"


def test_while_a_model_loads_nobody_is_told_when_it_begins():
    seconds = Outlook(False, 1, 1, 1.0, None, SimpleNamespace(loads=False, stopping=False))
    said = [jobs.waiting(outlook).status for outlook in (seconds, replace(seconds, holder=Loading("x")))]
    assert said == [{"kind": "line", "before": 1, "loads": loads, "seconds": 1.0} for loads in (False, True)]


def test_a_run_loads_its_model_in_its_turn(monkeypatch):
    """Seven that wait must not fill the memory with seven models."""
    monkeypatch.setattr(turns, "SLICE", 60.0)  # each run is one turn, on a busy machine too
    gate, loads = Gate(), []

    class Counting(Models):
        def get(self, ref):
            loads.append(len(LINE))
            return super().get(ref)

    first = Job([SETTINGS], Models(gate))
    _, first_thread = in_background(first)
    gate.entered.acquire()
    others = [in_background(Job([SETTINGS], Counting())) for _ in range(6)]
    wait_for(lambda: len(LINE) == 7)
    assert not loads
    first.stop()
    gate.go.release()
    for thread in (first_thread, *(thread for _, thread in others)):
        thread.join(60)
    assert loads == [6, 5, 4, 3, 2, 1]
    assert all(seen[-1].state == "finished" for seen, _ in others)


def test_who_waits_for_a_model_that_loads_is_told_so():
    with LINE.turn(Loading("cifar10-tiny")):
        seen, thread = in_background(Job([SETTINGS], Models()))
        wait_for(lambda: seen and seen[-1].status == {"kind": "load", "ref": "cifar10-tiny"})
    thread.join(60)
    assert seen[-1].state == "finished"


def test_what_the_model_cannot_do_is_said_before_others_are_waited_for():
    gate = Gate()
    first = Job([SETTINGS], Models(gate))
    _, thread = in_background(first)
    gate.entered.acquire()
    (*_, last) = Job([replace(SETTINGS, steps=101)], Models()).updates()
    assert (last.state, last.text[:40]) == ("error", "Steps must be a whole number from 1 to 1")
    first.stop()
    gate.go.release()
    thread.join(60)


def test_stopping_all_ends_who_computes_who_waits_and_who_comes_meanwhile():
    gate = Gate()
    seen, thread = in_background(Job([SETTINGS], Models(gate)))
    gate.entered.acquire()
    waiting, waiting_thread = in_background(Job([SETTINGS], Models()))
    wait_for(lambda: len(LINE) == 2)
    assert not LINE.stop_all(0.2)  # the step still computes
    waiting_thread.join(60)
    assert waiting[-1].state == "stopped"
    gate.go.release()
    assert LINE.stop_all(60)
    thread.join(60)
    assert seen[-1].state == "stopped"


def test_a_download_says_its_speed_and_the_time_left(monkeypatch):
    now, seen = [0.0], threading.Event()
    monkeypatch.setattr(LINE, "clock", lambda: now[0])

    def load(progress):
        for done in range(7):
            progress(done * 10_000_000, 100_000_000)
            now[0] += 0.5
        assert seen.wait(60)

    updates = Job([SETTINGS], Models(load=load)).updates()
    late = next(update for update in updates if update.progress == 0.6)
    seen.set()
    told = {"kind": "download", "ref": SETTINGS.checkpoint, "done": 60_000_000, "total": 100_000_000}
    assert late.status == told | {"speed": pytest.approx(2e7)} and late.left == pytest.approx(2)
    assert [*updates][-1].state == "finished"


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (ddpm_core.CheckpointError("there is no folder 'x'"), "There is no folder 'x'"),
        (ddpm_core.CheckpointError("owner/name is gated"), "owner/name is gated"),
        (MemoryError(), "There is not enough memory for 2 images: try fewer"),
        (
            RuntimeError("what?"),
            "The run failed unexpectedly (RuntimeError); the details are in the terminal of the app",
        ),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_goes_wrong_is_said_in_one_sentence(error, sentence):
    def load(progress):
        raise error

    updates, _ = collect(Job([SETTINGS], Models(load=load)))
    assert (updates[-1].state, updates[-1].text) == ("error", sentence)


def test_the_sampler_does_not_wait_for_who_looks():
    def network(x, t, labels):
        times.append(time.monotonic())
        return 0.3 * x

    times = []
    updates = Job([SETTINGS], Models(network)).updates()
    first = next(updates)
    wait_for(lambda: len(times) == 10)  # though nobody asks for the next update
    assert sum(len(update.results) for update in (first, *updates)) == 1 + 10


def test_updates_come_at_most_ten_times_a_second():
    def network(x, t, labels):
        time.sleep(0.005)
        return 0.3 * x

    settings = toylab.script(steps=100, count=1)
    started = time.monotonic()
    updates, frames = collect(Job([settings], Models(network)))
    assert len(frames) == 100
    assert len(updates) <= 10 * (time.monotonic() - started) + 4


def test_pace_scales_with_the_batch_until_it_is_measured_and_forgets_guesses():
    pace = StepTimes()
    assert pace.seconds(StepKind("a", 1)) is None
    pace.note(StepKind("a", 1), 3.0, guess=True)
    assert pace.seconds(StepKind("a", 4)) == 12
    pace.note(StepKind("a", 4), 2.0)
    assert pace.seconds(StepKind("a", 4)) == 2
    assert pace.seconds(StepKind("a", 2)) == 1
    assert pace.seconds(StepKind("b", 1)) is None


# --- Who listens


def test_waiting_runs_leave_the_threads_to_everything_else():
    async def wait():
        waiting = [asyncio.create_task(anext(in_thread(held()))) for _ in range(runs)]
        while len(entered) < runs:
            await asyncio.sleep(0.01)
        await asyncio.wait_for(anyio.to_thread.run_sync(go.set), 30)  # else they wait for 60
        assert await asyncio.gather(*waiting) == [1] * runs

    def held():
        entered.append(True)
        assert go.wait(60)
        yield 1

    entered, go, runs = [], threading.Event(), ACTIVE + QUEUE
    run_async(wait())


def test_images_that_make_no_picture_are_refused_before_the_run():
    calls = []
    updates, frames = collect(Job([SETTINGS], Models(lambda x, t, labels: calls.append(t) or x, channels=5)))
    assert (updates[-1].state, frames, calls) == ("error", [], [])
    assert updates[-1].text == "An image of 5 channels can't be saved as a picture: it needs 1 to 4"


def test_messages_follow_the_protocol():
    place = SamplingPart(toylab.toy_services())
    _, messages = toylab.messages(place, "watch", {"checkpoint": "toy", "steps": 10, "count": 2})
    assert len({message["run"] for message in messages}) == 1
    assert [message["seq"] for message in messages] == list(range(1, len(messages) + 1))
    read, *frames = toylab.results(messages)
    assert read == {"kind": "plan", "words": [], "unknown": []}
    assert [(frame["kind"], frame["k"]) for frame in frames] == [("frame", k) for k in range(10)]
    assert messages[-1]["state"] == "finished"


# --- Two lanes


def test_two_lanes_are_each_the_run_alone_and_their_frames_say_whose_they_are():
    lanes = [replace(SETTINGS, variance="beta"), replace(SETTINGS, steps=4, sampler="ddim", eta=0.5)]
    models = Models()
    job = Job(lanes, models)
    updates, frames = collect(job)
    assert updates[-1].state == "finished"
    for number, lane in enumerate(lanes):
        mine = [frame for frame in frames if frame.lane == number]
        model = models.model
        alone = list(ddpm_core.trajectory(model, SEEDS, **lane.lane(model).arguments()))
        assert [frame.k for frame in mine] == list(range(lane.steps))
        for frame, step in zip(mine, alone, strict=True):
            np.testing.assert_array_equal(frame.x, to_uint8(step.x))
            assert frame.sigma == pytest.approx(step.sigma)
        np.testing.assert_array_equal(job.recording.x_0[number], alone[-1].x.numpy())
    assert max(update.progress or 0 for update in updates) <= 1


class Two(Models):
    """Two models, by their names."""

    def __init__(self, **models):
        super().__init__()
        self.models, self.got = models, []

    def loaded(self, ref):
        return self.models[ref] if ref in self.got else None

    def known(self, ref):
        return self.models[ref]

    def get(self, ref):
        self.got.append(ref)
        return self.models[ref]


def test_two_lanes_of_two_models_are_each_the_run_alone():
    """Teacher and student: other steps, other samplers, other networks, and other numbers for the same class."""
    teacher, student = Models(lambda x, t, labels: 0.3 * x + 0.1 * labels.reshape(-1, 1, 1, 1)).model, Models().model
    for model, classes in ((teacher, ("cat", "dog")), (student, ("dog", "cat"))):
        model.num_classes, model.null_label, model.class_names = 2, 2, classes
    first = replace(SETTINGS, checkpoint="teacher", sampler="ddim", label="dog")
    lanes = [first, replace(first, checkpoint="student", steps=2, sampler="unipc")]
    models = Two(teacher=teacher, student=student)
    job = Job(lanes, models)
    updates, frames = collect(job)
    assert updates[-1].state == "finished" and models.got == ["teacher", "student"] and job.loaded
    assert [frame.lane for frame in frames].count(1) == 2
    for number, (lane, model) in enumerate(zip(lanes, (teacher, student), strict=True)):
        *_, last = ddpm_core.trajectory(model, SEEDS, **lane.lane(model).arguments())
        np.testing.assert_array_equal(job.recording.x_0[number], last.x.numpy())
    assert PACE.seconds(StepKind("teacher", 2)) and PACE.seconds(StepKind("student", 2))
    assert job.plan.left(PACE, job.done) == 0


def test_two_models_with_other_images_are_refused_in_one_sentence_before_any_is_loaded():
    models = Two(toy=Models().model, other=Models(size=16).model)
    (*_, last) = Job([SETTINGS, replace(SETTINGS, checkpoint="other")], models).updates()
    assert last.state == "error" and models.got == []
    assert last.text.startswith("Two models side by side must make images of the same size and number of channels")


def test_a_stopwatch_leaves_out_the_first_step_of_each_lane_once_there_are_others():
    pace = StepTimes()
    watch = Stopwatch(pace, StepKind("toy", 2, 2))
    paces = []
    for seconds in (9.0, 8.0, 0.02, 0.04):
        watch.note(seconds)
        paces.append(pace.seconds(StepKind("toy", 2, 2)))
    assert paces == pytest.approx([9, 9, 0.02, 0.03], rel=0.01)
    kind = StepKind("toy", 2, 2)
    Stopwatch(pace, kind).note(9.0)  # of the next run
    assert pace.seconds(kind) == paces[-1]


def test_the_pace_is_that_of_the_last_seconds():
    """Of a run whose steps become three times slower, and then as quick as before. One slow step changes little."""
    pace, kind = StepTimes(), StepKind("toy", 1)
    watch = Stopwatch(pace, kind)

    def after(*steps):
        for seconds in steps:
            watch.note(seconds)
        return pace.seconds(kind)

    assert after(*[0.5] * 40) == pytest.approx(0.5)
    assert after(*[1.5] * 8) == pytest.approx(1.5, rel=0.1)
    assert after(*[0.5] * 20) == pytest.approx(0.5, rel=0.1)
    assert after(1.5) < 0.75


def test_a_job_that_failed_keeps_nothing_of_what_it_computed_with():
    """Its page can ask for it for hours."""

    class Large:
        pass

    kept = []

    def network(x, t, labels):
        large = Large()
        kept.append(weakref.ref(large))
        raise ValueError("it is broken")

    job = Job([SETTINGS], Models(network))
    *_, last = job.updates()
    assert (last.state, last.text) == ("error", "It is broken")
    wait_for(lambda: gc.collect() is not None and not kept[0]())


def test_a_job_that_does_other_work_than_it_planned_can_be_stopped():
    class Odd(Computation):
        def plan(self, models):
            return Plan(self.request, {StepKind("toy", 2): 3})

        def compute(self, plan, models, work):
            for i in range(100):
                if i == 10:
                    job.stop()
                work.count(StepKind("toy", 5))

    services = toylab.toy_services(Models(), LINE, PACE)
    job = jobs.Job(Odd(services, None, [Checkpoint(checkpoint="toy")], 2), services)
    *_, last = job.updates()
    assert last.state == "stopped"


def test_the_time_left_follows_the_clock_and_is_unknown_in_a_last_step_that_takes_too_long():
    now, said = [0.0], []
    kind = StepKind("toy", 2)
    pace = StepTimes()
    pace.note(kind, 1.0)

    class Timed(Computation):
        def plan(self, models):
            return Plan(self.request, {kind: 4})

        def compute(self, plan, models, work):
            for step, seconds in enumerate((1.0, 1.0, 3.0, 60.0)):
                for part in (0.5, 0.5):
                    now[0] += part * seconds
                    said.append((step, job.complete(Message("running")).left))
                work.count(kind)

    line = Turns(clock=lambda: now[0])
    services = toylab.toy_services(Models(), line, pace)
    job = jobs.Job(Timed(services, None, [Checkpoint(checkpoint="toy")], 2), services)
    *_, last = job.updates()
    assert last.state == "finished"
    first, second, third, fourth = ([left for one, left in said if one == step] for step in range(4))
    assert first == pytest.approx([3.5, 3]) and second == pytest.approx([2.5, 2])
    assert third == pytest.approx([1, 1])  # one more step, once this one has ended
    assert fourth == [None, None]
