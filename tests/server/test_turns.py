"""Who uses the network when: fair shares, waits and their forecasts, with a clock that only fake runs move."""

import math
import threading
from collections import Counter
from contextlib import ExitStack

import pytest

from ui.machine.turns import SLICE, Full, Turns


class Clock:
    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


class Left(Exception):
    """A run was stopped."""


class Run:
    """Computes so many steps of so many seconds; then it may come back. log: (name, when) of each step's end."""

    def __init__(self, name, steps, seconds, visitor=None, load=0.0, address=None):
        self.name, self.steps, self.seconds, self.visitor, self.load = name, steps, seconds, visitor, load
        self.address = address
        self.stopped = threading.Event()
        self.place = None

    def stop(self):
        self.stopped.set()

    def check(self):
        if self.stopped.is_set():
            raise Left

    def go(self, line, log, first_step=None):
        with line.join(self, self.visitor, self.address) as self.place:
            self.place.work = self.steps * self.seconds
            self.place.wait_for_turn(self.check)
            line.clock.now += self.load
            for step in range(self.steps):
                line.clock.now += self.seconds
                log.append((self.name, line.clock.now))
                self.place.work -= self.seconds
                if step + 1 < self.steps and self.place.must_yield():
                    self.place.wait_for_turn(self.check)


class Holder:
    """Whoever has the turn before the first of the runs."""

    def stop(self):
        pass


def simulate(*runs, line=None, meanwhile=lambda line: None):
    """All come in this order while another one has the turn; then meanwhile(line). Gives (name, when) of each step."""
    line, log = Turns(clock=Clock()) if line is None else line, []
    threads = [threading.Thread(target=run.go, args=(line, log), daemon=True) for run in runs]
    with line.turn(Holder()):
        for number, thread in enumerate(threads, 1):
            thread.start()
            while len(line) <= number or runs[number - 1].place is None or not runs[number - 1].place.ready:
                assert thread.is_alive()
        meanwhile(line)
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive()
    assert len(line) == 0
    return log


def ends(log):
    return dict(log)  # the last step of each counts


def test_the_seconds_of_a_place_are_those_of_its_own_turns():
    first, second = Run("a", 4, 1.0, load=0.5), Run("b", 6, 2.0)
    log = simulate(first, second)
    assert log[-1][1] == 16.5
    assert (first.place.seconds(), second.place.seconds()) == (4.5, 12.0)


def test_a_long_run_does_not_keep_short_ones_waiting():
    """Ten visitors with a second of work each, behind one with 1000 steps of a third of a second."""
    among_themselves = max(ends(simulate(*(Run(i, 10, 0.1) for i in range(10)))).values())
    log = simulate(Run("long", 1000, 0.3), *(Run(i, 10, 0.1) for i in range(10)))
    last = max(end for name, end in ends(log).items() if name != "long")
    assert last <= 2 * among_themselves  # 1.6 of 10 s behind the others, and it took part in every round
    assert ends(log)["long"] == pytest.approx(310)  # nothing was lost


def test_turns_go_round_by_time_whatever_a_step_takes():
    """Three visitors whose steps take 0.05, 0.1 and 2 s have computed the same after any while, but for a step."""
    log = simulate(Run("a", 400, 0.05), Run("b", 200, 0.1), Run("c", 10, 2.0))
    used = Counter()
    for (name, end), (_, before) in zip(log[1:], log, strict=False):
        used[name] += end - before
        if end < 50:
            assert max(used.values()) - min(used[n] for n in "abc") <= 2.0 + 2 * SLICE + 0.1
    assert {name: pytest.approx(20, abs=0.2) for name in "abc"} == used


def test_turns_end_after_a_slice_not_after_each_step():
    """Of two equal runs; the first has had its turn until the second came."""
    log = simulate(Run("a", 30, 0.1), Run("b", 30, 0.1))
    turns = 1 + sum(here[0] != before[0] for here, before in zip(log[1:], log, strict=False))
    assert turns == 6 / SLICE


def test_a_visitor_with_several_runs_gets_one_share():
    log = simulate(*(Run(i, 10, 0.1, visitor="many") for i in range(5)), Run("one", 10, 0.1, visitor="one"))
    assert ends(log)["one"] <= 2 * 1 + SLICE + 0.2
    assert [ends(log)[i] for i in range(5)] == sorted(ends(log)[i] for i in range(5))  # in their order


def test_a_turn_with_loading_goes_on_for_as_long_as_that_took():
    line = Turns(clock=Clock())
    with line.join(Holder()) as place, line.join(Holder()) as other:
        place.wait_for_turn()
        other.request_turn()
        line.clock.now = 3.0
        place.extend_turn()
        line.clock.now = 5.9
        assert not place.must_yield()
        line.clock.now = 6.1
        assert place.must_yield()


