"""A primary and a hot standby, made by PostgreSQL's own tools: starts on either, and through a failover."""

import contextlib
from itertools import product

import pytest
from faults.amount import some
from faults.laboratory import Laboratory
from faults.outcome import outcome_of, require_same
from faults.proxy import Place, Proxy
from faults.replication import HBA, following
from installation import SLOW_ANSWER, errors_in, read_until

pytestmark = [pytest.mark.only_pg("pg15")]


@pytest.fixture(scope="module")
def primary(server, own_server, forks):
    """A laboratory on a primary that accepts standbys."""
    with own_server(server.id, settings={"synchronous_commit": "on"}, hba=HBA) as lent:
        yield Laboratory(lent, forks)


@pytest.fixture
def pair(primary, tmp_path):
    """The primary and a standby of the test's own."""
    with following(primary.server, tmp_path / "standby") as lent:
        yield lent


@contextlib.contextmanager
def brought_back(server):
    """Start the server again after the block, if it died in it."""
    try:
        yield
    finally:
        if server.local.pid is None:
            server.local.start()


class TestAStandbyAlone:
    def test_can_be_looked_at(self, primary, pair, run_runner):
        with primary.server.new_database() as database:
            assert run_runner("migrate", database=database).returncode == 0
            pair.wait_until_equal()
            url = pair.standby.url(database.name)
            assert run_runner("verify", database=url).returncode == 0
            assert run_runner("status", database=url).stdout == run_runner("status", database=database).stdout
            waited = run_runner("wait", database=url)
            assert waited.returncode == 0
            assert ", standby, " in waited.stderr

    def test_is_no_place_for_a_start(self, primary, pair, run_runner):
        with primary.server.new_database() as database:
            pair.wait_until_equal()
            env = {"DATABASE_WAIT_SECONDS": "1", **SLOW_ANSWER}
            result = run_runner("migrate", database=pair.standby.url(database.name), env=env)
            assert result.returncode == 5
            (error,) = errors_in(result)
            assert "server is in hot standby mode. Promote it, or give DATABASE_URL the primary" in error

    def test_is_waited_for_until_it_is_promoted(self, primary, pair, installation):
        with primary.database("half migrated") as database, brought_back(primary.server):
            expected = primary.undisturbed("half migrated")
            pair.wait_until_equal()
            with installation.start("migrate", database=pair.standby.url(database.name)) as process:
                read_until(process, "server is in hot standby mode")
                pair.fail_over()
                said = process.communicate()[1]
            assert process.returncode == 0, said
            require_same(outcome_of(type(database)(pair.standby, database.name)), expected.outcome)


def test_a_standby_that_comes_first_is_passed_over(primary, pair, forks):
    with primary.database("half migrated") as database:
        pair.wait_until_equal()
        here, there = f"127.0.0.1:{primary.server.port}", f"127.0.0.1:{pair.standby.port}"
        start = forks.run("migrate", url=database.url.replace(here, f"{there},{here}"))
        assert start.code == 0, start.said
        require_same(outcome_of(database), primary.undisturbed("half migrated").outcome)


@pytest.mark.parametrize(
    ("origin", "moment", "part", "lost"),
    some([*product(["empty", "half migrated", "damaged"], ["before", "after"], [0.3, 0.7], [False, True])], 6),
)
def test_a_failover_in_the_middle_lets_the_start_finish_on_the_new_primary(
    primary, pair, forks, origin, moment, part, lost
):
    """Where the standby lacks what the primary committed last, the start does that again."""
    undisturbed = primary.undisturbed(origin)
    place = Place(round(part * len(undisturbed.statements)), moment)
    with primary.database(origin) as database, brought_back(primary.server), primary.telling(place, undisturbed):
        pair.wait_until_equal()
        with Proxy(primary.server.port) as proxy:
            if lost:
                proxy.interrupt(Place(place.number // 2, "before"), pair.part)

            def fail_over():
                if not lost:
                    pair.wait_until_equal()
                pair.fail_over()
                proxy.close()  # or it would accept connections that nobody answers, which libpq takes for a server

            proxy.interrupt(place, fail_over)
            start = forks.run("migrate", url=pair.url(database, proxy.port))
        assert start.code == 0, start.said
        assert "going on" in start.said
        promoted = type(database)(pair.standby, database.name)
        require_same(outcome_of(promoted, numbered=False), undisturbed.unnumbered)
        assert forks.run("migrate", url=pair.url(database)).code == 0
