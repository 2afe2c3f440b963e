"""A primary and a hot standby that follows it."""

import contextlib
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from installation import wait_for
from local_postgres import SUPERUSER
from local_postgres.server import LocalServer
from parts import postgres_binaries

HBA = (f"host replication {SUPERUSER} 127.0.0.1/32 trust",)
FOLLOWS = "SELECT FROM pg_stat_replication WHERE state = 'streaming' AND replay_lsn >= pg_current_wal_flush_lsn()"


class Pair:
    """Two servers, of which `standby` follows `primary` until it is promoted. Both are Servers of the tests."""

    def __init__(self, primary: Any, standby: Any):
        self.primary = primary
        self.standby = standby

    def url(self, database: Any, port: int | None = None) -> str:
        """A URL with both hosts; `port` is that of a proxy before the primary."""
        own = f"127.0.0.1:{self.primary.port}"
        return database.url.replace(own, f"127.0.0.1:{port or self.primary.port},127.0.0.1:{self.standby.port}")

    def wait_until_equal(self) -> None:
        """Wait until the standby has replayed what the primary has committed."""
        with contextlib.closing(self.primary.connect()) as connection, connection.cursor() as cursor:

            def follows() -> bool:
                cursor.execute(FOLLOWS)
                return cursor.rowcount == 1

            wait_for(follows)

    def part(self) -> None:
        """Let the standby hear no more of the primary, as after the network between them broke."""
        self.standby.execute("ALTER SYSTEM SET primary_conninfo = ''")
        self.standby.execute("SELECT pg_reload_conf()")
        with contextlib.closing(self.primary.connect()) as connection, connection.cursor() as cursor:

            def is_alone() -> bool:
                cursor.execute("SELECT FROM pg_stat_replication")
                return cursor.rowcount == 0

            wait_for(is_alone)

    def fail_over(self) -> None:
        """Let the primary die, and promote the standby."""
        self.primary.local.stop_immediately()
        self.standby.execute("SELECT pg_promote()")


@contextlib.contextmanager
def following(primary: Any, folder: Path) -> Iterator[Pair]:
    """Lend the primary and a standby of it, which is made in `folder`."""
    binaries = postgres_binaries()[primary.version]
    copy = [binaries / "pg_basebackup", "--pgdata", folder / "cluster", "--write-recovery-conf", "--checkpoint=fast"]
    source = ["--host=127.0.0.1", f"--port={primary.port}", f"--username={SUPERUSER}", "--no-sync"]
    folder.mkdir(mode=0o700)
    subprocess.run([*copy, *source], check=True, capture_output=True)
    settings = primary.local.settings
    with LocalServer(folder, binaries=binaries, settings=settings, listen_tcp=True) as local:
        yield Pair(primary, type(primary)(primary.id, local))
