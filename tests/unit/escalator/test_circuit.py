"""An instance that does not answer is left alone, and tested with one attempt at a time."""

from services.escalator.circuit import FAILURES, FIRST_PAUSE, LONGEST_PAUSE, Circuit


class Clock:
    seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


def opened() -> tuple[Circuit, Clock]:
    circuit = Circuit(clock := Clock())
    for _ in range(FAILURES):
        assert not circuit.is_open
        circuit.failed("GET")
    return circuit, clock


def test_it_opens_after_so_many_failures_in_a_row() -> None:
    circuit, clock = opened()
    assert (circuit.is_open, circuit.wait) == (True, FIRST_PAUSE)
    clock.seconds += FIRST_PAUSE
    assert (circuit.is_open, circuit.wait) == (True, 0), "one attempt may find out"


def test_failures_between_successes_do_not_open_it() -> None:
    circuit = Circuit()
    for _ in range(10 * FAILURES):
        circuit.failed("GET")
        circuit.succeeded("GET")
    assert not circuit.is_open


def test_searches_that_work_do_not_hide_that_writing_fails() -> None:
    circuit = Circuit(clock := Clock())
    for _ in range(FAILURES):
        circuit.succeeded("GET")
        circuit.failed("POST")
    clock.seconds += FIRST_PAUSE
    circuit.succeeded("GET")
    assert circuit.is_open
    circuit.succeeded("POST")
    assert not circuit.is_open


def test_each_test_that_fails_doubles_the_pause_up_to_the_longest() -> None:
    circuit, clock = opened()
    pauses = []
    for _ in range(6):
        pauses.append(circuit.wait)
        clock.seconds += circuit.wait
        circuit.failed("GET")
    assert pauses == [2, 4, 8, 16, 30, LONGEST_PAUSE]


def test_calls_that_were_under_way_when_it_opened_do_not_prolong_the_pause() -> None:
    circuit, clock = opened()
    clock.seconds += FIRST_PAUSE / 2
    circuit.failed("GET")
    assert circuit.wait == FIRST_PAUSE / 2


def test_a_success_closes_it_and_the_next_pause_is_short_again() -> None:
    circuit, clock = opened()
    clock.seconds += circuit.wait
    circuit.failed("GET")
    circuit.succeeded("GET")
    assert (circuit.is_open, circuit.wait) == (False, 0)
    for _ in range(FAILURES):
        circuit.failed("GET")
    assert circuit.wait == FIRST_PAUSE


def test_it_says_for_how_long_it_has_had_no_answer_from_the_first_failure_on() -> None:
    circuit = Circuit(clock := Clock())
    for _ in range(FAILURES):
        assert circuit.silent_for == 0
        clock.seconds += 3
        circuit.failed("POST")
    clock.seconds += 100
    circuit.succeeded("GET")
    assert circuit.silent_for == 100 + 3 * (FAILURES - 1)
    circuit.succeeded("POST")
    assert circuit.silent_for == 0
    circuit.failed("POST")
    assert circuit.silent_for == 0, "a single failure says nothing"
