"""What time is worth. Amounts are Decimal from end to end, and are rounded half up to the cent once a line."""

from decimal import ROUND_HALF_UP, Decimal

CENT = Decimal("0.01")


def amount(minutes: int, rate: Decimal) -> Decimal:
    """Return what a line of so many minutes costs at `rate` an hour, to the cent.

    The minutes are summed first and never turned into decimal hours: three times 20 minutes at 80 are 80.00.
    """
    return (rate * minutes / 60).quantize(CENT, ROUND_HALF_UP)
