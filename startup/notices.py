"""What PostgreSQL says beside its answers: the NOTICE and the WARNING that a migration raises are shown."""

import re
from collections import deque

from startup import log
from startup.catalog import question


class Notices:
    """Keeps what comes in beside the answers until tell() or forget().

    psycopg2 hands over text alone, in the language of the server, so its words are learned from examples.
    """

    def __init__(self, connection):
        self._texts: deque[str] = deque()  # psycopg2 shortens a list
        connection.notices = self._texts
        with connection.cursor() as cursor:
            cursor.execute(question("notices"))
        examples = self._messages()
        self._info, self._notice = examples[0][0], examples[1][0]
        self._passing_over = _ending(examples[-1][1])
        self.forget()

    def tell(self, id: str) -> None:
        """Write what came in, under the id of the file that raised it."""
        for severity, message in self._messages():
            if severity not in (self._info, self._notice):
                log.warning(f"{id}: {message}", migration=id)
            elif _ending(message) != self._passing_over:
                log.notice(f"{id}: {message}", migration=id)
        self.forget()

    def forget(self) -> None:
        """Drop what came in, as after a rollback."""
        self._texts.clear()

    def _messages(self) -> list[tuple[str, str]]:
        """What came in, as (severity in the server's words, message with detail and hint)."""
        parts = (text.partition(":  ") for text in self._texts)
        return [(severity, rest.strip()) for severity, _, rest in parts]


def _ending(message: str) -> str:
    """How what follows the last comma begins: 'relation "users" already exists, skipping' -> 'skipp'.

    The end of that word may change with the gender of the thing, such as in Italian.
    """
    return re.split("[,\u3001\uff0c]", message)[-1].strip()[:5]  # the commas of Japanese and Chinese too