def test_who_comes_back_at_once_has_not_lost_its_debt():
    """A visitor of single steps of 5 s each gets no more than its share by coming back after every one."""

    class Back(Run):
        def go(self, line, log, first_step=None):
            for _ in range(4):
                super().go(line, log)

    log = simulate(Back("again", 1, 5.0, visitor="again"), Run("steady", 200, 0.1))
    back = [end for name, end in log if name == "again"]
    for turns, end in enumerate(back):
        assert end - 5 * (turns + 1) >= 5 * turns  # the time of the other by then


def test_only_so_many_take_turns_and_the_others_begin_in_their_order():
    """With three places, and no short runs."""
    log = simulate(*(Run(i, 200, 0.1) for i in range(6)), line=Turns(active=3, clock=Clock()))
    first, last = {}, ends(log)
    for name, end in log:
        first.setdefault(name, end)
    for name, began in first.items():
        others = [other for other in first if other != name and first[other] < began < last[other]]
        assert len(others) <= 2
    assert list(first) == list(range(6))


def test_a_place_is_kept_for_short_runs():
    """Four long runs have three of four places; a short one that comes last begins at once."""
    log = simulate(*(Run(i, 200, 0.1) for i in range(4)), Run("short", 10, 0.1), line=Turns(active=4, clock=Clock()))
    assert ends(log)["short"] < 1.0 + 4 * (SLICE + 1.0)
    assert next(end for name, end in log if name == 3) > 20  # the fourth has waited for the end of one


def test_a_full_line_refuses_in_one_sentence():
    line = Turns(active=2, queue=2, clock=Clock())
    with line.join(Holder(), "a"), line.join(Holder(), "a"):
        with (
            pytest.raises(Full, match="You have 2 runs here, and a visitor may have 2"),
            line.join("c", "a"),
        ):
            pass
        with line.join(Holder(), "b"), line.join(Holder(), "c"):
            with pytest.raises(Full, match=r"\(at most 2 take turns and 2 wait\): try again"), line.join("d", "d"):
                pass
            assert len(line) == 4
    assert len(line) == 0


def test_who_waits_leaves_when_told_to_and_the_others_go_on():
    runs = [Run("a", 10, 0.1), Run("b", 10, 0.1), Run("c", 10, 0.1)]

    def stop(line):
        runs[1].stop()
        runs[1].place.wake()
        while len(line) > 3:
            pass

    go = runs[1].go

    def until_stopped(line, log):
        with pytest.raises(Left):
            go(line, log)

    runs[1].go = until_stopped
    assert set(ends(simulate(*runs, meanwhile=stop))) == {"a", "c"}


def test_an_error_in_a_turn_passes_the_turn_on():
    broken = Run("broken", 10, 0.1)

    def go(line, log):
        with pytest.raises(MemoryError), line.join(broken) as broken.place:
            broken.place.wait_for_turn()
            raise MemoryError

    broken.go = go
    assert set(ends(simulate(broken, Run("b", 10, 0.1)))) == {"b"}


def test_waiting_runs_see_their_place_and_when_they_begin_and_end():
    """Three runs of 2, 4 and 12 s wait for a turn, and a second one of the first visitor."""
    runs = [Run("a", 20, 0.1, "a"), Run("b", 40, 0.1), Run("c", 120, 0.1), Run("a2", 10, 0.1, "a")]
    seen = []

    def look(line):
        seen.extend(run.place.outlook() for run in runs)

    log = simulate(*runs, line=Turns(active=5, clock=Clock()), meanwhile=look)
    assert [outlook.before for outlook in seen] == [0, 1, 2, 3]
    assert not any(outlook.begun for outlook in seen) and {outlook.sharers for outlook in seen} == {1}
    assert [outlook.start for outlook in seen[:3]] == [None] * 3  # the holder does not say how long it takes
    assert isinstance(seen[0].holder, Holder)
    assert ends(log)["c"] == pytest.approx(19)


def test_who_has_not_asked_for_a_turn_has_no_outlook():
    with Turns(clock=Clock()).join(Holder()) as place:
        assert place.outlook() is None


# --- Forecasts


def outlooks(works, active):
    """Of runs with so many seconds of work, of which the first one has its turn."""
    line = Turns(active=active, clock=Clock())
    with ExitStack() as stack:
        places = [stack.enter_context(line.join(Holder())) for _ in works]
        for place, work in zip(places, works, strict=True):
            place.work = work
            place.request_turn()
        return [place.outlook() for place in places]


def test_equal_shares_end_when_the_theory_says():
    """Processor sharing: of works 1, 2 and 4 the ends are 3, 5 and 7."""
    line = Turns(active=3, clock=Clock())
    with line.join(Holder()) as a, line.join(Holder()) as b, line.join(Holder()) as c:
        for place, work in ((a, 4.0), (b, 1.0), (c, 2.0)):
            place.work = work
            place.request_turn()
        for place in (a, b):
            line.clock.now += SLICE
            place.request_turn()
        assert [place.outlook().end for place in (a, b, c)] == [7, 3, 5]


