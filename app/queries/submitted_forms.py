"""Forms that were sent, so that a double click or a reload does not do it twice."""

from uuid import UUID

from psycopg2.extensions import cursor as Cursor


def is_first(cursor: Cursor, token: UUID, user_id: int) -> bool:
    """Note the form, and tell whether this is the first time; a second one waits until the first has ended.

    What is older than a day, and nobody sends again, goes: more at a time than come.
    """
    cursor.execute(
        """
        WITH gone AS (
            DELETE FROM submitted_forms
            WHERE id IN (
                SELECT id
                FROM submitted_forms
                WHERE submitted_at < timezone('utc', now()) - interval '1 day'
                ORDER BY submitted_at
                LIMIT 20
                FOR UPDATE SKIP LOCKED
            )
        )
        INSERT INTO submitted_forms (token, user_id) VALUES (%s::uuid, %s) ON CONFLICT (token) DO NOTHING
        """,
        (str(token), user_id),
    )
    return cursor.rowcount == 1
