"""Share the network among visitors: one run computes at a time, and the runs take turns. All runs that compute or wait
form the line; each has a seat in it.
"""

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

SLICE = 0.5  # seconds after which a turn ends if others wait, once the current step is complete
ACTIVE = 8  # default number of runs that take turns
QUEUE = 44  # default number of runs that wait to take turns
SHORT = 10.0  # maximum seconds of computing of a short run; a quarter of the places is reserved for short runs
REFRESH = 0.5  # seconds between two checks whether a waiting run was stopped


class Member(Protocol):
    """A user of the network: a run, or the app itself."""

    def stop(self) -> None:
        """Stop using the network and leave the line as soon as possible."""


class Full(Refused):
    """There is no room for another run."""


@dataclass(frozen=True)
class Outlook:
    """The forecast for a run, assuming that no run is added or stopped.

    begun: whether the run has had a turn. before: the number of runs that begin before this run. sharers: the number of
    other runs that have had a turn. start: seconds until its first turn; None if unknown. end: seconds until it ends;
    None if it has not begun, or if unknown. holder: the member that computes now; None if there is none.
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
        """key of its share of the computing time; seats with the same key have one share together"""
        self.work = math.inf
        """seconds of computing that are left; infinite if unknown"""
        self.step = 0.0
        """seconds between two points at which it can give way; infinite until its model is loaded"""
        self.begun = False
        """whether it has had a turn"""
        self.ready = False
        """whether it waits for a turn"""
        self.ticket = 0
        """number that grows with the time at which the seat began to wait"""
        self.since = self.charged = 0.0
        """when its turn began, and the time until which `used` counts its seconds"""
        self.slice = SLICE
        """seconds of its turn"""
        self.used = 0.0
        """seconds of all its turns until `charged`"""
        self._line = line
        self._news = threading.Event()
        self.wake = self._news.set  # a function: `wake()` lets `wait_for_turn` call check() at once

    def wait_for_turn(self, check: Callable[[], None] = lambda: None) -> None:
        """End the current turn and wait for the next turn. check() is called at least every REFRESH seconds and may
        raise to stop.
        """
        self.request_turn()
        while self._line.holder is not self:
            check()
            self._news.wait(REFRESH)
            self._news.clear()

    def request_turn(self) -> None:
        """Begin to wait for a turn, and end the current turn. `wait_for_turn` does this, too."""
        with self._line.changed:
            self.ready, self.ticket = True, next(self._line.tickets)
            self._line.give_turn()

    def extend_turn(self) -> None:
        """Start the slice of the turn again after loading a model, and make it at least as long as loading took. So at
        least half of the turn is computing.
        """
        now = self._line.clock()
        self.slice, self.since = max(SLICE, now - self.since), now

    def must_yield(self) -> bool:
        """Return whether the turn must end: its slice is over, and another seat comes first."""
        line = self._line
        if len(line.seats) == 1 or line.clock() - self.since < self.slice:
            return False
        with line.changed:
            line.charge(self)
            self.ticket = next(line.tickets)  # the ticket that a new request would get
            return any(line.order(other) < line.order(self) for other in line.sharing if other.ready)

    def seconds(self) -> float:
        """Return the total duration of the seat's turns: loading and computing, not waiting."""
        return self.used + (self._line.clock() - self.charged if self._line.holder is self else 0.0)

    def outlook(self) -> Outlook | None:
        """Return the forecast for this seat; None if it does not wait for a turn yet."""
        line = self._line
        with line.changed:
            begun = [one for one in line.sharing if one.begun]
            coming = sorted((one for one in line.sharing if not one.begun), key=line.order) + line.waiting()
            sharers, holder = len(begun) - self.begun, line.holder and line.holder.who
            # While this run computes the rest of its work, each other run computes the same amount, or less if it ends
            # earlier.
            if self.begun:
                end = sum(min(one.work, self.work) for one in (begun + coming)[: line.active])
                return Outlook(True, 0, sharers, 0.0, end if math.isfinite(end) else None, holder)
            if self not in coming:
                return None
            before = coming[: coming.index(self)]
            start = line.seconds_to_begin(begun, before)
            return Outlook(False, len(before), sharers, start if math.isfinite(start) else None, None, holder)

    @property
    def turn_seconds(self) -> float:
        """The expected seconds of one turn, which ends after a complete step; infinite if unknown."""
        if not math.isfinite(self.work + self.step):
            return math.inf
        steps = math.ceil(self.slice / self.step) if self.step else 0
        return min(self.work, max(self.slice, steps * self.step))


