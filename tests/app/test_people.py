"""The list of people, and what administrators do with them."""

import itertools
import re
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
import time_machine
from blocking import SOMEBODY_WAITS

from app.queries.sessions import hash_of

pytestmark = pytest.mark.only_pg("pg18")

NOW = datetime(2026, 3, 11, 12, tzinfo=UTC)  # a Wednesday
HOSTILE = ["a\0b", "\x1b[2J", "admin\u202eeve", "a\nb", "x" * 81, "", "   "]


@pytest.fixture
def carol(as_user):
    """A browser in which carol, an administrator, is signed in."""
    return as_user("carol")


@pytest.fixture
def noon(migrated, cast):
    """It is noon in London, and one o'clock in Rome, on a Wednesday; nobody's session has expired by then."""
    migrated.execute("UPDATE settings SET timezone = 'Europe/Rome'")
    with time_machine.travel(NOW, tick=False):
        yield


@pytest.fixture
def only_carol(migrated, cast):
    """Carol is the only active administrator."""
    migrated.execute("UPDATE users SET is_active = false WHERE username = 'admin'")


@pytest.fixture
def entry(migrated, cast):
    """Return a function that tracks an hour of somebody, or a timer that runs since then, and gives its id."""

    def insert(name: str, start: str, minutes: int | None = 60) -> int:
        [(id,)] = migrated.query(
            """
            INSERT INTO time_entries (user_id, start_time, end_time, duration_seconds)
            VALUES (%s, %s::timestamp, %s::timestamp + %s * interval '1 minute', %s * 60) RETURNING id
            """,
            cast[name], start, start, minutes, minutes,
        )  # fmt: skip
        return id

    return insert


def link_in(html: str) -> str:
    return re.search(r'value="(http://localhost/invitation/[\w-]{43})"', html)[1]


# --- Looking ---


def test_the_list_tells_what_an_administrator_asks_about_people(noon, carol, entry, migrated, cast, read):
    entry("alice", "2026-03-09 08:00", 90)
    entry("alice", "2026-03-08 20:00", 600)  # Sunday: not of this week
    entry("bob", "2026-03-11 11:30", None)
    migrated.execute("INSERT INTO sign_in_credentials (user_id, password_hash) VALUES (%s, 'x')", cast["alice"])
    migrated.execute("UPDATE users SET last_login = '2026-03-10 23:30' WHERE username = 'alice'")
    migrated.execute("UPDATE users SET is_active = false WHERE username = 'bob'")
    lines = read(carol.get("/people").text)
    assert "alice | Member | Password | 2026-03-11 00:30 | 2026-03-09 | 0 | 1:30" in lines
    assert "carol | Administrator | Not yet invited | never | none | 1 | 0:00" in lines
    assert "bob deactivated timer runs | Member | Not yet invited | never | 2026-03-11 | 0 | 0:30" in lines
    names = [line.split()[0] for line in lines if " | Member | " in line or " | Administrator | " in line]
    assert names == ["admin", "alice", "carol", "bob"], "who is deactivated comes last"


def test_what_is_noted_ahead_for_the_next_week_is_not_of_this_one(noon, carol, entry, read):
    entry("alice", "2026-03-15 22:30", 30)  # Sunday
    entry("alice", "2026-03-15 23:00", 600)  # Monday in Rome
    assert any(line.endswith(" | 0 | 0:30") for line in read(carol.get("/people").text) if line.startswith("alice"))


def test_the_list_asks_the_database_as_often_for_many_people_as_for_few(carol, migrated, app):
    migrated.execute("INSERT INTO users (username) SELECT 'person ' || n FROM generate_series(1, 250) AS n")
    html = carol.get("/people").text
    assert html.count("<tr>") == 1 + 200 and "Search for the others by name" in html
    html = carol.get("/people?q=SON%20250").text
    assert "person 250" in html and html.count("<tr>") == 2
    assert "Nobody has" in carol.get("/people?q=%25").text, "no wildcard"
    assert carol.get("/people?q=%00").status_code == 200


