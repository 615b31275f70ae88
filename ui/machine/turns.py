"""Who uses the network when: one run computes at a time, and visitors take turns."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from typing import Protocol

from ui.machine.limits import Refused

SLICE = 0.5  # seconds of a turn while others wait; a turn ends with a step
ACTIVE = 8  # runs that take turns
QUEUE = 44  # runs that wait for one of these to end
SHORT = 10.0  # seconds of work: a quarter of the places is kept for runs that need no more than that
REFRESH = 0.5  # seconds after which who waits looks whether it was stopped


class Member(Protocol):
    """Something that uses the network or waits for it."""

    def stop(self) -> None:
        """Leave the line as soon as possible."""


class Full(Refused):
    """There is no room for another run."""


@dataclass(frozen=True)
class Outlook:
    """The forecast for a run, if nobody comes or leaves.

    begun: whether it has had a turn. before: how many runs begin before it, if it has not. sharers: other runs that
    have had one. start, end: seconds until its first turn, and of a run that has had one until its end, None where that
    is not known. holder: whose turn it is.
    """

    begun: bool
    before: int
    sharers: int
    start: float | None
    end: float | None
    holder: object | None


class Seat:
    """A member's place in the line. Its owner keeps `work` and `step` up to date."""

    def __init__(self, line: Turns, who: Member | None, visitor: Hashable, address: Hashable):
        self.who, self.visitor = who, visitor
        self.share: Hashable = ("visitor", visitor) if address is None else address
        """with whom it has its part of the time"""
        self.work = math.inf
        """seconds of computing that it still needs; infinite if they are not known"""
        self.step = 0.0
        """seconds between two chances to give way; infinite while it has to load a model first"""
        self.begun = False
        """whether it has had a turn"""
        self.ready = False
        """whether it wants one"""
        self.ticket = 0
        """the order in which those who want a turn came"""
        self.since = self.charged = 0.0
        """when its turn began, and until when its time is counted"""
        self.slice = SLICE
        """seconds of its turn"""
        self.used = 0.0
        """seconds of all its turns, as far as they are counted: see `seconds`"""
        self._line = line
        self._news = threading.Event()
        self.wake = self._news.set  # makes `wait_for_turn` call check() at once

    def wait_for_turn(self, check: Callable[[], None] = lambda: None) -> None:
        """End the turn that it has, and wait for another. check() is called now and then meanwhile, and may raise."""
        self.ask()
        while self._line.holder is not self:
            check()
            self._news.wait(REFRESH)
            self._news.clear()

    def ask(self) -> None:
        """Want a turn, and end the one that it has. `wait_for_turn` does this, too."""
        with self._line.changed:
            self.ready, self.ticket = True, next(self._line.tickets)
            self._line.give_turn()

    def loaded(self) -> None:
        """The turn so far was spent on loading: it goes on for as long as that took, so that half of it computes."""
        now = self._line.clock()
        self.slice, self.since = max(SLICE, now - self.since), now

    def must_yield(self) -> bool:
        """Whether its turn is over: it has computed for a slice, and another one is to have the next turn."""
        line = self._line
        if len(line.seats) == 1 or line.clock() - self.since < self.slice:
            return False
        with line.changed:
            line.charge(self)
            self.ticket = next(line.tickets)  # as if it had asked
            return any(line.order(other) < line.order(self) for other in line.sharing if other.ready)

    def seconds(self) -> float:
        """How long it has had turns so far: loading and computing, not waiting while others had theirs."""
        return self.used + (self._line.clock() - self.charged if self._line.holder is self else 0.0)

    def outlook(self) -> Outlook | None:
        """None before it has asked for a turn."""
        line = self._line
        with line.changed:
            begun = [one for one in line.sharing if one.begun]
            coming = sorted((one for one in line.sharing if not one.begun), key=line.order) + line.waiting()
            sharers, holder = len(begun) - self.begun, line.holder and line.holder.who
            if self.begun:  # processor sharing: each of the others computes as much meanwhile, or all that it needs
                end = sum(min(one.work, self.work) for one in (begun + coming)[: line.active])
                return Outlook(True, 0, sharers, 0.0, end if math.isfinite(end) else None, holder)
            if self not in coming:
                return None
            before = coming[: coming.index(self)]
            start = line.wait(begun, before)
            return Outlook(False, len(before), sharers, start if math.isfinite(start) else None, None, holder)

    @property
    def turn_seconds(self) -> float:
        """Return the seconds of a turn, which ends with a step; infinity where the pace is not known."""
        if not math.isfinite(self.work + self.step):
            return math.inf
        steps = math.ceil(self.slice / self.step) if self.step else 0
        return min(self.work, max(self.slice, steps * self.step))


