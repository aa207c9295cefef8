from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from sim.client.policy import Policy
from sim.client.ratelimiter import RateLimiter
from sim.client.workqueue import Workqueue
from sim.scenario.retry import Retry
from sim.units import MINUTE, SECOND

keys = st.sampled_from("abcd")
causes = st.sampled_from(["watch", "backoff", "schedule"])


class AgainstItsRules(RuleBasedStateMachine):
    """client-go's three collections, as its documentation describes them."""

    def __init__(self) -> None:
        super().__init__()
        self.queue = Workqueue()
        self.waiting: list[str] = []
        self.dirty: dict[str, tuple[str, int]] = {}
        self.processing: set[str] = set()
        self.now = 0

    @rule(key=keys, cause=causes, later=st.integers(0, 5))
    def add(self, key: str, cause: str, later: int) -> None:
        self.now += later
        can_take = self.queue.add(key, cause, self.now)
        assert can_take == (key not in self.dirty and key not in self.processing)
        if key not in self.dirty:
            self.dirty[key] = (cause, self.now)
            if key not in self.processing:
                self.waiting.append(key)

    @rule()
    def get(self) -> None:
        item = self.queue.get()
        if not self.waiting:
            assert item is None
            return
        key = self.waiting.pop(0)
        # What put the key there first, and when.
        assert item == (key, *self.dirty.pop(key))
        assert key not in self.processing  # never twice at once
        self.processing.add(key)

    @precondition(lambda self: self.processing)
    @rule(data=st.data())
    def done(self, data: st.DataObject) -> None:
        key = data.draw(st.sampled_from(sorted(self.processing)))
        again = self.queue.done(key)
        self.processing.remove(key)
        assert again == (key in self.dirty)
        if again:
            self.waiting.append(key)

    @invariant()
    def as_long_as_expected(self) -> None:
        assert len(self.queue) == len(self.waiting)


TestWorkqueue = AgainstItsRules.TestCase
TestWorkqueue.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)


def test_a_key_added_twice_is_one_item():
    queue = Workqueue()
    assert queue.add("a", "watch", 1)
    assert not queue.add("a", "backoff", 2)
    assert queue.get() == ("a", "watch", 1)
    assert queue.get() is None


def test_a_key_added_while_it_is_processed_runs_again_after_the_others():
    queue = Workqueue()
    queue.add("a", "watch", 1)
    queue.get()
    assert not queue.add("a", "watch", 2)
    assert not queue.add("a", "backoff", 3)
    queue.add("b", "watch", 4)
    assert queue.get() == ("b", "watch", 4)
    assert queue.get() is None
    assert queue.done("a")
    assert queue.get() == ("a", "watch", 2)
    assert not queue.done("b")


@given(st.integers(1, MINUTE), st.integers(0, 100 * MINUTE), st.integers(1, 80))
def test_backoff_doubles_up_to_its_longest(base: int, more: int, failures: int):
    limiter = RateLimiter(Policy(Retry(base=base, max=base + more), lambda: 0.5))
    waits = [limiter.when("a") for _ in range(failures)]
    assert waits == [min(base * 2**k, base + more) for k in range(failures)]
    assert limiter.failures("a") == failures


def test_each_key_has_its_own_counter_and_success_resets_it():
    limiter = RateLimiter(Policy(Retry(), lambda: 0.5))
    assert [limiter.when("a") for _ in range(7)] == [s * SECOND for s in (1, 2, 4, 8, 16, 30, 30)]
    assert limiter.when("b") == SECOND
    limiter.forget("a")
    assert limiter.failures("a") == 0
    assert limiter.when("a") == SECOND
    assert limiter.when("b") == 2 * SECOND
    limiter.forget("unknown")