def test_members_see_and_change_none_of_it_and_unknown_ids_are_404(as_user, cast, migrated):
    alice, carol = as_user("alice"), as_user("carol")
    before = migrated.query("SELECT * FROM users ORDER BY id")
    paths = ["name", "role", "invitation", "deactivate", "activate", "sign-out", "delete", "timers/1/stop"]
    assert alice.get("/people").status_code == 403
    assert alice.submit("/people", {"username": "eve", "role": "admin"}).status_code == 403
    assert alice.get(f"/people/{cast['bob']}").status_code == 403
    for path in paths:
        assert alice.submit(f"/people/{cast['alice']}/{path}", {"role": "admin", "username": "x"}).status_code == 403
        for nobody in (987654, 10**12):
            answer = carol.submit(f"/people/{nobody}/{path}", {"role": "admin", "username": "x"})
            assert answer.status_code == 404, path
    assert carol.get("/people/987654").status_code == carol.get(f"/people/{10**12}").status_code == 404
    assert migrated.query("SELECT * FROM users ORDER BY id") == before


# --- Adding and inviting ---


def test_somebody_who_is_added_is_invited_by_a_link_that_is_shown_once(carol, migrated):
    answer = carol.submit("/people", {"username": "  dave ", "role": "admin", "token": uuid4()})
    assert answer.status_code == 303
    html = carol.get(answer.location).text
    token = link_in(html).rsplit("/", 1)[1]
    assert token not in carol.get(answer.location).text
    assert migrated.query("SELECT username, role FROM users WHERE username = 'dave'") == [("dave", "admin")]
    [(kept, lifetime)] = migrated.query("SELECT token_sha256, expires_at - created_at FROM sign_in_invitations")
    assert bytes(kept) == hash_of(token) and lifetime == timedelta(days=7)


def test_a_second_invitation_makes_the_first_one_void(carol, migrated, cast):
    path = f"/people/{cast['alice']}"
    links = []
    for _ in range(2):
        answer = carol.submit(f"{path}/invitation")
        assert answer.status_code == 303
        links.append(link_in(carol.get(answer.location).text))
    assert links[0] != links[1]
    [(kept,)] = migrated.query("SELECT token_sha256 FROM sign_in_invitations WHERE used_at IS NULL")
    assert bytes(kept) == hash_of(links[1].rsplit("/", 1)[1])
    assert "pending" in carol.get(path).text


def test_a_form_that_is_sent_twice_adds_one_person(carol, migrated):
    data = {"username": "dave", "role": "user", "token": uuid4()}
    answers = [carol.submit("/people", data) for _ in range(2)]
    [(dave,)] = migrated.query("SELECT id FROM users WHERE username = 'dave'")
    assert [(answer.status_code, answer.location) for answer in answers] == [(303, f"/people/{dave}")] * 2
    html = carol.get(f"/people/{dave}").text
    assert "Already added." in html and "Invite again</button>" in html
    assert link_in(html), "where the first answer came through, its link is shown"
    answer = carol.submit("/people", data | {"username": "another"})
    assert answer.location == "/people"
    assert "nobody was added now" in carol.get("/people").text


def test_a_taken_name_that_is_sent_twice_is_refused_twice(carol, cast):
    data = {"username": "alice", "role": "user", "token": uuid4()}
    for _ in range(2):
        answer = carol.submit("/people", data)
        assert answer.status_code == 422 and "Somebody has that name already." in answer.text


def test_names_that_cannot_be_are_refused_beside_the_field(carol, migrated, cast):
    before = migrated.query("SELECT id, username FROM users ORDER BY id")
    for name, path in itertools.product(HOSTILE, ("/people", f"/people/{cast['alice']}/name")):
        answer = carol.submit(path, {"username": name, "role": "user", "token": uuid4()})
        assert answer.status_code == 422
        assert 'id="username-error"' in answer.text
    assert migrated.query("SELECT id, username FROM users ORDER BY id") == before


