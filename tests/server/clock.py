"""A clock that tests move."""

START = 1_800_000_000.0
HOUR = 3600.0
DAY = 24 * HOUR


class Clock:
    """Seconds since the epoch; stands still until somebody says `later`."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> float:
        return self.now

    def later(self, seconds: float) -> None:
        self.now += seconds
