"""Sizes as people read them."""

__all__ = ["size"]

_STEP = 1000


def size(count: int) -> str:
    """Bytes in decimal units, with three digits: as registries and disks are billed."""
    value = float(count)
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if value < _STEP - 0.5 or unit == "TB":
            break
        value /= _STEP
    if unit == "B":
        return f"{count} B"
    return f"{value:.0f} {unit}" if value >= _STEP / 10 else f"{value:.1f} {unit}"
