"""Patience: what is worth another try, how long is waited in between, and when there is none. Nobody waits here."""

import random

import pytest

from tests.clock import Waits
from wherry.oci.errors import (
    ConnectionFailed,
    Denied,
    Exchange,
    ManifestUnknown,
    RegistryError,
    TimedOut,
    TLSFailed,
    TooManyRequests,
    Unavailable,
    UnexpectedResponse,
    WherryError,
)
from wherry.stores.remote.failures import ClosedEarly, NotHTTP, ProxyRefused, Refused, Unresolved
from wherry.stores.remote.retrying import Patience, Trying, asked_to_wait, is_worth_another_try

ASKED = Exchange("GET", "http://registry.example/v2/")
HINT = "try again later: what has arrived is not sent again"


def broken() -> ConnectionFailed:
    return ConnectionFailed("registry.example: the connection broke", registry="registry.example")


def busy(seconds: float | None) -> TooManyRequests:
    error = TooManyRequests("registry.example: too many requests", request=ASKED, status=429)
    error.retry_after = seconds
    return error


async def failures(trying: Trying, error: WherryError) -> int:
    """How often something may fail until that is told."""
    for number in range(1, 100):
        try:
            await trying.after(error)
        except WherryError as told:
            if told is not error:
                raise
            return number
    raise AssertionError("it is never told")


@pytest.mark.parametrize(
    "wrong",
    [{"tries": 0}, {"first_wait": -1.0}, {"longest_wait": -0.1}, {"deadline": -1.0}],
    ids=lambda wrong: next(iter(wrong)),
)
def test_patience_without_a_try_or_with_time_below_zero_is_refused(wrong):
    with pytest.raises(ValueError, match="at least one try, and no time below zero"):
        Patience(**wrong)


def refusal(kind: type[RegistryError], status: int) -> RegistryError:
    return kind("registry.example: no", request=ASKED, status=status)


def unreachable(kind: type[ConnectionFailed | TimedOut | TLSFailed]) -> WherryError:
    return kind("registry.example: no answer", registry="registry.example")


@pytest.mark.parametrize(
    ("error", "at_first", "later"),
    [
        pytest.param(refusal(Unavailable, 500), True, True, id="500"),
        pytest.param(refusal(Unavailable, 503), True, True, id="503"),
        pytest.param(refusal(Unavailable, 501), False, False, id="501"),
        pytest.param(refusal(Unavailable, 505), False, False, id="505"),
        pytest.param(refusal(RegistryError, 408), True, True, id="408"),
        pytest.param(refusal(TooManyRequests, 429), True, True, id="429"),
        pytest.param(refusal(TooManyRequests, 403), True, True, id="TOOMANYREQUESTS with another status"),
        pytest.param(refusal(ManifestUnknown, 404), False, False, id="404"),
        pytest.param(refusal(Denied, 403), False, False, id="403"),
        pytest.param(refusal(UnexpectedResponse, 502), False, False, id="a web page"),
        pytest.param(RegistryError("of our own", status=500), False, False, id="nobody was asked"),
        pytest.param(unreachable(ConnectionFailed), True, True, id="the connection broke"),
        pytest.param(unreachable(ClosedEarly), True, True, id="closed early"),
        pytest.param(unreachable(Refused), False, True, id="the port is closed"),
        pytest.param(unreachable(Unresolved), False, True, id="no such name"),
        pytest.param(unreachable(TimedOut), False, True, id="silence"),
        pytest.param(unreachable(NotHTTP), False, False, id="no HTTP"),
        pytest.param(unreachable(ProxyRefused), False, False, id="the proxy refuses"),
        pytest.param(unreachable(TLSFailed), False, False, id="TLS"),
    ],
)
def test_what_may_go_well_the_next_time_is_worth_it_and_what_is_misspelled_is_not(error, at_first, later):
    assert is_worth_another_try(error, known=False) is at_first
    assert is_worth_another_try(error, known=True) is later


async def test_what_was_tried_in_vain_is_not_tried_again_by_who_stands_above():
    error = broken()
    assert is_worth_another_try(error, known=True)
    await failures(Trying(Patience(tries=2), Waits()), error)
    assert not is_worth_another_try(error, known=True)


async def test_last_failure_is_told_as_itself_with_how_often_it_was_tried_and_the_next_step():
    waits, error = Waits(), broken()
    assert await failures(Trying(Patience(tries=4), waits), error) == 4
    assert len(waits.waited) == 3
    spent = round(sum(waits.waited))
    assert str(error) == f"registry.example: the connection broke (tried 4 times in {spent} s)"
    assert error.hint == HINT


async def test_failure_of_the_only_try_is_told_at_once_and_as_it_is():
    waits, error = Waits(), broken()
    assert await failures(Trying(Patience(tries=1), waits), error) == 1
    assert waits.waited == []
    assert str(error) == "registry.example: the connection broke"


async def test_hint_that_a_failure_brings_stays():
    error = broken()
    error.hint = "plug it in"
    await failures(Trying(Patience(tries=1), Waits()), error)
    assert error.hint == "plug it in"


async def test_waits_may_grow_twofold_up_to_the_longest():
    most = [0.0] * 9
    for seed in range(100):
        random.seed(seed)
        waits = Waits()
        await failures(Trying(Patience(tries=10, first_wait=1.0, longest_wait=20.0, deadline=1e6), waits), broken())
        most = [max(pair) for pair in zip(most, waits.waited, strict=True)]
    limits = [1, 2, 4, 8, 16, 20, 20, 20, 20]
    assert all(0.9 * limit < longest <= limit for longest, limit in zip(most, limits, strict=True)), most


async def test_clients_that_fail_together_do_not_come_back_together():
    first = []
    for seed in range(20):
        random.seed(seed)
        waits = Waits()
        await Trying(Patience(first_wait=10.0), waits).after(broken())
        first += waits.waited
    assert len(set(first)) == 20
    assert min(first) < 2
    assert max(first) > 8


async def test_what_a_registry_asks_to_wait_is_waited_and_something_more():
    waits = Waits()
    await Trying(Patience(first_wait=1.0), waits).after(busy(7.0))
    assert 7.0 <= waits.waited[0] <= 8.0


async def test_registry_that_asks_for_more_than_the_deadline_is_not_waited_for():
    waits, error = Waits(), busy(301.0)
    assert await failures(Trying(Patience(deadline=300.0), waits), error) == 1
    assert waits.waited == []
    assert error.is_final


async def test_deadline_counts_from_the_first_failure_and_is_never_waited_past():
    waits = Waits()
    assert await failures(Trying(Patience(tries=100, first_wait=0.0, deadline=25.0), waits), busy(10.0)) == 3
    assert waits.waited == [10.0, 10.0]


async def test_time_that_the_tries_take_counts_too():
    waits = Waits()
    trying = Trying(Patience(tries=100, first_wait=0.0, deadline=25.0), waits)
    await trying.after(busy(10.0))
    await waits.sleep(6.0)  # the next try takes so long
    with pytest.raises(TooManyRequests, match="tried 2 times in 16 s"):
        await trying.after(busy(10.0))


@pytest.mark.parametrize(
    ("error", "seconds"),
    [
        pytest.param(busy(3.0), 3.0, id="asked"),
        pytest.param(busy(None), 0.0, id="not said"),
        pytest.param(broken(), 0.0, id="no answer"),
        pytest.param(refusal(ManifestUnknown, 404), 0.0, id="another refusal"),
    ],
)
def test_only_who_is_too_busy_asks_to_wait(error, seconds):
    assert asked_to_wait(error) == seconds