def test_names_of_the_world_are_taken_and_shown_as_they_are(carol, migrated):
    for name in ["Zoë 🦊", "שרה", "o'brien; DROP TABLE users", "<b>x</b>"]:
        answer = carol.submit("/people", {"username": name, "role": "user", "token": "no token"})
        assert answer.status_code == 303
        assert migrated.query("SELECT count(*) FROM users WHERE username = %s", name) == [(1,)]
    assert "<b>x</b>" not in carol.get("/people").text


def test_a_name_that_is_taken_is_refused_and_the_input_kept(carol, migrated, cast):
    migrated.execute("INSERT INTO users (username) VALUES ('blank ')")  # of an old database
    answer = carol.submit("/people", {"username": "Blank", "role": "user", "token": uuid4()})
    assert answer.status_code == 422 and "Somebody has that name already." in answer.text
    answer = carol.submit("/people", {"username": "ALICE", "role": "admin", "token": uuid4()})
    assert answer.status_code == 422
    assert "Somebody has that name already." in answer.text and 'value="ALICE"' in answer.text
    assert '<option selected value="admin">' in answer.text
    answer = carol.submit(f"/people/{cast['bob']}/name", {"username": "alice"})
    assert answer.status_code == 422 and "Somebody has that name already." in answer.text
    answer = carol.submit("/people", {"username": "eve", "role": "root", "token": uuid4()})
    assert answer.status_code == 422 and "Choose one of the roles." in answer.text
    answer = carol.submit(f"/people/{cast['bob']}/role", {})
    assert answer.status_code == 422 and "Choose one of the roles." in answer.text


# --- Changing ---


def test_a_new_name_or_role_holds_at_the_next_request(carol, as_user, migrated, cast):
    alice = as_user("alice")
    assert carol.submit(f"/people/{cast['alice']}/name", {"username": "Alicia"}).status_code == 303
    assert carol.submit(f"/people/{cast['alice']}/role", {"role": "admin"}).status_code == 303
    assert "Alicia" in alice.get("/people").text
    carol.submit(f"/people/{cast['alice']}/role", {"role": "user"})
    assert alice.get("/people").status_code == 403


def test_who_is_deactivated_is_out_at_once_and_stays_so_until_activated(carol, as_user, entry, migrated, cast, read):
    alice, path = as_user("alice"), f"/people/{cast['alice']}"
    timer = entry("alice", "2026-03-11 08:00", None)
    carol.submit(f"{path}/invitation")
    answer = carol.submit(f"{path}/deactivate")
    assert answer.status_code == 303
    assert alice.get("/").status_code == 302
    assert migrated.query("SELECT count(*) FROM sign_in_sessions WHERE expires_at > last_seen_at") == [(1,)], "carol's"
    assert migrated.query("SELECT count(*) FROM sign_in_invitations") == [(0,)]
    assert migrated.query("SELECT end_time FROM time_entries WHERE id = %s", timer) == [(None,)]
    lines = read(carol.get(path).text)
    assert "Deactivated, and signed out everywhere. A timer still runs." in lines
    assert "alice is deactivated and cannot stop it; it goes on counting until somebody does." in lines
    answer = carol.submit(f"{path}/invitation")
    assert answer.status_code == 409 and "Activate them first." in answer.text
    assert carol.submit(f"{path}/activate").status_code == 303
    assert alice.get("/").status_code == 302, "the old session does not come back"
    assert as_user("alice").get("/").status_code == 200


