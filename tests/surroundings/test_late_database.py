"""A database that comes late: after more than a minute, or under a name that nobody knows at first."""

import re
import shutil
import time
from itertools import pairwise

import pytest
from background import running
from installation import read_until
from local_postgres.server import LocalServer

SECONDS = 65
OWN_HOSTS = ["unshare", "--mount", "sh", "-c", 'mount --bind "$0" /etc/hosts && exec "$@"']


def test_a_database_that_is_not_there_for_65_seconds_is_waited_for(tmp_path):
    settings = {"fsync": "off", "max_connections": "20", "shared_buffers": "16MB"}
    with LocalServer(tmp_path / "late", settings=settings, listen_tcp=True) as local:
        url = local.url("postgres", "postgres")
        local.stop()
        with running("migrate", url, tmp_path / "log", DATABASE_WAIT_SECONDS="90") as runner:
            runner.says("Waiting for PostgreSQL")
            time.sleep(SECONDS)
            waiting = runner.lines
            local.start()
            assert runner.ends() == 0
    assert [line for line in waiting if "Waiting for PostgreSQL" not in line] == []
    left = [int(re.search(r", (\d+) s left: ", line)[1]) for line in waiting]
    assert left[0] > 80  # one at once, then one every 10 s, each later by as long as the machine was busy
    assert all(10 <= before - after < 20 for before, after in pairwise(left)), left
    assert len(left) >= 5


@pytest.mark.only_pg("pg18")
@pytest.mark.needs("root")
@pytest.mark.needs("linux")
def test_a_name_that_is_not_known_yet_is_waited_for(server, database, installation, tmp_path):
    hosts = tmp_path / "hosts"
    shutil.copy("/etc/hosts", hosts)
    url = database.url.replace("127.0.0.1", "late.invalid")
    env = {"DATABASE_WAIT_SECONDS": "90"}
    with installation.start("migrate", database=url, env=env, wrapper=[*OWN_HOSTS, str(hosts)]) as process:
        assert 'could not translate host name "late.invalid"' in read_until(process, "Waiting for PostgreSQL")
        with hosts.open("a") as file:
            file.write("127.0.0.1 late.invalid\n")
        said = process.communicate()[1]
    assert process.returncode == 0, said
    assert "Verified the schema" in said
