"""What PostgreSQL says beside its answers: the NOTICE and the WARNING that a migration raises are shown."""

import re

from startup import log
from startup.catalog import question


class Notices:
    """Takes the place of a connection's `notices`: keeps what comes in until tell() or forget().

    psycopg2 hands over text alone, in the language of the server, so its words are learned from examples.
    """

    def __init__(self, connection):
        self._kept: list[tuple[str, str]] = []  # (severity in the server's words, message)
        connection.notices = self
        with connection.cursor() as cursor:
            cursor.execute(question("notices"))
        self._info, self._notice = self._kept[0][0], self._kept[1][0]
        self._passing_over = _ending(self._kept[-1][1])
        self.forget()

    def append(self, text: str) -> None:
        """Take one message: 'NOTICE:  message', then lines with a detail and a hint."""
        severity, _, rest = text.partition(":  ")
        self._kept.append((severity, rest.strip()))

    def tell(self, id: str) -> None:
        """Write what came in, under the id of the file that raised it."""
        for severity, message in self._kept:
            if severity not in (self._info, self._notice):
                log.warning(f"{id}: {message}", migration=id)
            elif _ending(message) != self._passing_over:
                log.notice(f"{id}: {message}", migration=id)
        self.forget()

    def forget(self) -> None:
        """Drop what came in, as after a rollback."""
        self._kept = []


def _ending(message: str) -> str:
    """How what follows the last comma begins: 'relation "users" already exists, skipping' -> 'skipp'.

    The end of that word may change with the gender of the thing, such as in Italian.
    """
    return re.split("[,\u3001\uff0c]", message)[-1].strip()[:5]  # the commas of Japanese and Chinese too
