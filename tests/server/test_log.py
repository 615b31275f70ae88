"""Runs as pages see them: they begin when heard, are found again after a reload, and make room for others in time."""

import contextlib
import json
import shutil
import subprocess
import threading
import time
from pathlib import Path

import pytest
import toylab
from test_jobs import Gate
from toylab import Models, wait_for

import ddpm_core
from ui.parts.sampling import Sampling, SamplingPart
from ui.runs import asked, listeners, pages
from ui.runs.asked import UNCLEAR
from ui.runs.log import HEARTBEAT, INTERVAL, Message, RunLog
from ui.runs.pages import KEPT, NotBegun, Runs
from ui.runs.states import ENDED, NEXT

ASKED = toylab.asked()
WRONG = ASKED | {"lanes": []}


def made(*network):
    services = toylab.toy_services(Models(*network))
    part = SamplingPart(services)
    return Runs(services, dict.fromkeys(part.names, part)), services


def heard(run):
    """The messages of a run as they come in a thread: (they, the thread)."""
    seen = []
    thread = threading.Thread(target=lambda: seen.extend(run.messages()))
    thread.start()
    return seen, thread


def test_a_page_that_is_loaded_again_gets_all_messages_from_the_first_one_on():
    gate = Gate()
    runs, _ = made(gate)
    run = runs.begin("watch", ASKED, "page")
    first = run.messages()
    gate.go.release()
    before = [next(first)]
    while not before[-1]["results"]:
        before.append(next(first))
    first.close()  # the page is gone
    seen, thread = heard(runs.find_readable(run.id))
    for _ in range(9):
        gate.go.release()
    thread.join(60)
    assert [message["seq"] for message in seen] == list(range(1, len(seen) + 1))
    assert seen[: len(before)] == before and seen[-1]["state"] == "finished"
    assert [frame["k"] for frame in toylab.results(seen, "frame")] == list(range(5))
    assert list(runs.find_readable(run.id).messages()) == seen  # also after its end


def test_nothing_is_computed_before_somebody_listens():
    gate = Gate()
    runs, services = made(gate)
    run = runs.begin("watch", ASKED, "page")
    assert not gate.entered.acquire(blocking=False) and not len(services.turns) and not run.goes_on


def test_a_run_that_nobody_listens_to_ends_and_says_so(monkeypatch):
    monkeypatch.setattr(listeners, "PATIENCE", 0.1)
    runs, services = made(lambda x, t, labels: time.sleep(0.05) or 0.3 * x)
    run = runs.begin("watch", toylab.asked(steps=100), "page")
    messages = run.messages()
    next(messages)
    messages.close()
    wait_for(lambda: not run.goes_on and not len(services.turns))
    *_, last = run.messages()
    assert (last["state"], last["status"]) == ("stopped", {"kind": "unheard"})


def test_a_new_run_of_a_page_replaces_its_last_one_of_that_part_only():
    gate = Gate()
    runs, _ = made(gate)
    old, others = runs.begin("watch", ASKED, "page"), runs.begin("watch", ASKED, "another page")
    seen, thread = heard(old)
    gate.entered.acquire()
    runs.begin("watch", ASKED, "page")
    gate.go.release()
    thread.join(60)
    assert seen[-1]["state"] == "stopped" and not others.stopping


def test_a_request_that_was_overtaken_does_not_stop_the_newer_run():
    """Two presses, whose requests reach the server in the other order."""
    runs, _ = made()
    newer = runs.begin("watch", ASKED, "page", number=("load", 11))
    with pytest.raises(NotBegun) as overtaken:
        runs.begin("watch", ASKED, "page", number=("load", 9))
    message = overtaken.value.message
    assert (message["state"], message["status"]) == ("stopped", {"kind": "replaced"}) and not newer.stopping
    runs.begin("compare", ASKED, "page", number=("load", 10))
    assert not newer.stopping
    runs.begin("watch", ASKED, "page", number=("another load of it", 1))
    assert newer.stopping


@pytest.mark.skipif(shutil.which("node") is None, reason="needs node")
def test_the_page_has_the_same_table_of_states():
    stream = Path(pages.__file__).parents[1] / "web/run/stream.js"
    script = f"import {{ NEXT }} from {json.dumps(stream.as_uri())}; console.log(JSON.stringify(NEXT))"
    said = subprocess.run(["node", "--input-type=module", "-e", script], capture_output=True, check=True, timeout=60)
    assert json.loads(said.stdout) == {state: list(following) for state, following in NEXT.items()}


@pytest.mark.parametrize("state", NEXT)
def test_what_can_not_follow_a_state_is_not_said(state):
    for other in NEXT:
        log = RunLog()
        for before in [state] if state in NEXT["queued"] else ["running", state]:
            log.set_state(Message(before))
        assert log.state == state and log.ended == (state in ENDED)
        log.set_state(Message(other))
        assert log.state == (other if other in NEXT[state] else state)


def test_messages_come_at_once_but_those_after_results_are_gathered():
    now = [0.0]
    log = RunLog(patience=5, clock=lambda: now[0])
    messages = log.read()
    said = [next(messages)]
    for step in range(4):
        log.add_results(step)
        now[0] += INTERVAL / 2 + 0.001  # two make more than an interval
    log.set_state(Message("running"))
    said += [next(messages) for _ in range(3)]
    now[0] += HEARTBEAT
    said += [next(messages)]  # that it goes on
    log.set_state(Message("finished"))
    said += messages
    assert [(one.state, one.results) for one in said] == [
        *(("queued", results) for results in ((), (0,), (1, 2))),
        *(("running", results) for results in ((3,), ())),
        ("finished", ()),
    ]
    assert list(log.read()) == said and list(log.read(after=4)) == said[4:]
    assert [one.seq for one in said] == list(range(1, 7))
    log.add_results("late")
    log.set_state(Message("error"))
    assert list(log.read()) == said


