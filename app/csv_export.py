"""Time entries as CSV, a piece at a time.

UTF-8 with a byte order mark, without which Excel takes it for another encoding; lines end with CR LF. All text is
quoted, and none of it begins a formula, not even where a spreadsheet that expects another delimiter cuts it.
"""

import csv
import io
import re
from collections.abc import Iterable, Iterator
from datetime import datetime
from zoneinfo import ZoneInfo

from app.durations import hours_and_minutes
from app.queries.reports import Entry
from app.timekeeping import to_local

COLUMNS = (
    "id", "user", "project", "client", "task", "notes", "tags", "billable", "start", "end",
    "raw_seconds", "raw", "credited_seconds", "credited",
)  # fmt: skip
DELIMITERS = ",;\t|"
ROWS_AT_ONCE = 500

# Spreadsheets take what begins so for a formula, the wide forms of East Asia included; a dash before a blank, as in the
# lists of notes, only where the whole text begins with it.
FORMULA_SIGNS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")  # noqa: RUF001
FORMULA_WITHIN = re.compile(r"(?<=[,;|\t\r\n])(?=[=+@＝＋＠]|[-－](?! ))")  # noqa: RUF001


def pieces(entries: Iterable[Entry], delimiter: str, zone: ZoneInfo, at: datetime) -> Iterator[bytes]:
    """Give the file. Times are local ones of `zone` with their offset; a running entry counts until `at` (UTC).

    `credited` is what the reports count, in whole minutes; `raw` is what passed between start and end. A `delimiter`
    that would make the file unreadable is replaced by a comma.
    """
    buffer = io.StringIO()
    delimiter = delimiter if delimiter and delimiter in DELIMITERS else ","
    writer = csv.writer(buffer, delimiter=delimiter, lineterminator="\r\n", quoting=csv.QUOTE_NONNUMERIC)
    buffer.write("\N{ZERO WIDTH NO-BREAK SPACE}")
    writer.writerow(COLUMNS)
    for number, entry in enumerate(entries, 1):
        writer.writerow(_row(entry, zone, at))
        if number % ROWS_AT_ONCE == 0:
            yield _emptied(buffer)
    yield _emptied(buffer)


def harmless(text: str | None) -> str:
    """Return `text` so that no spreadsheet takes it for a formula: with an apostrophe before what could be one."""
    text = FORMULA_WITHIN.sub("'", text or "")
    return f"'{text}" if text.startswith(FORMULA_SIGNS) else text


def _row(entry: Entry, zone: ZoneInfo, at: datetime) -> list[str | int]:
    raw = int(((entry.end or at) - entry.start).total_seconds())
    texts = (entry.user, entry.project, entry.client, entry.task, entry.notes, entry.tags)
    return [
        entry.id,
        *map(harmless, texts),
        "yes" if entry.billable else "no",
        to_local(entry.start, zone).isoformat(timespec="seconds"),
        to_local(entry.end, zone).isoformat(timespec="seconds") if entry.end else "",
        raw,
        harmless(hours_and_minutes(raw // 60 if raw >= 0 else -(-raw // 60))),
        entry.minutes * 60,
        hours_and_minutes(entry.minutes),
    ]


def _emptied(buffer: io.StringIO) -> bytes:
    text = buffer.getvalue()
    buffer.seek(0)
    buffer.truncate()
    return text.encode("utf-8", "replace")
