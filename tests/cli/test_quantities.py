import pytest

from wherry.cli.quantities import duration, rate


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("30", 30), ("30s", 30), ("0.5s", 0.5), ("5m", 300), ("1h", 3600), ("1h30m", 5400), ("1m30s", 90), ("1.5h", 5400)],
)
def test_durations(text: str, seconds: float) -> None:
    assert duration(text) == seconds


@pytest.mark.parametrize("text", ["", "0", "0s", "s", "-5s", "5d", "5 m", "m5", "1e3", "٣s", "inf"])
def test_what_is_no_duration(text: str) -> None:
    with pytest.raises(ValueError, match="is no duration"):
        duration(text)


@pytest.mark.parametrize(
    ("text", "bytes_a_second"),
    [
        ("500", 500),
        ("500K", 500_000),
        ("10M", 10_000_000),
        ("10m", 10_000_000),
        ("1.5G", 1_500_000_000),
        ("2MB/s", 2_000_000),
        pytest.param("9" * 400 + "G", 10**18, id="400 digits"),
    ],
)
def test_rates(text: str, bytes_a_second: int) -> None:
    assert rate(text) == bytes_a_second


@pytest.mark.parametrize("text", ["", "0", "M", "-1", "10T", "10 M", "fast", "1e6"])
def test_what_is_no_rate(text: str) -> None:
    with pytest.raises(ValueError, match="is no rate"):
        rate(text)
