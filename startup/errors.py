"""What can end a start: each error knows its exit code and says what was seen, what was expected, what to do."""


class StartError(Exception):
    """A start cannot go on. `problems` are complete sentences for the operator, one line each."""

    exit_code = 70

    def __init__(self, *problems: str):
        super().__init__("\n".join(problems))
        self.problems = problems


class SchemaDiffersError(StartError):
    """The schema is not the one that this version needs."""

    exit_code = 1


class UsageError(StartError):
    """The command line, the environment or the migration files are wrong."""

    exit_code = 2


class DatabaseUnusableError(StartError):
    """The database cannot be reached, or this role may not do there what has to be done."""

    exit_code = 5


class ConnectionLostError(DatabaseUnusableError):
    """The session ended in the middle. `loss` says so without a remedy, for a start that goes on by itself."""

    def __init__(self, said: str, during: str = ""):
        place = f" during {during}" if during else ""
        self.loss = f"The connection to PostgreSQL was lost{place}: {said}. What was not committed is rolled back"
        super().__init__(f"{self.loss}; look at the server, then start again")


class MigrationFailedError(StartError):
    """A migration failed; what it had done was rolled back."""

    exit_code = 6


class LockTimeoutError(StartError):
    """Somebody else was migrating for longer than we may wait."""

    exit_code = 7
