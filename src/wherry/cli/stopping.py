"""How a command that runs until it is told to stop is told."""

import asyncio
import signal

__all__ = ["on_signals"]


def on_signals(event: asyncio.Event) -> None:
    """Set `event` on SIGTERM and SIGINT. SIGHUP too: the terminal is closed, and a throw-away folder must go; but `nohup` has the last word."""
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        if number == signal.SIGHUP and signal.getsignal(number) is signal.SIG_IGN:
            continue
        asyncio.get_running_loop().add_signal_handler(number, event.set)