class Turns:
    """Shares the network among visitors: a lock whose holder gives way between two steps.

    The next turn goes to the address that has computed least, so all get the same time, however long their steps take.
    A new address starts with the least used time of the others. An address that returns keeps a surplus until the
    others have caught up. Loading a model counts as computing.

    A client can choose its visitor name freely, so names get no shares of their own: the visitors of one address share
    its turns in order. A visitor without an address, on this machine, counts as an address. The runs of one visitor are
    computed one after another.

    At most `active` runs take turns, and at most `queue` more wait, in the order of their arrival. A visitor, and an
    address, can have half of these places.

    gradio's own queue is not enough: when an event is cancelled, it frees the place while the current step still
    computes.
    """

    def __init__(self, active: int = ACTIVE, queue: int = QUEUE, clock: Callable[[], float] = time.perf_counter):
        self.active, self.queue, self.clock = active, queue, clock
        self.changed = threading.Condition()  # guards all attributes below
        self.tickets = count()
        self.holder: Seat | None = None
        self.seats: list[Seat] = []  # all seats in the order of arrival
        self.sharing: list[Seat] = []  # the seats that take turns now
        self.used: dict[Hashable, float] = {}
        """seconds that each share has used; only for shares that have used at least as much as those that take turns"""

    @contextmanager
    def join(
        self, who: Member | None, visitor: Hashable = None, address: Hashable = None, ours: bool = False
    ) -> Iterator[Seat]:
        """Get a place in the line for the block. Leaving the block ends the turn.

        visitor: the runs of one visitor are computed one after another; None for a visitor with one run. address: the
        visitor's address, None if unknown. ours: whether the app itself computes; then no limit applies.

        Raises Full if all places are taken, or if the visitor or the address has half of them.
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
        """Hold the network for the block, without giving way to others: for work of the app itself."""
        with self.join(who, ours=True) as seat:
            seat.wait_for_turn()
            yield

    def count_others(self, visitor: Hashable) -> int:
        """Return how many runs of other visitors compute or wait."""
        with self.changed:
            return sum(seat.visitor not in (visitor, self) for seat in self.seats)

    def stop_all(self, seconds: float) -> bool:
        """Stop all members, also new ones. Return whether the line was empty within `seconds`."""
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
        """The number of members that compute, wait or download."""
        return len(self.seats)

    # --- Methods for seats. All of them need the lock.

    def _check_room(self, seat: Seat) -> None:
        """Raise Full if there is no place for a seat."""
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
        """Add the time of the current turn so far to the used time of the seat and its share."""
        now = self.clock()
        self.used[seat.share] += now - seat.charged
        seat.used, seat.charged = seat.used + now - seat.charged, now

    def give_turn(self) -> None:
        """Choose which seat computes next. A holder that waits again, or has left, ends its turn. Waiting seats begin
        to take turns while places are free. The ready seat that has used least gets the turn.
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
        """Return the seats that wait to take turns, in the order in which they will begin."""
        return sorted((seat for seat in self.seats if seat.ready and seat not in self.sharing), key=self.order)

    def _may_share(self, seat: Seat) -> bool:
        """Return whether a seat may begin to take turns now: a place is free, its address has less than half of the
        places, its visitor has no place, and enough places stay free for short runs.
        """
        near = sum(one.share == seat.share for one in self.sharing)
        own = any(one.visitor == seat.visitor for one in self.sharing)
        long = sum(one.work > SHORT for one in self.sharing)
        room = len(self.sharing) < self.active and near < max(1, self.active // 2) and not own
        return room and (seat.work <= SHORT or long < self.active - self.active // 4)

    def order(self, seat: Seat) -> tuple[float, int]:
        """Return a sort key: least used time first, then longest wait. A new share counts like the share that has used
        least.
        """
        newcomer = min((self.used[one.share] for one in self.sharing), default=0.0)
        return self.used.get(seat.share, newcomer), seat.ticket

    def seconds_to_begin(self, begun: Sequence[Seat], before: Sequence[Seat]) -> float:
        """Return the seconds until a run begins. If a place is free, add up the first turns of the runs before it; else
        return the time until a place becomes free.
        """
        if len(begun) + len(before) < self.active:
            turns = sum(one.turn_seconds for one in before)
            if self.holder:
                late = self.clock() - self.holder.since - (turn := self.holder.turn_seconds)
                # infinite if the holder takes more than twice the expected time, because its steps are slower than
                # measured
                turns += math.inf if late > turn else max(0.0, -late)
            return turns
        seconds, works = 0.0, [one.work for one in (*begun, *before)]
        while len(works) >= self.active:
            sharing, waiting = works[: self.active], works[self.active :]
            least = min(sharing)
            seconds += least * len(sharing)
            works = [work - least for work in sharing if work > least] + waiting
        return seconds
