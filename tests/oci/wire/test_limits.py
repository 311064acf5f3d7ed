import pytest

from wherry.oci.wire.limits import RateLimit, read_rate_limit, read_retry_after

NOW = 784_111_777.0  # Sun, 06 Nov 1994 08:49:37 GMT, the date that RFC 9110 has


@pytest.mark.parametrize(
    ("limit", "remaining", "expected"),
    [
        ("100;w=21600", "76;w=21600", RateLimit(100, 76, 21600.0)),
        ("100, 100;w=60", "3", RateLimit(100, 3)),
        (" 10 ; w = 5 ", "0", RateLimit(10, 0, 5.0)),
        ("100;w=21600", None, None),
        (None, "1", None),
        ("many", "1", None),
        ("-1", "1", None),
    ],
)
def test_rate_limit_is_read_as_docker_hub_writes_it(limit, remaining, expected):
    assert read_rate_limit(limit, remaining) == expected


def test_rate_limit_says_in_which_time_one_more_is_allowed():
    assert RateLimit(100, 1, 21600.0).interval == 216.0
    assert RateLimit(0, 0, 60.0).interval == 0.0


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("7", 7.0),
        (" 0 ", 0.0),
        ("Sun, 06 Nov 1994 08:50:37 GMT", 60.0),
        ("Sun, 06 Nov 1994 08:49:00 GMT", 0.0),
        (None, None),
        ("", None),
        ("soon", None),
        ("-3", None),
        ("1.5", None),
        ("9999999999", None),
        ("Sun, 06 Foo 1994 08:50:37 GMT", None),
    ],
)
def test_retry_after_is_read_in_both_forms(header, expected):
    assert read_retry_after(header, NOW) == expected
