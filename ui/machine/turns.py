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
PLACES = 16  # of `QuickTurns`, half of them of one visitor
REFRESH = 0.5  # seconds after which who waits looks whether it was stopped


class Member(Protocol):
    """Something that uses the network or waits for it."""

    def stop(self) -> None:
        """Leave the line as soon as possible."""


class Full(Refused):
    """There is no room for another run."""

    def __init__(self, sentence: str, line: Turns):
        super().__init__(f"{sentence} (limit: waiting_runs = {line.queue})", "waiting_runs")


@dataclass(frozen=True)
class Outlook:
    """What a run can expect, if nobody comes or leaves.

    begun: whether it has had a turn. before: of a run that has not, how many begin before it. sharers: others that
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
    """A member's place in the line. Its owner keeps two fields up to date. work: seconds of computing that it still
    needs, infinite where that is not known. step: seconds between two chances to give way, infinite while it has to
    load a model first.
    """

    def __init__(self, line: Turns, who: Member, visitor: Hashable, address: Hashable):
        self.who = who
        self.visitor, self.address = visitor, address
        self.work, self.step = math.inf, 0.0
        self.ours = False  # for work of the app itself
        self.admitted = False  # takes turns
        self.begun = False  # has had one
        self.ready = False  # wants a turn
        self.ticket = 0  # in which order those who want one came
        self.since = self.charged = 0.0  # when its turn began; until when its time is counted
        self.slice = SLICE  # seconds of its turn
        self.used = 0.0  # seconds of all its turns, as far as they are counted: see `seconds`
        self._line = line
        self._look = threading.Event()

    def wait_for_turn(self, check: Callable[[], None] = lambda: None) -> None:
        """Wait for a turn. check() is called now and then meanwhile, and may raise."""
        self.ask()
        while not self._line.has_turn(self):
            check()
            self._look.wait(REFRESH)
            self._look.clear()

    def ask(self) -> None:
        """Want a turn, and end the one that it has. `wait_for_turn` does this, too."""
        self._line._ask(self)

    def loaded(self) -> None:
        """The turn so far was spent on loading: it goes on for as long as that took, so that half of it computes."""
        now = self._line.clock()
        self.slice, self.since = max(SLICE, now - self.since), now

    def must_yield(self) -> bool:
        """Whether its turn is over: it has computed for a slice, and the next turn is another one's."""
        return self._line._is_over(self)

    def seconds(self) -> float:
        """How long it has had turns so far: loading and computing, not waiting while others had theirs."""
        return self.used + (self._line.clock() - self.charged if self._line.has_turn(self) else 0.0)

    def wake(self) -> None:
        """Make `wait_for_turn` call check() at once."""
        self._look.set()

    def outlook(self) -> Outlook | None:
        """None before it has asked for a turn."""
        return self._line._outlook(self)


class Shares:
    """Who has used how much. used: seconds of each. level: the least of those who take turns; it only grows."""

    def __init__(self) -> None:
        self.used: dict[Hashable, float] = {}
        self.level = 0.0
        self._sharing: set[Hashable] = set()

    def standing(self, who: Hashable) -> float:
        """The seconds that count as used: a newcomer's are those of who has used least."""
        used = self.used.get(who, 0.0)
        return used if who in self._sharing else max(used, self.level)

    def begin(self, who: Hashable) -> None:
        """They take turns now."""
        self.used[who] = self.standing(who)
        self._sharing.add(who)

    def update(self, sharing: set[Hashable], here: set[Hashable]) -> None:
        """sharing: who takes turns. here: they and who waits; others are remembered while they have used more."""
        self._sharing = sharing
        self.level = max(self.level, min((self.used[who] for who in sharing), default=0.0))
        self.used = {who: used for who, used in self.used.items() if who in here or used > self.level}


