"""How a command is told to stop."""

import asyncio
import signal
from collections.abc import Callable

__all__ = ["handle", "on_signals"]


def on_signals(event: asyncio.Event) -> None:
    """Set `event` on SIGTERM and SIGINT. SIGHUP too: the terminal is closed, and a throw-away folder must go."""
    handle(lambda _: event.set(), signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


def handle(tell: Callable[[int], None], *numbers: signal.Signals) -> None:
    """Call `tell` on the event loop with the number of each of these signals that comes; but `nohup` has the last word."""
    for number in numbers:
        if number == signal.SIGHUP and signal.getsignal(number) is signal.SIG_IGN:
            continue
        asyncio.get_running_loop().add_signal_handler(number, tell, number)