def test_a_place_that_comes_free_is_taken():
    """One at a time: first come, first served. Two at a time: 4 and 1 s share two, then 3 and 2 share four."""
    assert [outlook.start for outlook in outlooks([4.0, 2.0, 1.0], 1)] == [0, 4, 6]
    assert [outlook.start for outlook in outlooks([4.0, 1.0, 2.0, 9.0], 2)][2:] == [2, 6]


def test_who_begins_at_once_waits_for_the_turns_before():
    """For the rest of the turn under way, and of a run with little work for no more than that."""
    assert [outlook.start for outlook in outlooks([9.0, 9.0, 0.25, 9.0], 4)] == [0, SLICE, 2 * SLICE, 2 * SLICE + 0.25]


def test_the_third_in_a_queue_waits_for_the_steps_of_those_before_as_long_as_they_take():
    """Turns end with a step. One that takes longer than its run has said makes the rest unknown."""
    line = Turns(active=8, clock=Clock())
    with line.join(Holder()) as first, line.join(Holder()) as second, line.join(Holder()) as third:
        for place, step in ((first, 20.0), (second, 0.4), (third, 1.0)):
            place.work, place.step = 100.0, step
            place.request_turn()
        assert third.outlook().start == pytest.approx(20.8)  # two of the second's steps
        line.clock.now += 15
        assert third.outlook().start == pytest.approx(5.8)
        line.clock.now += 30
        assert third.outlook().start is None
        first.step = 45.0  # as it has seen by now
        first.request_turn()
        assert second.outlook().begun and third.outlook().start == pytest.approx(0.8)
        for step in (math.inf, 0.4):  # a model has to be loaded; it is here
            second.step = step
            assert third.outlook().start == (None if step == math.inf else pytest.approx(0.8))


def test_what_is_not_known_makes_the_rest_unknown_only_where_it_matters():
    assert [outlook.start for outlook in outlooks([math.inf, 1.0, 1.0, 1.0], 2)][2:] == [2, 4]
    first, second = outlooks([math.inf, 1.0], 1)
    assert (first.end, second.start) == (None, None)


# --- Addresses


def test_an_address_gets_one_share_however_many_visitors_it_invents():
    """Six invented visitors and one honest one, with 10 s of work each."""
    invented = [Run(i, 100, 0.1, visitor=f"invented {i}", address="there") for i in range(6)]
    log = simulate(*invented, Run("one", 100, 0.1, visitor="one", address="here"))
    assert ends(log)["one"] <= 2 * 10 + 2 * SLICE + 0.2  # with shares of visitors: 60 s
    assert max(ends(log).values()) == pytest.approx(70)


def test_visitors_of_one_address_share_alike_what_it_gets():
    log = simulate(*(Run(i, 50, 0.1, visitor=i, address="school") for i in range(4)))
    assert max(ends(log).values()) - min(ends(log).values()) <= 3 * SLICE + 0.2


def test_a_newcomer_of_an_address_does_not_begin_with_what_those_of_another_have_used():
    """Else the one who has the second address alone would wait until the newcomer has caught up."""
    line = Turns(clock=Clock())
    with ExitStack() as places:
        seats = [places.enter_context(line.join(Holder(), "alone", "b"))]
        seats += [places.enter_context(line.join(Holder(), i, "a")) for i in range(4)]
        for seat in seats:
            seat.request_turn()
        for seat, seconds in zip(seats, (40, 10, 10, 10, 10), strict=True):
            line.clock.now += seconds  # of the turn of each
            seat.request_turn()
        newcomer = places.enter_context(line.join(Holder(), "newcomer", "b"))
        newcomer.request_turn()
        pass_round(line, 40)
        assert newcomer.seconds() == pytest.approx(10, abs=1)
        assert seats[0].seconds() - 40 == pytest.approx(10, abs=1)


def pass_round(line, turns):
    """So many turns of a second each."""
    for _ in range(turns):
        line.clock.now += 1
        line.holder.request_turn()


def test_an_address_has_half_of_the_places_and_half_of_the_turns():
    line = Turns(active=4, queue=4, clock=Clock())
    with ExitStack() as places:
        seats = [places.enter_context(line.join(Holder(), f"invented {i}", "there")) for i in range(4)]
        for seat in seats:
            seat.request_turn()
        with (
            pytest.raises(Full, match="Your address has 4 runs here, and may have 4"),
            line.join(Holder(), "5", "there"),
        ):
            pass
        other = places.enter_context(line.join(Holder(), "other", "here"))
        other.request_turn()
        pass_round(line, 8)
        assert [seat.outlook().begun for seat in (*seats, other)] == [True, True, False, False, True]
        for i in range(3):  # nothing is known of these
            places.enter_context(line.join(Holder(), f"visitor {i}"))
