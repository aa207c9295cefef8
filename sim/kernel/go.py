"""Go's scheduler: which goroutine of a process runs when, in the controllers', the API server and etcd.

A goroutine computes in bursts and parks in between (for a lock, a timer, an answer). The runtime has as many
processors (P) as cores. Rules followed (Go 1.20's runtime/proc.go; model.md section 6 shows what they do):

* a goroutine woken by the one that runs takes that processor's ``runnext`` place and pushes the one before it
  to the end of the processor's own queue; an idle processor steals from there;
* a processor takes, in this order: due timers, ``runnext``, its own queue, the global queue, the network, what
  it can steal; every 61st time the global queue comes first;
* ``sysmon`` looks every 10 ms, when it gets a core (``kernel/sysmon.py``). It preempts a processor on which the
  same time slice has run since its last look but one: the goroutine goes to the end of the global queue. So one
  that computes for long gets 10 to 20 ms, 20 where several do, and more where all cores are taken. A slice is as
  long as ``schedtick`` stands still: one goroutine's bursts, and those of whoever follows it by ``runnext``;
* answers and watch events from the network are seen only when somebody visits the poller: at once where a
  processor is idle, otherwise when one runs out of work, or when ``sysmon`` looks. They then queue globally.

That is why a controllers' process that generates keys on every core is silent for tens of milliseconds and then
does several things at once: whoever gets a processor at last wakes others, and those come before the keys.

Left out: the limit of a processor's own queue (256), ``sysmon``'s shorter sleeps after an idle time, garbage
collection.
"""

from __future__ import annotations

from heapq import heappush
from typing import Protocol

from sim.kernel.bursts import Burst, Goroutine
from sim.kernel.machine import Machine
from sim.kernel.runqueues import Processor, RunQueues
from sim.kernel.simulation import Simulation
from sim.kernel.sysmon import Sysmon


class SchedulerOptions(Protocol):
    """What the runtime goes by; ``slice`` and ``poll`` in nanoseconds."""

    @property
    def procs(self) -> int | None:
        """GOMAXPROCS; by default the number of cores."""

    @property
    def slice(self) -> int:
        """A running goroutine is preempted after this."""

    @property
    def poll(self) -> int:
        """How often the poller is visited when every processor is busy."""

    @property
    def fair(self) -> bool:
        """False: plain round-robin."""


LONG_BURST = 3_000_000
"""Bursts of fewer nanoseconds are over before ``sysmon`` could do anything about them."""


