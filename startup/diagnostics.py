"""A failure in PostgreSQL, on one line: what it said, and the statement that failed."""

import re

import psycopg2

from startup.statements import one_line


def message_of(error: psycopg2.Error) -> str:
    """The database's own message, with its detail and its hint, on one line."""
    unsaid = re.sub(r"^\w+:  ", "", str(error).strip()).partition("\n")[0] or "no reason given"
    hint = f"({error.diag.message_hint.removesuffix('.')})" if error.diag.message_hint else ""
    parts = [error.diag.message_primary or unsaid, error.diag.message_detail or "", hint]
    return " ".join(" ".join(parts).split()).removesuffix(".")


def statement_of(error: psycopg2.Error) -> str:
    """The statement that failed, on one line; of a DO block the one inside."""
    inner = re.search(r'SQL statement "(.*?)"\nPL/pgSQL', error.diag.context or "", re.DOTALL)
    sent = error.cursor.query if error.cursor is not None else None
    text = error.diag.internal_query or (inner and inner[1]) or (sent or b"unknown").decode("utf-8", "replace")
    text = one_line(text)
    return text if len(text) <= 300 else f"{text[:300]}…"