def test_a_timer_of_somebody_else_is_stopped_once_with_credited_time(noon, carol, entry, migrated, cast):
    migrated.execute("UPDATE settings SET rounding_minutes = 15")
    timer, path = entry("alice", "2026-03-11 09:52:30", None), f"/people/{cast['alice']}"
    assert carol.submit(f"/people/{cast['bob']}/timers/{timer}/stop").status_code == 409, "it is not bob's"
    assert carol.submit(f"{path}/timers/{timer}/stop").status_code == 303
    stopped = migrated.query("SELECT end_time, duration_seconds FROM time_entries")
    assert stopped == [(datetime(2026, 3, 11, 12), 135 * 60)]
    answer = carol.submit(f"{path}/timers/{timer}/stop")
    assert answer.status_code == 409 and "does not run any more" in answer.text
    assert migrated.query("SELECT end_time, duration_seconds FROM time_entries") == stopped


def test_a_timer_can_be_stopped_when_its_user_was_last_seen(noon, carol, as_user, entry, migrated, cast):
    as_user("alice")
    path, timer = f"/people/{cast['alice']}", entry("alice", "2026-03-11 08:00", None)
    migrated.execute("UPDATE sign_in_sessions SET last_seen_at = '2026-03-11 09:30' WHERE user_id = %s", cast["alice"])
    carol.submit(f"{path}/deactivate")
    assert "Stop at 2026-03-11 10:30, last seen" in carol.get(path).text, "deactivating did not forget it"
    assert carol.submit(f"{path}/timers/{timer}/stop", {"at": "last seen"}).status_code == 303
    assert migrated.query("SELECT end_time, duration_seconds FROM time_entries") == [
        (datetime(2026, 3, 11, 9, 30), 90 * 60)
    ]


def stop_forms(html: str) -> str:
    """The part of a person's page in which a timer is stopped."""
    return html[html.index("<h2>Running timer") :].partition("</section>")[0]


@pytest.mark.parametrize(
    ("seen", "offers_seen"), [(None, False), ("2026-03-04 08:00", True), ("2026-03-04 08:00:01", False)]
)
def test_a_timer_ends_neither_now_nor_when_last_seen_where_that_is_longer_than_an_entry_may_be(
    noon, carol, as_user, entry, migrated, cast, seen, offers_seen
):
    path, timer = f"/people/{cast['alice']}", entry("alice", "2026-02-25 08:00", None)
    if seen:
        as_user("alice")
        migrated.execute("UPDATE sign_in_sessions SET last_seen_at = %s WHERE user_id = %s", seen, cast["alice"])
    carol.submit(f"{path}/deactivate")
    forms = stop_forms(carol.get(path).text)
    assert "Stop now" not in forms and (", last seen" in forms) is offers_seen
    for at in ["now", "", *([] if offers_seen else ["last seen"])]:
        answer = carol.submit(f"{path}/timers/{timer}/stop", {"at": at})
        assert answer.status_code == 409 and "One entry lasts at most 7 days." in answer.text
    assert migrated.query("SELECT end_time FROM time_entries") == [(None,)]


def test_a_timer_that_was_forgotten_for_weeks_ends_when_the_administrator_says(
    noon, carol, entry, migrated, cast, read
):
    migrated.execute("UPDATE settings SET rounding_minutes = 15")
    path, timer = f"/people/{cast['alice']}", entry("alice", "2026-02-25 08:00", None)
    carol.submit(f"{path}/deactivate")
    forms = stop_forms(carol.get(path).text)
    assert 'value="2026-02-25T09:00"' in forms and 'value="Europe/Rome"' in forms
    sent = {"at": "set", "end": "2026-02-25T17:20"}
    assert carol.submit(f"{path}/timers/{timer}/stop", sent).status_code == 303
    assert "The timer was stopped." in read(carol.get(path).text)
    answer = carol.submit(f"{path}/timers/{timer}/stop", sent)
    assert answer.status_code == 409 and "does not run any more" in answer.text
    assert migrated.query("SELECT end_time, duration_seconds FROM time_entries") == [
        (datetime(2026, 2, 25, 16, 20), (8 * 60 + 15) * 60)
    ]


