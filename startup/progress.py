"""What the start is doing at this moment, in words, for whoever asks while it lasts."""

_step = "reading the configuration"


def tell(step: str) -> None:
    """Say what begins now, such as 'applying 0010-time-entries'. Never an address, a password or a row."""
    global _step
    _step = step


def current() -> str:
    """What was begun last."""
    return _step