def test_a_log_that_nobody_reads_says_so_and_a_reader_begins_anew():
    now = [0.0]
    log = RunLog(patience=5, clock=lambda: now[0])
    now[0] = 4.0
    next(log.read())
    now[0] = 8.9
    log.check()
    now[0] = 9.1
    with pytest.raises(listeners.NobodyListens):
        log.check()


def test_many_new_runs_neither_stop_one_that_goes_on_nor_take_its_messages():
    gate = Gate()
    runs, _ = made(gate)
    run = runs.begin("watch", ASKED, "page")
    seen, thread = heard(run)
    gate.entered.acquire()
    for number in range(KEPT + 10):
        ended(runs, toylab.asked(steps=101), f"page {number}")
    assert runs.find_readable(run.id) is run
    for _ in range(5):
        gate.go.release()
    thread.join(60)
    assert seen[-1]["state"] == "finished"


def test_the_runs_of_many_visitors_can_be_taken_up_again():
    runs, _ = made()
    begun = [runs.begin("watch", ASKED, f"page {number}") for number in range(10)]
    said = [list(run.messages()) for run in begun]
    assert [list(runs.find_readable(run.id).messages()) for run in begun] == said


@pytest.mark.parametrize("worthless", [WRONG, toylab.asked(steps=6)])
def test_runs_that_fail_push_no_others_out(worthless, monkeypatch):
    """Not even those of the same address: neither what is refused at once nor what is when the models are known."""
    monkeypatch.setattr(pages, "KEPT", 4)
    monkeypatch.setattr(Models, "flop", lambda self, ref: 1.8e16)  # with which a run may have 5 steps
    runs, _ = made()
    begun = [runs.begin("watch", ASKED, f"page {number}") for number in range(2)]
    messages = [list(run.messages()) for run in begun]
    for number in range(8):
        with contextlib.suppress(NotBegun):
            assert ended(runs, worthless, f"another page {number}").failed
    assert [list(runs.find_readable(run.id).messages()) for run in begun] == messages


def ended(runs, values, page, address=None):
    run = runs.begin("watch", values, page, address)
    list(run.messages())
    return run


@pytest.mark.parametrize("limit", ["KEPT", "LOG_BYTES", "RECORDING_BYTES"])
def test_an_address_with_many_runs_pushes_out_its_own(limit, monkeypatch):
    runs, _ = made()

    few = [ended(runs, ASKED, f"page {number}", "198.51.100.1") for number in range(2)]
    size = {"KEPT": 1, "LOG_BYTES": few[0].log.bytes, "RECORDING_BYTES": few[0].recording.bytes}[limit]
    monkeypatch.setattr(pages, limit, 5 * size)
    many = [ended(runs, ASKED, f"page {number}", "198.51.100.2") for number in range(2, 12)]
    runs.begin("watch", ASKED, "page")

    def is_here(run):
        try:
            return bool(runs.find_readable(run.id).kept()["x0"])
        except ValueError:
            return False

    left = 3 - (limit == "KEPT")  # the new run is one, too
    assert [is_here(run) for run in (*few, *many)] == [True] * 2 + [False] * (10 - left) + [True] * left


def test_who_listens_gets_the_end_though_others_began_meanwhile(monkeypatch):
    monkeypatch.setattr(pages, "LOG_BYTES", 0)
    runs, _ = made()
    run = runs.begin("watch", ASKED, "page")
    messages = run.messages()
    seen = [next(messages)]
    wait_for(lambda: not run.goes_on)
    runs.begin("watch", ASKED, "another page")
    assert [*seen, *messages][-1]["state"] == "finished"
    with pytest.raises(ValueError, match="no longer here"):
        runs.find_readable(run.id)
    assert runs.find(run.id) is run  # its pictures can still be saved


@pytest.mark.parametrize("id", [None, "", "0123456789abcdef", [], {}])
def test_a_run_that_is_not_here_is_one_sentence(id):
    with pytest.raises(ValueError, match=r"^This run is no longer here: press Run again$"):
        made()[0].find(id)


def test_wrong_settings_are_the_only_message_of_their_run_and_end_the_one_before():
    runs, _ = made()
    before = runs.begin("watch", ASKED, "page")
    with pytest.raises(NotBegun) as wrong:
        runs.begin("watch", WRONG, "page")
    message = wrong.value.message
    assert message["state"] == "error" and message["text"] == UNCLEAR
    assert before.stopping


def test_a_result_that_can_not_be_shown_is_an_error_and_ends_the_run(monkeypatch):
    monkeypatch.setattr(Sampling, "result_of", lambda *_: 1 / 0)
    runs, services = made()
    *_, last = runs.begin("watch", ASKED, "page").messages()
    assert last["state"] == "error" and "failed unexpectedly (ZeroDivisionError)" in last["text"]
    wait_for(lambda: not len(services.turns))


@pytest.mark.parametrize("lanes", [1, 2, 8])
def test_one_run_makes_the_chain_of_each_lane_once(lanes, monkeypatch):
    made_chains = []
    make = ddpm_core.runs.make_chain

    def noted(*given, **more):
        made_chains.append(given)
        return make(*given, **more)

    for module in (asked, ddpm_core.runs):
        monkeypatch.setattr(module, "make_chain", noted)
    runs, _ = made()
    *_, last = runs.begin("watch", toylab.asked(*({"steps": 2 + n} for n in range(lanes))), "page").messages()
    assert last["state"] == "finished" and len(made_chains) == lanes
