"""What the timer bar shows on every page: what runs, what is asked about it, and what may be started."""

import zlib
from datetime import UTC, datetime
from typing import NamedTuple

from flask import Flask, g, request
from psycopg2.extensions import TRANSACTION_STATUS_INERROR

from app import db, security, timekeeping, timers
from app.forms.timer import KEEP, KEEP_ALL, LOCAL_TIME, StartForm
from app.queries import timer
from app.queries.timer import Timer


class Shown(NamedTuple):
    """A running timer, and what has to be asked about it. `seconds` is how long it has run; `zone` is of its times."""

    entry: Timer
    seconds: int
    is_forgotten: bool
    is_too_long: bool
    activity: datetime
    zone: str

    @property
    def asks(self) -> bool:
        """Whether its user has to say what became of it."""
        return self.is_forgotten or self.is_too_long

    @property
    def activity_fits(self) -> bool:
        """Whether it could end at the last activity."""
        return not timers.is_too_long(self.entry.start, self.activity)


class Bar(NamedTuple):
    """What the bar shows. `key` differs when anything of it does; `next` is the page to come back to; `keep` is the
    answer that keeps running what asks."""

    running: list[Shown]
    keep: str | None
    latest: Timer | None
    suggestions: list[Timer]
    form: StartForm | None
    now: datetime
    next: str
    key: str
    is_single: bool

    @property
    def asks(self) -> bool:
        """Whether there is such a question about any of them."""
        return any(shown.asks for shown in self.running)


def bar() -> Bar | None:
    """Return what the bar shows, read once a request; None for nobody and while the database cannot be asked."""
    user = security.person()
    if user is None or g.get("is_failing") or _is_broken():
        return None
    if "timer_bar" not in g:
        recent = timer.running_and_recent(db.cursor(), user.id, security.now())
        shown = [shown_of(entry) for entry in recent.running]
        must_answer = any(one.asks for one in shown)
        g.timer_bar = Bar(
            running=shown,
            keep=keep_answer(shown),
            latest=recent.latest,
            suggestions=recent.suggestions,
            form=None if must_answer else StartForm(formdata=None),
            now=security.now(),
            next=come_back(),
            key=_key(shown),
            is_single=security.current_settings().single_active_timer,
        )
    return g.timer_bar


def shown_of(entry: Timer) -> Shown:
    """Return a running timer as it is shown to its user."""
    now, last_seen = security.now(), security.viewer().last_seen_at
    return Shown(
        entry=entry,
        seconds=max(int((now - entry.start).total_seconds()), 0),
        is_forgotten=timers.is_forgotten(entry.start, last_seen, now, security.current_settings().idle_timeout_minutes),
        is_too_long=timers.is_too_long(entry.start, now),
        activity=timers.last_activity(entry.start, last_seen),
        zone=security.zone().key,
    )


def keep_answer(running: list[Shown], waiting: StartForm | None = None) -> str | None:
    """Return the answer that keeps running what asks, None where nothing can be kept.

    Activity is noted for all timers at once, so that all are kept or none: none beside one that is too long, nor, where
    one may run, beside what is to start.
    """
    asking = [shown for shown in running if shown.asks]
    if any(shown.is_too_long for shown in asking) or (waiting and security.current_settings().single_active_timer):
        return None
    return KEEP_ALL if len(asking) > 1 else KEEP


def come_back() -> str:
    """Return the page that is looked at, to come back to it; of a page of the timer, the one that it came from."""
    if request.method == "GET" and request.url_rule is not None and request.blueprint != "timer":
        return request.full_path.rstrip("?")
    return security.safe_next(request.values.get("next"))


def milliseconds(moment: datetime) -> int:
    """Return a moment (UTC, no zone) as the clock of a script takes it."""
    return int(moment.replace(tzinfo=UTC).timestamp() * 1000)


def local_minute(moment: datetime) -> str:
    """Return a moment (UTC, no zone) as a field of a local time takes it."""
    return f"{timekeeping.to_local(moment, security.zone()):{LOCAL_TIME}}"


def init_app(app: Flask) -> None:
    """Offer the bar to the templates, and the filters by which they write its times."""
    app.context_processor(lambda: {"timer_bar": bar()})
    app.add_template_filter(milliseconds)
    app.add_template_filter(local_minute)


def _is_broken() -> bool:
    """Tell whether a statement of this request failed, so that no other can be sent before the transaction ends."""
    return "connection" in g and g.connection.info.transaction_status == TRANSACTION_STATUS_INERROR


def _key(running: list[Shown]) -> str:
    return f"{zlib.crc32(repr([(shown.entry, shown.asks) for shown in running]).encode()):08x}"
