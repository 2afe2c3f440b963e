"""What a new installation starts with: the first administrator, a project, the settings, a secret key."""

from startup import log
from startup.catalog import State, question
from startup.configuration import Configuration


def missing(state: State) -> bool:
    """Whether there is anything that insert() would insert."""
    return not ("defaults" in state.marks and state.has_rows.get("settings") and state.has_rows.get("app_secrets"))


def insert(connection, configuration: Configuration) -> None:
    """Insert what is missing, in one transaction with the mark that it was done."""
    values = {"admin_username": configuration.admin_username} | configuration.settings
    with connection.cursor() as cursor:
        cursor.execute(question("defaults"), values)  # several statements in one message are one transaction
        inserted = [what for (what,) in cursor.fetchall()]
    if inserted:
        log.write(f"Inserted the defaults: {', '.join(inserted)}", inserted=inserted)
