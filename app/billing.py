"""What time is worth. Amounts are Decimal from end to end, and are rounded half up to the coin once a line."""

from collections.abc import Iterable
from decimal import ROUND_HALF_UP, Decimal

from babel.numbers import get_currency_precision


def coin_of(currency: str) -> Decimal:
    """Return the smallest coin of a currency (ISO 4217): 0.01 for EUR, 1 for JPY, 0.001 for KWD."""
    return Decimal(1).scaleb(-get_currency_precision(currency))


def agreed(rate: Decimal | None) -> Decimal | None:
    """Return an hourly rate that can be reckoned with; None for none, and for NaN and infinity of an old database."""
    return rate if rate is not None and rate.is_finite() else None


def amount(minutes: int, rate: Decimal, coin: Decimal) -> Decimal:
    """Return what a line of so many minutes costs at `rate` an hour, to the coin.

    The minutes are summed first and never turned into decimal hours: three times 20 minutes at 80 are 80.00.
    """
    return (rate * minutes / 60).quantize(coin, ROUND_HALF_UP)


def total(lines: Iterable[tuple[int, Decimal | None]], coin: Decimal) -> Decimal:
    """Return what lines of minutes and a rate come to; one without a rate comes to nothing."""
    return sum((amount(minutes, rate, coin) for minutes, rate in lines if rate is not None), 0 * coin)
