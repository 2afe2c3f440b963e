"""The server ends the session of a start, or dies under it: it or the next start ends where it would have come to.

A session that an administrator ends on purpose ends the start; one that is lost with the server does not.
"""

import threading

import pytest
from faults.amount import some
from faults.laboratory import Laboratory
from faults.proxy import MOMENTS, Place

OTHER_SESSIONS = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s AND pid <> pg_backend_pid()"


def places(laboratory: Laboratory, origin: str, number: int) -> list[Place]:
    """Some places in a start; at night all."""
    count = len(laboratory.undisturbed(origin).statements)
    return some([Place(number, moment) for number in range(1, count + 1) for moment in MOMENTS], number, nightly=100)


@pytest.mark.parametrize("origin", ["empty", "damaged"])
def test_a_session_that_an_administrator_ends(laboratory, origin):
    undisturbed = laboratory.undisturbed(origin)
    for place in places(laboratory, origin, 5):
        with laboratory.database(origin) as database, laboratory.telling(place, undisturbed):

            def end_session(_, database=database):
                database.server.execute(OTHER_SESSIONS, (database.name,))

            start, _ = laboratory.interrupted(database, place, end_session)
            assert start.code in (0, 5), start.said  # 0: it had nothing more to ask
            assert start.said.count(" error: ") == (start.code == 5), start.said
            laboratory.require_convergence(database, undisturbed.outcome)


@pytest.fixture(scope="module")
def mortal(server, own_server, forks):
    """A laboratory on a server that may be stopped. A crash loses the last commits, and none before them."""
    with own_server(server.id) as lent:
        yield Laboratory(lent, forks)


@pytest.mark.parametrize("origin", ["empty", "half migrated", "damaged"])
def test_a_server_that_crashes_and_comes_back(mortal, origin):
    undisturbed = mortal.undisturbed(origin)
    for place in places(mortal, origin, 3):
        with mortal.database(origin) as database, mortal.telling(place, undisturbed):
            mortal.server.execute("CHECKPOINT")
            down = threading.Event()

            def crash(_, down=down):
                mortal.server.local.stop_immediately()
                down.set()

            def come_back(down=down):
                down.wait()
                mortal.server.local.start()  # by this thread: a server of LocalServer ends with the one that started it

            start, _ = mortal.interrupted(database, place, crash, meanwhile=come_back)
            assert start.code == 0, start.said
            mortal.require_convergence(database, undisturbed.unnumbered, numbered=False)


def test_a_server_that_comes_back_after_the_start_has_ended(mortal):
    """Nobody waits for it: the next start finds what the crash has left."""
    undisturbed = mortal.undisturbed("half migrated")
    for place in places(mortal, "half migrated", 2):
        with mortal.database("half migrated") as database, mortal.telling(place, undisturbed):
            mortal.server.execute("CHECKPOINT")

            def crash(start):
                mortal.server.local.stop_immediately()
                start.kill()

            start, _ = mortal.interrupted(database, place, crash)
            assert start.code == -9
            mortal.server.local.start()
            mortal.require_convergence(database, undisturbed.unnumbered, numbered=False)


def test_a_session_that_is_lost_before_a_file_is_replayed(laboratory):
    """It was taken for a bug (70): no file had begun that could be named."""
    undisturbed = laboratory.undisturbed("damaged")
    begins = [number for number, statement in enumerate(undisturbed.statements, start=1) if statement == "BEGIN"]
    for number in some(begins, 4, nightly=40):
        place = Place(number, "before")
        with laboratory.database("damaged") as database, laboratory.telling(place, undisturbed):
            start, _ = laboratory.interrupted(
                database, place, lambda _, name=database.name: laboratory.server.execute(OTHER_SESSIONS, (name,))
            )
            assert start.code == 5, start.said
            laboratory.require_convergence(database, undisturbed.outcome)