@pytest.mark.parametrize(
    ("end", "sentence"),
    [
        ("2026-02-25T09:00", "It began at 09:00 on Wed 25 Feb: it ended after that."),
        ("2026-03-11T13:01", "That is in the future."),
        ("2026-03-04T09:01", "One entry lasts at most 7 days."),
        ("", "Type a day and a time."),
        ("nonsense", "Type a day and a time."),
    ],
)
def test_an_end_that_cannot_be_is_told_beside_the_field_of_that_timer(
    noon, carol, entry, migrated, cast, end, sentence
):
    path, timer, other = f"/people/{cast['alice']}", *(entry("alice", "2026-02-25 08:00", None) for _ in range(2))
    answer = carol.submit(f"{path}/timers/{timer}/stop", {"at": "set", "end": end})
    assert answer.status_code == 422
    assert answer.text.count(sentence) == 1 and f'id="timer-{timer}-end-error"' in answer.text
    assert f'id="timer-{other}-end"' in answer.text and (not end or f'value="{end}"' in answer.text)
    assert migrated.query("SELECT end_time FROM time_entries") == [(None,)] * 2


def test_an_end_of_a_timer_that_comes_twice_is_asked_about(as_user, entry, migrated, cast):
    migrated.execute("UPDATE settings SET timezone = 'Europe/Rome'")
    with time_machine.travel(datetime(2026, 10, 25, 8, tzinfo=UTC), tick=False):
        carol, timer = as_user("carol"), entry("alice", "2026-10-24 20:00", None)
        path = f"/people/{cast['alice']}/timers/{timer}/stop"
        answer = carol.submit(path, {"at": "set", "end": "2026-10-25T02:30"})
        assert answer.status_code == 422
        assert "02:30 (first, summer time)" in answer.text and "02:30 (second, winter time)" in answer.text
        # Meanwhile the settings have another time zone; the time is of the one in which it was asked for.
        migrated.execute("UPDATE settings SET timezone = 'Asia/Tokyo'")
        sent = {"at": "set", "end": "2026-10-25T02:30", "which": "second", "zone": "Europe/Rome"}
        assert carol.submit(path, sent).status_code == 303
    assert migrated.query("SELECT end_time FROM time_entries") == [(datetime(2026, 10, 25, 1, 30),)]


def test_all_sessions_of_a_person_can_be_ended_but_not_the_one_that_asks(carol, as_user, migrated, cast):
    alice = [as_user("alice"), as_user("alice")]
    answer = carol.submit(f"/people/{cast['alice']}/sign-out")
    assert "2 sessions were ended." in carol.get(answer.location).text
    assert [browser.get("/").status_code for browser in alice] == [302, 302]
    other = as_user("carol")
    carol.submit(f"/people/{cast['carol']}/sign-out")
    assert other.get("/").status_code == 302 and carol.get("/").status_code == 200


def test_whoever_has_tracked_anything_is_never_deleted(carol, entry, migrated, cast, read):
    entry("alice", "2026-03-09 08:00")
    migrated.execute("INSERT INTO projects (name, client) VALUES ('Site', 'Acme')")
    migrated.execute(
        "INSERT INTO tasks (project_id, name, created_by) SELECT max(id), 'x', %s FROM projects", cast["bob"]
    )
    for name in ("alice", "bob"):
        assert "Delete" not in carol.get(f"/people/{cast[name]}").text
        answer = carol.submit(f"/people/{cast[name]}/delete")
        assert answer.status_code == 409
        assert f"{name} has entries, tasks or invoices, which would go too." in answer.text
    assert migrated.query("SELECT count(*) FROM users WHERE username IN ('alice', 'bob')") == [(2,)]
    carol.submit("/people", {"username": "a slip", "role": "user", "token": uuid4()})
    [(slip,)] = migrated.query("SELECT id FROM users WHERE username = 'a slip'")
    assert "Delete" in carol.get(f"/people/{slip}").text
    assert carol.submit(f"/people/{slip}/delete").status_code == 303
    assert "a slip was deleted." in read(carol.get("/people").text)