class GoProcess(RunQueues):
    """One Go process on a machine."""

    def __init__(self, simulation: Simulation, machine: Machine, options: SchedulerOptions) -> None:
        self._sim = simulation
        self._machine = machine
        self._ends = machine.ends
        self._fair = options.fair
        self._slice = options.slice
        super().__init__(options.procs or machine.cores)
        self.idle: list[Processor] = []
        """Processors that have nothing to do: a thread has to be woken for what comes next while there are any."""
        self.spare = self._procs
        """Processors never used so far."""
        self.sysmon = Sysmon(simulation, machine, options.poll, self._look)
        self.running: Processor | None = None
        """The processor whose goroutine runs now.

        What that goroutine computes with nothing to follow may be added to the processor's ``debt``: it makes up for
        it before it ends what it does next, or while nothing else is to do. Cheaper than a burst, for work whose end
        changes nothing; a core that is idle but for such a debt is not counted as taken.
        """
        self._paused: tuple[list[tuple[Processor, Burst]], list[Processor], int] | None = None
        self._when_computed = self._computed  # at hand: making a bound method costs more than reading one
        self._when_due = self._timer
        self.stopped = False

    def stop(self) -> None:
        """Kill the process: nothing of it runs any more, nor what waits behind a goroutine that ends it itself."""
        self.stopped = True
        self.sysmon.stop()
        for processor in self._all:
            if processor.burst is not None and processor is not self.running:
                self._machine.stop(processor)
            processor.due.clear()
            processor.queue.clear()
            processor.runnext = None
        self._global.clear()
        self._network.clear()
        self._waiting = 0

    def pause(self) -> None:
        """SIGSTOP: no thread runs until ``go_on``; what becomes runnable meanwhile waits for a processor."""
        if self._paused is not None or self.stopped:
            return
        bursts: list[tuple[Processor, Burst]] = [
            (processor, processor.burst) for processor in self._all if processor.burst is not None
        ]
        for processor, burst in bursts:
            burst.demand = self._machine.stop(processor)
            processor.burst = None
        self._paused = (bursts, self.idle, self.spare)
        self.idle, self.spare = [], 0

    def go_on(self) -> None:
        """SIGCONT."""
        if self._paused is None or self.stopped:
            return
        bursts, self.idle, self.spare = self._paused
        self._paused = None
        for processor, burst in bursts:
            processor.burst = burst
            self._machine.run(burst.demand, self._when_computed, processor)
        for processor in self._all:
            self._global.extend(processor.due)
            processor.due.clear()
        self._global.extend(self._network)
        self._network.clear()
        self._fill()

    def ready(self, goroutine: Goroutine) -> None:
        """Make a goroutine runnable, by the one that runs now if there is one."""
        processor = self.running
        if processor is None:
            self._hand_out(goroutine)
        elif self._fair:  # what _put_next does: the most frequent of all
            self._waiting += 1
            before = processor.runnext
            if before is not None:
                processor.queue.append(before)
            processor.runnext = goroutine
        else:
            self._global.append(goroutine)

    def ready_all(self, goroutines: list[Goroutine]) -> None:
        """Make goroutines runnable, one after the other."""
        processor = self.running
        if processor is None or not self._fair:
            for goroutine in goroutines:
                self.ready(goroutine)
        elif goroutines:
            self._waiting += len(goroutines)
            before, processor.runnext = processor.runnext, goroutines.pop()
            if before is not None:
                processor.queue.append(before)
            processor.queue += goroutines

    def wake_in(self, delay: int, goroutine: Goroutine) -> None:
        """Make a goroutine runnable after ``delay`` nanoseconds: a timer of the processor that runs now."""
        self._sim.later(delay, self._when_due, (self.running, goroutine))

    def _timer(self, timer: tuple[Processor | None, Goroutine]) -> None:
        processor, goroutine = timer
        if processor is None or self.idle or self.spare or not self._fair:
            self._hand_out(goroutine)
        else:
            processor.due.append(goroutine)

    def network_ready(self, goroutine: Goroutine) -> None:
        """Make a goroutine runnable whose answer or watch event has arrived at the socket."""
        if self.idle or self.spare or not self._fair:
            self._hand_out(goroutine)
        else:
            self._network.append(goroutine)
            self.sysmon.later()

    def quiet(self) -> bool:
        """Whether nobody waits for a processor and nobody computes for long.

        Then a chain of goroutines that only hand something on runs through at once, in the order in which they
        wake each other, and a caller may take the short cut of calling the last of them.
        """
        return not (self._global or self._waiting or self.sysmon.awaited or self._network)

    def _hand_out(self, goroutine: Goroutine) -> None:
        """Let an idle processor run a goroutine, or queue it globally: what no goroutine has woken.

        Nothing else waits while a processor is idle.
        """
        if self.stopped:
            return
        if self.idle:
            processor: Processor | None = self.idle.pop()
            if processor.debt:  # type: ignore[union-attr] # as _idle_processor does, without the call
                processor.debt = max(processor.debt - (self._sim.now - processor.since), 0)  # type: ignore[union-attr]
        else:
            processor = self._idle_processor()
        if processor is None:
            self._global.append(goroutine)
            return
        processor.turn += 1
        self.running = processor
        burst = goroutine()
        if burst is None and not (self._waiting or self._global or processor.due or self._network):
            self.running = processor.burst = None  # as _run does, without the call
            processor.since = self._sim.now
            self.idle.append(processor)
            return
        self._run(processor, burst)
        if (self._waiting or self._global) and (self.idle or self.spare):
            self._fill()

    def _idle_processor(self) -> Processor | None:
        if self.idle:
            processor = self.idle.pop()
            if processor.debt:  # what it owed it has computed meanwhile, as far as there was time
                processor.debt = max(processor.debt - (self._sim.now - processor.since), 0)
            return processor
        if not self.spare:
            return None
        self.spare -= 1
        processor = Processor()
        self._all.append(processor)
        return processor

    def _fill(self) -> None:
        """Give what waits to idle processors."""
        while self._waiting or self._global:
            processor = self._idle_processor()
            if processor is None:
                return
            self._run_next(processor)

    def _run_next(self, processor: Processor) -> None:
        goroutine = self._next(processor)
        self.running = processor
        self._run(processor, goroutine())

    def _run(self, processor: Processor, burst: Burst | None) -> None:
        """Compute a burst on the processor, or run others after it, until one computes or nothing is left to run."""
        while burst is None:
            if self._global or processor.due:
                burst = self._next(processor)()
            elif self._waiting:
                woken = processor.runnext
                if woken is not None:  # what _next finds, most often
                    processor.runnext = None
                    self._waiting -= 1
                    burst = woken()
                elif processor.queue:
                    processor.turn += 1
                    self._waiting -= 1
                    burst = processor.queue.popleft()()
                else:
                    burst = self._next(processor)()
            elif self._network:
                burst = self._next(processor)()
            else:
                self.running = processor.burst = None
                processor.since = self._sim.now
                self.idle.append(processor)
                return
        self.running = None
        demand = burst.demand
        if processor.debt:
            demand = burst.demand = demand + processor.debt
            processor.debt = 0
        processor.burst = burst
        machine, ends = self._machine, self._ends
        if demand >= LONG_BURST:
            self.sysmon.later()
        if machine.waiting or len(ends) >= machine.cores:
            machine.run(demand, self._when_computed, processor)
        else:  # as machine.run does, without the call
            sim = self._sim
            next_tie = sim.next_tie
            machine.busy_ns += demand
            end = sim.now + demand
            ends[processor] = (end, demand, self._when_computed)
            heappush(sim.calls, (end, next_tie(), self._when_computed, processor))

    def _computed(self, processor: Processor) -> None:
        ends = self._ends  # as machine.finished does, without the call: the hot path
        found, sim, machine = ends.get(processor), self._sim, self._machine
        now = sim.now
        if found is None or found[0] != now:
            return
        del ends[processor]
        if machine.waiting:
            machine.left(processor)
        if not self.stopped:
            # What this wakes is given out at the end, this processor included.
            self.running = processor
            burst = processor.burst.then()  # type: ignore[union-attr]
            if not (self._waiting or self._global or processor.debt):  # as _run does, without the call
                if burst is None:
                    if not (processor.due or self._network):
                        self.running = processor.burst = None
                        self.idle.append(processor)
                        return
                elif (demand := burst.demand) < LONG_BURST and not machine.waiting and len(ends) < machine.cores:
                    self.running = None
                    processor.burst = burst
                    machine.busy_ns += demand
                    end = now + demand
                    next_tie = sim.next_tie
                    ends[processor] = (end, demand, self._when_computed)
                    heappush(sim.calls, (end, next_tie(), self._when_computed, processor))
                    return
            turn = processor.turn
            self._run(processor, burst)
            if self._waiting or self._global:
                if self.idle or self.spare:
                    self._fill()
                elif processor.turn == turn:  # its slice goes on while others wait: sysmon may have to end it
                    self.sysmon.later()

    def _look(self) -> None:
        """What sysmon does: visit the poller, and preempt who has run for too long."""
        now = self._sim.now
        self._global.extend(self._network)
        self._network.clear()
        for processor in self._all:
            burst = processor.burst
            if burst is None:
                continue
            awaited = self._global or processor.due or processor.runnext or processor.queue
            if not awaited and burst.demand < LONG_BURST:
                continue
            self.sysmon.later()
            if processor.turn != processor.seen_turn:
                processor.seen_turn = processor.turn
                processor.seen_at = now
            elif now - processor.seen_at >= self._slice:
                if awaited:
                    self._preempt(processor, burst)
                else:  # preempted as well, and next at once: another slice
                    processor.turn += 1
        self._fill()

    def _preempt(self, processor: Processor, burst: Burst) -> None:
        burst.demand = self._machine.stop(processor)
        self._global.append(lambda: burst)
        self._run_next(processor)