class Turns:
    """Shares the network among visitors: a lock whose holder gives way between two steps.

    The next turn is that of the address that has computed least, so each gets the same time, whatever a step of theirs
    takes. A newcomer starts at the lowest used time; an address that returns before the others have caught up keeps a
    surplus. Loading a model counts as computing.

    The name of a visitor is what a client says, so it gets no share: the visitors of one address take its turns in
    order. But a visitor without an address, on this machine, counts as an address. A visitor's own runs are computed
    one after another.

    At most `active` runs take turns, and at most `queue` more may wait, in the order in which they came. A visitor, and
    an address, has at most half of these seats.

    gradio's queue limits are not enough: cancelling an event frees its slot while the current step still computes.
    """

    def __init__(self, active: int = ACTIVE, queue: int = QUEUE, clock: Callable[[], float] = time.perf_counter):
        self.active, self.queue, self.clock = active, queue, clock
        self.changed = threading.Condition()  # for all that follows
        self.tickets = count()
        self.holder: Seat | None = None
        self.seats: list[Seat] = []  # in the order in which they came
        self.sharing: list[Seat] = []  # those that take turns
        self.used: dict[Hashable, float] = {}
        """the seconds that each share has used, if it shares now or has used more than those who do"""

    @contextmanager
    def join(
        self, who: Member | None, visitor: Hashable = None, address: Hashable = None, ours: bool = False
    ) -> Iterator[Seat]:
        """A place in the line. visitor: whoever shares the turns with other runs of theirs, None for nobody else's.
        address: from where they ask, None where that is not known. ours: for work of the app itself. Leaving the block
        ends the turn.

        Raises Full where there is none, or half of all are the visitor's already, or the address's; for work of the
        app never.
        """
        seat = Seat(self, who, self if ours else object() if visitor is None else visitor, address)
        with self.changed:
            if not ours:
                self._check_room(seat)
            self.seats.append(seat)
        try:
            yield seat
        finally:
            with self.changed:
                self.seats.remove(seat)
                self.give_turn()
                self.changed.notify_all()

    @contextmanager
    def turn(self, who: Member) -> Iterator[None]:
        """Take a turn that does not give way, for work of the app itself."""
        with self.join(who, ours=True) as seat:
            seat.wait_for_turn()
            yield

    def others(self, visitor: Hashable) -> int:
        """How many runs of other visitors compute or wait."""
        with self.changed:
            return sum(seat.visitor not in (visitor, self) for seat in self.seats)

    def stop_all(self, seconds: float) -> bool:
        """Stop all members, new ones included; returns whether the line was empty within so many seconds."""
        end = time.monotonic() + seconds
        while self.seats and time.monotonic() < end:
            for seat in list(self.seats):
                if seat.who:
                    seat.who.stop()
                seat.wake()
            with self.changed:
                self.changed.wait_for(lambda: not self.seats, timeout=0.1)
        return not self.seats

    def __len__(self) -> int:
        """How many compute, wait or download."""
        return len(self.seats)

    # --- For seats, and under the lock

    def _check_room(self, seat: Seat) -> None:
        room = self.active + self.queue
        near = sum(one.share == seat.share for one in self.seats)
        own = sum(one.visitor == seat.visitor for one in self.seats)
        if len(self.seats) >= room:
            limits = f"at most {self.active} take turns and {self.queue} wait"
            sentence = f"There are too many runs now ({limits}): try again in a few minutes"
        elif own >= max(1, room // 2):
            sentence = f"You have {own} runs here, and a visitor may have {room // 2}: wait until one ends"
        elif near >= max(1, room // 2):
            sentence = f"Your address has {near} runs here, and may have {room // 2}: wait until one ends"
        else:
            return
        raise Full(f"{sentence} (limit: waiting_runs = {self.queue})", "waiting_runs")

    def charge(self, seat: Seat) -> None:
        """Count the time of the seat that has its turn until now."""
        now = self.clock()
        self.used[seat.share] += now - seat.charged
        seat.used, seat.charged = seat.used + now - seat.charged, now

    def give_turn(self) -> None:
        """End the turn of who wants another one or has left. Let those who wait take turns, as many as may. Then who
        has used least has the next one.
        """
        if self.holder and (self.holder.ready or self.holder not in self.seats):
            self.charge(self.holder)
            self.holder = None
        self.sharing = [seat for seat in self.sharing if seat in self.seats]
        least = min((self.used[seat.share] for seat in self.sharing), default=math.inf)
        self.used = {share: used for share, used in self.used.items() if used >= least}
        for seat in self.waiting():
            if self._may_share(seat):
                self.used[seat.share], _ = self.order(seat)
                self.sharing.append(seat)
        ready = [seat for seat in self.sharing if seat.ready]
        if ready and not self.holder:
            self.holder = seat = min(ready, key=self.order)
            seat.begun, seat.ready, seat.slice = True, False, SLICE
            seat.since = seat.charged = self.clock()
            seat.wake()

    def waiting(self) -> list[Seat]:
        """Those who want to take turns and do not yet, in the order in which they will."""
        return sorted((seat for seat in self.seats if seat.ready and seat not in self.sharing), key=self.order)

    def _may_share(self, seat: Seat) -> bool:
        near = sum(one.share == seat.share for one in self.sharing)
        own = any(one.visitor == seat.visitor for one in self.sharing)
        long = sum(one.work > SHORT for one in self.sharing)
        room = len(self.sharing) < self.active and near < max(1, self.active // 2) and not own
        return room and (seat.work <= SHORT or long < self.active - self.active // 4)

    def order(self, seat: Seat) -> tuple[float, int]:
        """Who has used least is first; then who has waited longest. A newcomer counts as one who has used least."""
        newcomer = min((self.used[one.share] for one in self.sharing), default=0.0)
        return self.used.get(seat.share, newcomer), seat.ticket

    def wait(self, begun: Sequence[Seat], before: Sequence[Seat]) -> float:
        """Seconds until a run begins: after the first turns of those before it, or when a place comes free for it."""
        if len(begun) + len(before) < self.active:
            turns = sum(one.turn_seconds for one in before)
            if self.holder:
                late = self.clock() - self.holder.since - (turn := self.holder.turn_seconds)
                turns += math.inf if late > turn else max(0.0, -late)  # its steps are not as quick as they were
            return turns
        seconds, works = 0.0, [one.work for one in (*begun, *before)]
        while len(works) >= self.active:
            sharing, waiting = works[: self.active], works[self.active :]
            least = min(sharing)
            seconds += least * len(sharing)
            works = [work - least for work in sharing if work > least] + waiting
        return seconds