class Turns:
    """Shares the network among visitors: a lock whose holder gives way between two steps.

    The next turn is that of the visitor who has computed least, so each gets the same time, whatever a step of theirs
    takes. A visitor's own runs are computed one after another. A newcomer starts at the lowest used time; a visitor who
    returns before the others have caught up keeps a surplus. Loading a model counts as computing.

    Who is a visitor is what a client says. So addresses share the time in this way, and the visitors of one address
    share what it gets. A run without an address has one of its own.

    At most `active` runs take turns, and at most `queue` more may wait, in the order in which they came. A visitor, and
    an address, has at most half of these seats.

    gradio's queue limits are not enough: cancelling an event frees its slot while the current step still computes.
    """

    def __init__(self, active: int = ACTIVE, queue: int = QUEUE, clock: Callable[[], float] = time.perf_counter):
        self.active, self.queue = active, queue
        self.clock = clock
        self._seats: list[Seat] = []  # in the order in which they came
        self._holder: Seat | None = None
        self._addresses = Shares()
        self._visitors: dict[Hashable, Shares] = {}  # of each address
        self._tickets = count()
        self._changed = threading.Condition()

    @contextmanager
    def join(self, who: Member, visitor: Hashable = None, address: Hashable = None) -> Iterator[Seat]:
        """A place in the line, for its `take`. visitor: whoever shares the turns with other runs of theirs, None for
        nobody else's. address: from where they ask, None where that is not known. Leaving the block ends the turn.

        Raises Full where there is none, or half of all are the visitor's already, or the address's.
        """
        with self._changed:
            self._check_room(visitor, address)
            seat = self._add(who, visitor, address)
        try:
            yield seat
        finally:
            self._leave(seat)

    def others(self, visitor: Hashable) -> int:
        """How many runs of other visitors compute or wait."""
        with self._changed:
            return sum(seat.visitor != visitor and not seat.ours for seat in self._seats)

    @contextmanager
    def turn(self, who: Member) -> Iterator[None]:
        """Take a turn that does not give way, for work of the app itself. It is not refused."""
        with self._changed:
            seat = self._add(who, None, None)
            seat.ours = True
        try:
            seat.wait_for_turn()
            yield
        finally:
            self._leave(seat)

    def stop_all(self, seconds: float) -> bool:
        """Stop all members, new ones included; returns whether the line was empty within so many seconds."""
        end = time.monotonic() + seconds
        while True:
            with self._changed:
                seats = list(self._seats)
            if not seats or time.monotonic() > end:
                return not seats
            for seat in seats:
                seat.who.stop()
                seat.wake()
            with self._changed:
                self._changed.wait_for(lambda: not self._seats, timeout=0.1)

    def __len__(self) -> int:
        """How many compute, wait or download."""
        return len(self._seats)

    def has_turn(self, seat: Seat) -> bool:
        return self._holder is seat

    # --- For seats

    def _check_room(self, visitor: Hashable, address: Hashable) -> None:
        room = self.active + self.queue
        own = sum(seat.visitor == visitor for seat in self._seats)
        near = 0 if address is None else sum(seat.address == address for seat in self._seats)
        if len(self._seats) >= room:
            limits = f"at most {self.active} take turns and {self.queue} wait"
            raise Full(f"There are too many runs now ({limits}): try again in a few minutes", self)
        if own >= max(1, room // 2):
            raise Full(f"You have {own} runs here, and a visitor may have {room // 2}: wait until one ends", self)
        if near >= max(1, room // 2):
            raise Full(f"Your address has {near} runs here, and may have {room // 2}: wait until one ends", self)

    def _add(self, who: Member, visitor: Hashable, address: Hashable) -> Seat:
        visitor = object() if visitor is None else visitor
        seat = Seat(self, who, visitor, ("visitor", visitor) if address is None else address)
        self._seats.append(seat)
        return seat

    def _ask(self, seat: Seat) -> None:
        with self._changed:
            self._end_turn(seat)
            seat.ready, seat.ticket = True, next(self._tickets)
            self._give_turn()

    def _is_over(self, seat: Seat) -> bool:
        with self._changed:
            if len(self._seats) == 1 or self.clock() - seat.since < seat.slice:
                return False
            self._charge(seat)
            seat.ready, seat.ticket = True, next(self._tickets)  # as if it had asked
            other = self._next() is not seat
            seat.ready = False
            return other

    def _leave(self, seat: Seat) -> None:
        with self._changed:
            self._end_turn(seat)
            self._seats.remove(seat)
            self._update()
            self._give_turn()
            self._changed.notify_all()

    # --- Under the lock

    def _end_turn(self, seat: Seat) -> None:
        if self._holder is seat:
            self._charge(seat)
            self._holder = None

    def _charge(self, seat: Seat) -> None:
        """Count its time until now. Its turn goes on."""
        now = self.clock()
        for shares, who in self._shares(seat):
            shares.used[who] += now - seat.charged
        seat.used += now - seat.charged
        seat.charged = now

    def _give_turn(self) -> None:
        self._admit()
        seat = self._next()
        if self._holder is not None or seat is None:
            return
        seat.begun, seat.ready, seat.slice = True, False, SLICE
        seat.since = seat.charged = self.clock()
        self._holder = seat
        seat.wake()

    def _admit(self) -> None:
        """Let those who wait take turns, as many as may. They start at the lowest used time of the others."""
        self._update()
        admitted = self._admitted()
        for seat in self._waiting():
            works = [other.work for other in admitted]
            near = sum(other.address == seat.address for other in admitted)
            own = any(other.visitor == seat.visitor for other in admitted)
            if self._may_begin(seat.work, works) and not own and near < max(1, self.active // 2):
                seat.admitted = True
                for shares, who in self._shares(seat):
                    shares.begin(who)
                admitted.append(seat)

    def _next(self) -> Seat | None:
        """Whose turn it is: of those who want one, the visitor who has used least; then who has waited longest."""
        ready = [seat for seat in self._seats if seat.admitted and seat.ready]
        return min(ready, key=self._order, default=None)

    def _admitted(self) -> list[Seat]:
        return [seat for seat in self._seats if seat.admitted]

    def _waiting(self) -> list[Seat]:
        """Those who want to take turns and do not yet, in the order in which they will."""
        return sorted((seat for seat in self._seats if seat.ready and not seat.admitted), key=self._order)

    def _order(self, seat: Seat) -> tuple[float, float, int]:
        by_address, by_visitor = (shares.standing(who) for shares, who in self._shares(seat))
        return by_address, by_visitor, seat.ticket

    def _shares(self, seat: Seat) -> list[tuple[Shares, Hashable]]:
        """Between whom the time is shared, and whose share a place counts as: its address's, its visitor's of that."""
        visitors = self._visitors.setdefault(seat.address, Shares())
        return [(self._addresses, seat.address), (visitors, seat.visitor)]

    def _update(self) -> None:
        """Who is here, or takes turns, has changed."""
        if not self._seats:
            self._addresses, self._visitors = Shares(), {}
        admitted = self._admitted()
        self._addresses.update({one.address for one in admitted}, {one.address for one in self._seats})
        for address, visitors in list(self._visitors.items()):
            near = [one for one in self._seats if one.address == address]
            visitors.update({one.visitor for one in near if one.admitted}, {one.visitor for one in near})
            if not near and address not in self._addresses.used:
                del self._visitors[address]

    def _may_begin(self, work: float, others: Sequence[float]) -> bool:
        """Whether a run of so much work may begin to take turns with those others."""
        if len(others) >= self.active:
            return False
        return work <= SHORT or sum(other > SHORT for other in others) < self.active - self.active // 4

    def _outlook(self, seat: Seat) -> Outlook | None:
        with self._changed:
            begun = [one for one in self._admitted() if one.begun]
            coming = sorted((one for one in self._admitted() if not one.begun), key=self._order) + self._waiting()
            if not seat.begun and seat not in coming:
                return None
            before = [] if seat.begun else coming[: coming.index(seat)]
            sharers, holder = len(begun) - seat.begun, self._holder and self._holder.who
            if seat.begun:  # processor sharing: each of the others computes as much meanwhile, or all that it needs
                end = sum(min(one.work, seat.work) for one in (begun + coming)[: self.active])
                return Outlook(True, 0, sharers, 0.0, _finite(end), holder)
            return Outlook(False, len(before), sharers, _finite(self._start(begun, before)), None, holder)

    def _start(self, begun: Sequence[Seat], before: Sequence[Seat]) -> float:
        """Seconds until a run begins: after the first turns of those before it, or when a place comes free for it."""
        if len(begun) + len(before) < self.active:
            turns = sum(_turn(one) for one in before)
            if self._holder:
                late = self.clock() - self._holder.since - (turn := _turn(self._holder))
                turns += math.inf if late > turn else max(0.0, -late)  # its steps are not as quick as they were
            return turns
        seconds, works = 0.0, [one.work for one in (*begun, *before)]
        while len(works) >= self.active:
            sharing, waiting = works[: self.active], works[self.active :]
            least = min(sharing)
            seconds += least * len(sharing)
            works = [work - least for work in sharing if work > least] + waiting
        return seconds


class QuickTurns:
    """Turns for work of a second at most, which needs no network: one at a time, so that it is bounded in threads and
    in memory. It has a line of its own: it does not wait for runs, nor they for it.
    """

    def __init__(self) -> None:
        self._line = Turns(active=PLACES // 2, queue=PLACES - PLACES // 2)

    def __len__(self) -> int:
        """How many compute or wait."""
        return len(self._line)

    def stop(self) -> None:
        """As a member of its line: a second is waited for."""

    @contextmanager
    def turn(self, visitor: Hashable) -> Iterator[None]:
        """Wait for a turn. Raises Refused, at once, where too many wait. visitor: None for nobody that is known."""
        try:
            with self._line.join(self, visitor) as seat:
                seat.wait_for_turn()
                yield
        except Full:
            limits = f"at most {PLACES}, {PLACES // 2} of one visitor"
            raise Refused(f"Too many requests for this at once ({limits}): try again in a moment", "quick") from None


def _turn(seat: Seat) -> float:
    """Seconds of a turn, which ends with a step; infinite where that is not known."""
    if not math.isfinite(seat.work + seat.step):
        return math.inf
    steps = math.ceil(seat.slice / seat.step) if seat.step else 0
    return min(seat.work, max(seat.slice, steps * seat.step))


def _finite(seconds: float) -> float | None:
    return seconds if math.isfinite(seconds) else None