# --- The last administrator ---


def test_the_last_active_administrator_cannot_be_lost(only_carol, carol, migrated, cast):
    for path in ("role", "deactivate", "delete"):
        answer = carol.submit(f"/people/{cast['carol']}/{path}", {"role": "user"})
        assert answer.status_code == 409
        assert "This is the last active administrator" in answer.text
    assert migrated.query("SELECT role, is_active FROM users WHERE username = 'carol'") == [("admin", True)]


def test_one_of_two_administrators_may_step_down(carol, migrated, cast):
    answer = carol.submit(f"/people/{cast['carol']}/role", {"role": "user"})
    assert answer.status_code == 303 and answer.location == "/profile"
    assert carol.get("/people").status_code == 403


@pytest.mark.parametrize("path", ["role", "deactivate"])
def test_of_two_administrators_who_remove_each_other_at_once_one_remains(only_carol, as_user, migrated, cast, path):
    migrated.execute("UPDATE users SET role = 'admin' WHERE username = 'bob'")
    browsers = {}
    others = {"bob": "carol", "carol": "bob"}

    def remove_the_other(name: str) -> str | None:
        return browsers[name].submit(f"/people/{cast[others[name]]}/{path}", {"role": "user"}).location

    for _ in range(5):
        browsers.update((name, as_user(name)) for name in others)
        with ThreadPoolExecutor(2) as threads:
            led_to = list(threads.map(remove_the_other, others))
        assert migrated.query("SELECT count(*) FROM users WHERE role = 'admin' AND is_active") == [(1,)], led_to
        assert sum("/people/" in (address or "") for address in led_to) == 1, "one has done it, and sees it"
        migrated.execute("UPDATE users SET role = 'admin', is_active = true WHERE username IN ('bob', 'carol')")


def test_the_second_of_two_who_demote_each_other_waits_and_is_told(only_carol, as_user, migrated, cast):
    """The same race, step by step: the first one's transaction is open while the second one asks."""
    migrated.execute("UPDATE users SET role = 'admin' WHERE username = 'bob'")
    bob = as_user("bob")
    connection = migrated.connect()
    connection.autocommit = False
    with connection, connection.cursor() as cursor, ThreadPoolExecutor(1) as thread:
        cursor.execute("SELECT FROM users WHERE role = 'admin' AND is_active ORDER BY id FOR NO KEY UPDATE")
        cursor.execute("UPDATE users SET role = 'user' WHERE username = 'bob'")
        answer = thread.submit(bob.submit, f"/people/{cast['carol']}/role", {"role": "user"})
        while not migrated.query(SOMEBODY_WAITS):
            assert not answer.done()
        connection.commit()
        assert answer.result().status_code == 409
    connection.close()
    assert migrated.query("SELECT username FROM users WHERE role = 'admin' AND is_active") == [("carol",)]


def test_who_is_no_administrator_any_more_by_the_time_of_the_change_changes_nothing(as_user, migrated, cast):
    migrated.execute("UPDATE users SET role = 'admin' WHERE username = 'bob'")
    bob = as_user("bob")
    connection = migrated.connect()
    connection.autocommit = False
    with connection, connection.cursor() as cursor, ThreadPoolExecutor(1) as thread:
        cursor.execute("UPDATE users SET role = 'user' WHERE username = 'bob'")
        answer = thread.submit(bob.submit, f"/people/{cast['alice']}/role", {"role": "admin"})
        while not migrated.query(SOMEBODY_WAITS):
            assert not answer.done()
        connection.commit()
        assert answer.result().status_code == 403
    connection.close()
    assert migrated.query("SELECT role FROM users WHERE username = 'alice'") == [("user",)]
