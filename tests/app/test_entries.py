"""The front page: entries by day, typed, edited, deleted and brought back."""

import re
import uuid
from datetime import UTC, datetime, timedelta
from html import unescape as html_unescape

import pytest
import time_machine

pytestmark = pytest.mark.only_pg("pg18")

# Wednesday 11 March 2026, 12:00 in Rome.
NOW = datetime(2026, 3, 11, 11, tzinfo=UTC)


@pytest.fixture(autouse=True)
def noon_in_rome(migrated):
    migrated.execute("UPDATE settings SET timezone = 'Europe/Rome'")
    with time_machine.travel(NOW, tick=False):
        yield


@pytest.fixture
def add(migrated, cast):
    """Return a function that adds an entry as the app would have, and gives its id: times are UTC."""

    def added(name: str, start: str, end: str | None, **columns: object) -> int:
        columns = {
            "user_id": cast[name],
            "start_time": start,
            "end_time": end,
            "duration_seconds": None
            if end is None
            else (datetime.fromisoformat(end) - datetime.fromisoformat(start)).total_seconds(),
            **columns,
        }
        names, holes = ", ".join(columns), ", ".join(["%s"] * len(columns))
        query = f"INSERT INTO time_entries ({names}) VALUES ({holes}) RETURNING id"
        return migrated.query(query, *columns.values())[0][0]

    return added


@pytest.fixture
def website(migrated) -> int:
    """A project with a task."""
    query = "INSERT INTO projects (name, client) VALUES ('Website', 'Acme') RETURNING id"
    return migrated.query(query)[0][0]


@pytest.fixture
def design(migrated, cast, website) -> int:
    """The task of the website."""
    query = "INSERT INTO tasks (project_id, name, created_by) VALUES (%s, 'Design', %s) RETURNING id"
    return migrated.query(query, website, cast["carol"])[0][0]


@pytest.fixture
def rows(migrated):
    """Return a function that gives columns of all entries, in the order of their ids."""
    return lambda columns: migrated.query(f"SELECT {columns} FROM time_entries ORDER BY id")


TYPED = {"day": "2026-03-11", "start": "9:00", "end": "10:30", "notes": "Write the offer", "billable": "y"}


def text_of(html: str) -> str:
    """Return what is visible, in one line."""
    without_tags = re.sub(r"<[^>]*>", " ", re.sub(r"<(script|style|option)\b.*?</\1>", " ", html, flags=re.S))
    return re.sub(r"\s+", " ", html_unescape(without_tags)).replace("\N{EN DASH}", "-")


def form_of(html: str) -> dict[str, str]:
    """Return what the form of an entry would send as it stands."""
    form = html[html.index('class="entry-form"') :]
    form = form[: form.index("</form>")]
    sent = {}
    for tag in re.findall(r"<input[^>]*>", form):
        attributes = dict(re.findall(r'([\w-]+)="([^"]*)"', tag))
        if attributes.get("type") != "checkbox" or " checked" in tag:
            sent[attributes["name"]] = attributes.get("value", "")
    for name, options in re.findall(r'<select[^>]*name="(\w+)"[^>]*>(.*?)</select>', form, flags=re.S):
        chosen = [option for option in re.findall(r"<option([^>]*)>", options) if " selected" in option]
        sent[name] = re.search(r'value="([^"]*)"', chosen[0])[1] if chosen else ""
    sent["notes"] = re.search(r"<textarea[^>]*>\s*(.*?)</textarea>", form, flags=re.S)[1]
    return sent


# --- The list ---


def test_an_empty_page_says_what_to_do_first(as_user):
    text = text_of(as_user("alice").get("/").text)
    assert "Type what you are working on above and press Start" in text
    assert "Add time by hand" in text


def test_entries_stand_by_local_day_with_sums_of_what_is_shown(as_user, add, website, design):
    add(
        "alice",
        "2026-03-11 08:00",
        "2026-03-11 09:30:29",
        notes="Offer",
        project_id=website,
        task_id=design,
        tags="a, b",
    )
    add("alice", "2026-03-11 10:00:00", "2026-03-11 10:20:30", notes="Call")
    add("alice", "2026-03-09 21:00", "2026-03-10 00:30", notes="Night", billable=False)
    add("alice", "2026-03-07 08:00", "2026-03-07 09:00", notes="Last week")
    add("bob", "2026-03-11 08:00", "2026-03-11 09:00", notes="Of bob")
    text = text_of(as_user("alice").get("/").text)
    assert "Today 1:51 This week 5:21" in text
    assert "Today Wed 11 Mar 1:51 Call € 11:00-11:20 0:21" in text
    assert "Offer Website - Acme Design a b € 09:00-10:30 1:30" in text
    assert "Mon 9 Mar 3:30 Night 22:00-01:30 +1 3:30" in text, "it belongs whole to the day in which it starts"
    assert "Of bob" not in text


def test_a_running_entry_counts_until_now_and_can_be_edited_but_not_continued(as_user, add):
    entry = add("alice", "2026-03-11 10:30", None, notes="Runs")
    page = as_user("alice").get("/").text
    assert "Runs € 11:30-now 0:30" in text_of(page)
    assert f"/entries/{entry}/edit" in page and f"/timer/continue/{entry}" not in page


def test_times_of_the_hour_that_comes_twice_are_told_apart(as_user, add):
    add("alice", "2025-10-26 00:30", "2025-10-26 01:15", notes="Twice")
    text = text_of(as_user("alice").get("/").text)
    assert "Sun 2025-10-26 0:45" in text and "02:30 CEST-02:15 CET 0:45" in text


def test_pages_follow_each_other_without_a_gap_though_starts_are_equal(as_user, migrated, cast):
    migrated.execute(
        """
        INSERT INTO time_entries (user_id, start_time, end_time, duration_seconds, notes)
        SELECT %s, timestamp '2026-03-10 08:00' - n / 40 * interval '4 hours', '2026-03-10 09:00', 600, 'note ' || n
        FROM generate_series(0, 119) AS n
        """,
        cast["alice"],
    )
    alice = as_user("alice")
    seen, pages, path = [], [], "/"
    while path:
        page = alice.get(path).text
        pages.append(page)
        seen += re.findall(r'id="e(\d+)"', page)
        assert "Tue 10 Mar more of this day on another page 20:00" in text_of(page), "the sum is that of the whole day"
        older = re.search(r'href="([^"]*before=[^"]*)"', page)
        path = older and older[1].replace("&amp;", "&")
    assert len(pages) == 3
    ids = migrated.query("SELECT id FROM time_entries ORDER BY start_time DESC, id DESC")
    assert [int(entry) for entry in seen] == [entry for (entry,) in ids]

    for number in (2, 1):
        newer = re.search(r'href="([^"]*after=[^"]*)"', pages[number])[1].replace("&amp;", "&")
        back = alice.get(newer).text
        assert re.findall(r'id="e(\d+)"', back) == re.findall(r'id="e(\d+)"', pages[number - 1])
    assert ">Newer<" not in pages[0] and ">Older<" not in pages[2]


def test_any_place_of_a_page_gives_a_page_or_nothing(as_user, add):
    add("alice", "2026-03-11 08:00", "2026-03-11 09:00", notes="Here")
    alice = as_user("alice")
    for place in ("1-1", "-99999999999999999-1", "99999999999999999-9999999999", "x", "1-", "\u0663-1"):
        for name in ("before", "after"):
            assert alice.get("/", query_string={name: place}).status_code in (200, 404)


def test_the_search_takes_each_character_for_itself(as_user, add):
    for notes in ("100% done", "1000 done", "a_b", "aXb", "it's", "back\\slash", 'say "x"'):
        add("alice", "2026-03-11 08:00", "2026-03-11 09:00", notes=notes)
    add("alice", "2026-03-11 08:00", "2026-03-11 09:00", notes="tagged", tags="urgent, x")
    alice = as_user("alice")
    for search, found in {
        "100%": "100% done",
        "_": "a_b",
        "'": "it's",
        "\\": "back\\slash",
        '"': 'say "x"',
        "URGENT": "tagged",
    }.items():
        page = alice.get("/", query_string={"q": search}).text
        listed = re.findall(r'<p class="what">\s*<span>(.*?)</span>', page)
        assert [html_unescape(notes) for notes in listed] == [found]


def test_a_hostile_search_finds_nothing_and_is_escaped(as_user, add):
    add("alice", "2026-03-11 08:00", "2026-03-11 09:00", notes="Here")
    alice = as_user("alice")
    for search in ("\0", b"\xff\xfe\xd8\x00", "x" * 5000, "<script>alert(1)</script>"):
        page = alice.get("/", query_string={"q": search})
        assert page.status_code == 200
        assert "<script>alert" not in page.text


def test_the_list_can_be_of_one_project_or_one_day(as_user, add, website, design):
    add("alice", "2026-03-11 08:00", "2026-03-11 09:00", notes="With", project_id=website, task_id=design)
    add("alice", "2026-03-10 08:00", "2026-03-10 09:00", notes="Without")
    alice = as_user("alice")
    of_project = text_of(alice.get(f"/?project={website}").text)
    assert "With " in of_project and "Without" not in of_project
    assert "Without" not in text_of(alice.get(f"/?task={design}").text)
    without_project, of_day = text_of(alice.get("/?project=0").text), text_of(alice.get("/?day=2026-03-10").text)
    assert "Without" in without_project and "With " not in without_project
    assert "Without" in of_day and "With " not in of_day
    assert "Nothing fits." in alice.get("/?project=2147483647").text


def test_an_address_that_is_wrong_is_not_found(as_user):
    carol = as_user("carol")
    for query in ("project=x", "project=99999999999999999999", "task=-1", "day=yesterday", "day=9999-12-31", "user=0"):
        assert carol.get(f"/?{query}").status_code == 404, query


def test_administrators_look_at_the_entries_of_another(as_user, add, cast):
    entry = add("bob", "2026-03-11 08:00", "2026-03-11 09:00", notes="Of bob")
    page = as_user("carol").get(f"/?user={cast['bob']}").text
    assert "Entries of bob" in page and "Of bob" in page
    assert f"/timer/continue/{entry}" not in page
    assert as_user("alice").get(f"/?user={cast['bob']}").status_code == 404
    assert as_user("alice").get(f"/?user={cast['alice']}").status_code == 200


def test_the_page_takes_few_statements_and_little_weight(
    count_statements, as_user, migrated, add, website, design, cast
):
    # As many projects and open tasks to choose from as the company of `make demo` has, with names as long.
    migrated.execute(
        """
        INSERT INTO projects (name, client)
        SELECT 'Online shop ' || n, 'Cantiere Navale Rossi' FROM generate_series(1, 40) AS n;
        INSERT INTO tasks (project_id, name, created_by)
        SELECT projects.id, 'Accessibility ' || n, users.id
        FROM projects
        CROSS JOIN generate_series(1, 3) AS n
        CROSS JOIN (SELECT min(id) AS id FROM users) AS users
        """
    )
    for hour in range(60):
        start = datetime(2026, 3, 9) + timedelta(hours=hour)
        add(
            "alice", str(start), str(start + timedelta(minutes=50)), notes="Talk with the people of the harbour",
            project_id=website, task_id=design, tags="planning, on site",
        )  # fmt: skip
    alice = as_user("alice")
    alice.get("/")
    with count_statements() as sent:
        page = alice.get("/")
    assert page.text.count("/delete") == 50
    assert len(sent) <= 8, sent
    assert sent[0].startswith("BEGIN") and sent[-1] == "COMMIT"
    assert len(page.data) <= 50_000
    assert len(alice.get("/entries/new").data) <= 50_000


# --- An entry by hand ---


def test_an_entry_can_be_typed_and_is_rounded_once(as_user, migrated, rows, website, design):
    migrated.execute("UPDATE settings SET rounding_minutes = 15")
    alice = as_user("alice")
    form = form_of(alice.get("/entries/new").text)
    assert form["day"] == "2026-03-11" and form["billable"]
    sent = {**form, **TYPED, "end": "10:07:30"[:5], "project": website, "task": design, "tags": "b, a,,B"}
    answer = alice.submit("/entries", sent)
    assert answer.status_code == 303 and answer.location == "/"
    assert rows("start_time, end_time, duration_seconds, notes, tags, project_id, task_id, billable, source") == [
        (
            datetime(2026, 3, 11, 8),
            datetime(2026, 3, 11, 9, 7),
            3600,
            "Write the offer",
            "b, a",
            website,
            design,
            True,
            "manual",
        )
    ]
    assert "Added: 09:00 to 10:07 = 1:00" in text_of(alice.get("/").text)
    migrated.execute("UPDATE settings SET rounding_minutes = 1")
    assert rows("duration_seconds") == [(3600,)], "another rounding rewrites nothing"


def test_a_duration_may_stand_instead_of_the_end_and_an_end_on_the_next_day(as_user, rows):
    alice = as_user("alice")
    alice.submit("/entries", TYPED | {"end": "", "duration": "1,5"})
    alice.submit("/entries", TYPED | {"day": "2026-03-10", "start": "22", "end": "1am"})
    assert rows("end_time, duration_seconds") == [(datetime(2026, 3, 11, 9, 30), 5400), (datetime(2026, 3, 11), 10800)]
    assert "Added: 22:00 to 01:00 the next day = 3:00" in text_of(alice.get("/").text)


def test_billable_follows_the_project_where_no_script_sets_the_box(as_user, rows, migrated, website, design):
    alice = as_user("alice")
    form = form_of(alice.get("/entries/new").text) | TYPED
    migrated.execute("UPDATE projects SET billable = false WHERE id = %s", website)
    unbilled = alice.submit("/entries", form | {"project": website, "start": ""})
    assert form_of(unbilled.text)["billable_default"] == "project", "also after something was wrong"
    for changes in (
        {"project": website},
        {"task": design},
        {"project": ""},
        {"project": website, "billable_default": ""},  # a script has disabled the field: the box shows what counts
    ):
        assert alice.submit("/entries", form | {"token": ""} | changes).status_code == 303
    assert rows("billable") == [(False,), (False,), (True,), (True,)]
    entry = rows("id")[-1][0]
    kept = form_of(alice.get(f"/entries/{entry}/edit").text)
    alice.submit(f"/entries/{entry}/edit", kept | {"notes": "Other"})
    assert rows("notes, billable")[-1] == ("Other", True), "an entry that is edited shows what counts"


def test_a_form_says_to_the_script_which_task_is_of_which_project_and_which_project_is_not_billed(
    as_user, migrated, website, design
):
    migrated.execute("UPDATE projects SET billable = false WHERE id = %s", website)
    form = as_user("alice").get("/entries/new").text.partition('class="entry-form"')[2]
    assert f'<option value="{website}" data-unbilled>Website' in form
    assert re.search(rf'<optgroup label="Website"[^>]* data-project="{website}">\s*<option value="{design}"', form)
    assert "data-projects" in form and "data-tasks" in form and "data-billable" in form


def test_a_task_brings_its_project_along(as_user, rows, website, design):
    as_user("alice").submit("/entries", TYPED | {"task": design})
    assert rows("project_id, task_id") == [(website, design)]


WRONG = [
    ({"end": ""}, "Give an end or a duration."),
    ({"day": ""}, "Give a date."),
    ({"day": "2026-02-30"}, "Not a valid date value."),
    ({"day": "2126-03-11"}, "more than 31 days ahead"),
    ({"day": "0001-01-01"}, "That is before 2000."),
    ({"day": "0001-01-01", "start": "0:00"}, "That is before 2000."),
    ({"day": "9999-12-31", "start": "23:59"}, "more than 31 days ahead"),
    ({"start": ""}, "Give the time of the start."),
    ({"start": "25:00"}, "A day ends at 23:59."),
    ({"duration": "ever"}, "That is no duration."),
    ({"duration": "2:00"}, "From the start to the end is 1:30."),
    ({"end": "", "duration": "0"}, "An entry lasts a minute at least."),
    ({"end": "", "duration": "9999999"}, "One entry lasts at most 168 hours."),
    ({"notes": "x" * 10_001}, "That is too long: 10000 characters fit."),
    ({"notes": "a\0b"}, "characters in it that cannot be seen"),
    ({"tags": "x" * 501}, "That is too long: 500 characters fit."),
    ({"tags": "a\0"}, "characters in it that cannot be seen"),
    ({"project": "99999"}, "archived or gone"),
    ({"project": "x"}, "Choose one of the list."),
    ({"project": "99999999999999999999"}, "Choose one of the list."),
    ({"task": "99999"}, "That task belongs to another project."),
    ({"zone": "x" * 101}, ""),
]


def test_what_is_wrong_is_told_beside_the_field_and_the_input_is_kept(as_user, rows):
    alice = as_user("alice")
    for changes, sentence in WRONG:
        answer = alice.submit("/entries", TYPED | changes)
        assert answer.status_code == 422, changes
        assert sentence in text_of(answer.text)
        if "notes" not in changes:
            assert "Write the offer" in answer.text
        for name, value in changes.items():
            assert name not in ("day", "start", "duration") or f'value="{value}"' in answer.text
    assert rows("id") == []


@pytest.mark.parametrize("blank", [" ", "\t", "\r\n"])
def test_a_field_of_blanks_is_an_empty_one(as_user, add, rows, blank):
    entry = add("alice", "2026-03-11 08:00", "2026-03-11 09:00", notes="Call")
    alice = as_user("alice")
    form = form_of(alice.get(f"/entries/{entry}/edit").text)
    for path, sent in (("/entries", TYPED), (f"/entries/{entry}/edit", form)):
        answer = alice.submit(path, sent | {"start": blank})
        assert answer.status_code == 422 and "Give the time of the start." in text_of(answer.text)
        answer = alice.submit(path, sent | {"end": blank, "duration": blank})
        assert answer.status_code == 422 and "Give an end or a duration." in text_of(answer.text)
    assert rows("id") == [(entry,)]


def test_the_ends_of_lines_are_kept_as_one_character_and_count_as_one(as_user, rows):
    notes = "\r\n".join(["x"] * 5_000)
    alice = as_user("alice")
    assert alice.submit("/entries", TYPED | {"notes": f" {notes}\r\n"}).status_code == 303
    assert rows("notes") == [(notes.replace("\r", ""),)]


def test_a_task_of_another_project_and_an_archived_project_are_refused(as_user, migrated, rows, website, design):
    other = migrated.query(
        "INSERT INTO projects (name, client, status) VALUES ('Old', 'Acme', 'archived') RETURNING id"
    )[0][0]
    alice = as_user("alice")
    assert "belongs to another project" in alice.submit("/entries", TYPED | {"project": other, "task": design}).text
    assert "archived or gone" in alice.submit("/entries", TYPED | {"project": other}).text
    assert rows("id") == []


def test_an_hour_that_is_skipped_is_refused_and_a_button_takes_its_neighbour(as_user, rows):
    alice = as_user("alice")
    typed = TYPED | {"day": "2026-03-29", "start": "2:30", "end": "4:00"}
    refused = alice.submit("/entries", typed)
    assert refused.status_code == 422
    assert "There is no 02:30 on that day: the clocks go from 01:59 to 03:00." in text_of(refused.text)
    offered = re.findall(r'name="(start_instead)" value="([^"]*)"', refused.text)
    assert [value for _, value in offered] == ["2026-03-29T01:59:00", "2026-03-29T03:00:00"]
    assert alice.submit("/entries", typed | dict(offered[1:])).status_code == 303
    assert rows("start_time, duration_seconds") == [(datetime(2026, 3, 29, 1), 3600)]


def test_an_hour_that_comes_twice_is_asked_about(as_user, rows):
    with time_machine.travel(datetime(2026, 10, 26, 11, tzinfo=UTC), tick=False):
        alice = as_user("alice")
        typed = TYPED | {"day": "2026-10-25", "start": "1:30", "end": "2:30"}
        asked = alice.submit("/entries", typed)
        assert asked.status_code == 422
        assert "02:30 comes twice on that day. Say which one is meant." in text_of(asked.text)
        assert 'name="end_second"' in asked.text and 'name="start_second"' not in asked.text
        for word in ("first", "second"):
            assert alice.submit("/entries", typed | {"end_second": word}).status_code == 303
    assert rows("duration_seconds") == [(3600,), (7200,)]


def test_an_entry_beside_another_is_saved_and_said(as_user, add, rows):
    add("alice", "2026-03-11 08:30", "2026-03-11 08:45", notes="Standup")
    add("bob", "2026-03-11 08:00", "2026-03-11 12:00", notes="Of bob")
    add("alice", "2026-03-11 09:30", "2026-03-11 09:45", notes="Next to it")
    alice = as_user("alice")
    assert alice.submit("/entries", TYPED).status_code == 303
    assert "takes time that is also in “Standup” 09:30 to 09:45" in text_of(alice.get("/").text)
    assert len(rows("id")) == 4


def test_a_form_that_is_sent_twice_makes_one_entry(as_user, rows):
    alice = as_user("alice")
    sent = TYPED | {"token": str(uuid.uuid4())}
    assert [alice.submit("/entries", sent).status_code for _ in range(2)] == [303, 303]
    assert len(rows("id")) == 1


def test_hostile_text_is_kept_and_escaped(as_user, rows):
    alice = as_user("alice")
    hostile = "<img src=x onerror=alert(1)>\n'; DROP TABLE users; -- \u202e \U0001f600"
    alice.submit("/entries", TYPED | {"notes": hostile, "tags": "<b>, {{ 7 * 7 }}"})
    assert rows("notes, tags") == [(hostile, "<b>, {{ 7 * 7 }}")]
    page = alice.get("/").text
    assert "&lt;img src=x" in page and "<img" not in page and "<b>," not in page


# --- Editing ---


def test_editing_only_the_notes_moves_nothing(as_user, add, rows, migrated):
    migrated.execute("UPDATE settings SET rounding_minutes = 15")
    entry = add(
        "alice", "2025-10-26 01:30:17.25", "2025-10-26 03:07:41", notes="Second half past two", duration_seconds=123
    )
    alice = as_user("alice")
    form = form_of(alice.get(f"/entries/{entry}/edit").text)
    assert (form["day"], form["start"], form["start_second"], form["end"]) == ("2025-10-26", "02:30", "second", "04:07")
    migrated.execute("UPDATE settings SET timezone = 'Asia/Tokyo'")
    for sent in (form, {name: value for name, value in form.items() if name != "start_second"}):
        version = form_of(alice.get(f"/entries/{entry}/edit").text)["version"]
        answer = alice.submit(f"/entries/{entry}/edit", sent | {"notes": "Other notes", "version": version})
        assert answer.status_code == 303
        assert rows("start_time, end_time, duration_seconds, notes") == [
            (datetime(2025, 10, 26, 1, 30, 17, 250000), datetime(2025, 10, 26, 3, 7, 41), 123, "Other notes")
        ]


def test_other_times_are_credited_anew(as_user, add, rows):
    entry = add("alice", "2026-03-11 08:00", "2026-03-11 09:00", notes="Call", duration_seconds=1)
    alice = as_user("alice")
    form = form_of(alice.get(f"/entries/{entry}/edit").text)
    assert alice.submit(f"/entries/{entry}/edit", form | {"duration": "90m"}).status_code == 303
    assert rows("start_time, end_time, duration_seconds") == [
        (datetime(2026, 3, 11, 8), datetime(2026, 3, 11, 9, 30), 5400)
    ]


def test_a_running_entry_whose_start_is_moved_over_another_is_saved_and_said(as_user, add):
    add("alice", "2026-03-11 08:30", "2026-03-11 08:45", notes="Standup")
    add("bob", "2026-03-11 08:00", "2026-03-11 12:00", notes="Of bob")
    running = add("alice", "2026-03-11 09:00", None, notes="Draft")
    alice = as_user("alice")
    for start, is_said in (("10:00", False), ("9:00", True), ("9:00", False)):
        sent = form_of(alice.get(f"/entries/{running}/edit").text) | {"start": start, "notes": f"Moved to {start}"}
        assert alice.submit(f"/entries/{running}/edit", sent).status_code == 303
        said = "It was saved, but takes time that is also in “Standup” 09:30 to 09:45"
        assert (said in text_of(alice.get("/").text)) is is_said


def test_of_a_running_entry_the_start_is_edited(as_user, add, rows):
    entry = add("alice", "2026-03-11 10:30", None, notes="Runs")
    alice = as_user("alice")
    form = form_of(alice.get(f"/entries/{entry}/edit").text)
    assert "end" not in form and "duration" not in form
    assert "cannot start in the future" in alice.submit(f"/entries/{entry}/edit", form | {"start": "12:01"}).text
    assert alice.submit(f"/entries/{entry}/edit", form | {"start": "11:15", "end": "11:20"}).status_code == 303
    assert rows("start_time, end_time, duration_seconds") == [(datetime(2026, 3, 11, 10, 15), None, None)]


def test_a_stale_edit_changes_nothing_until_it_is_sent_again(as_user, add, rows, migrated):
    entry = add("alice", "2026-03-11 08:00", "2026-03-11 09:00", notes="Call")
    alice = as_user("alice")
    form = form_of(alice.get(f"/entries/{entry}/edit").text) | {"notes": "What I typed"}
    migrated.execute("UPDATE time_entries SET notes = 'Changed in another tab'")
    stale = alice.submit(f"/entries/{entry}/edit", form)
    assert stale.status_code == 409
    assert "It is now: Changed in another tab" in text_of(stale.text) and "What I typed" in stale.text
    assert rows("notes") == [("Changed in another tab",)]
    again = alice.submit(f"/entries/{entry}/edit", form_of(stale.text))
    assert again.status_code == 303
    assert rows("notes") == [("What I typed",)]


@pytest.mark.parametrize("changes", [{"notes": "Talk"}, {"duration": "90m"}, {"start": "8:15"}])
def test_a_second_click_on_save_finds_the_first_one_done(as_user, add, rows, website, design, changes):
    entry = add(
        "alice", "2026-03-11 08:00:17", "2026-03-11 09:00:41", notes="Call", project_id=website, task_id=design,
        tags="a, b",
    )  # fmt: skip
    alice = as_user("alice")
    form = form_of(alice.get(f"/entries/{entry}/edit").text) | changes | {"next": "/?q=x"}
    assert alice.submit(f"/entries/{entry}/edit", form).location == "/?q=x"
    saved = rows("*")
    answer = alice.submit(f"/entries/{entry}/edit", form)
    assert (answer.status_code, answer.location) == (303, "/?q=x")
    assert rows("*") == saved


def test_a_second_click_on_save_finds_the_start_of_a_timer_moved(as_user, add, rows):
    entry = add("alice", "2026-03-11 10:30", None, notes="Runs")
    alice = as_user("alice")
    form = form_of(alice.get(f"/entries/{entry}/edit").text) | {"start": "11:15"}
    assert [alice.submit(f"/entries/{entry}/edit", form).status_code for _ in range(2)] == [303, 303]
    assert rows("start_time") == [(datetime(2026, 3, 11, 10, 15),)]


def test_what_is_archived_or_done_can_stay_with_its_entry(as_user, add, rows, migrated, website, design):
    entry = add("alice", "2026-03-11 08:00", "2026-03-11 09:00", notes="Old", project_id=website, task_id=design)
    migrated.execute("UPDATE projects SET status = 'archived'; UPDATE tasks SET status = 'done'")
    alice = as_user("alice")
    form = form_of(alice.get(f"/entries/{entry}/edit").text)
    assert (form["project"], form["task"]) == (str(website), str(design))
    assert alice.submit(f"/entries/{entry}/edit", form | {"notes": "New"}).status_code == 303
    assert rows("notes, project_id, task_id") == [("New", website, design)]


def test_after_editing_one_is_back_where_one_came_from(as_user, add):
    entry = add("alice", "2026-03-11 08:00", "2026-03-11 09:00", notes="Call")
    alice = as_user("alice")
    page = alice.get(f"/entries/{entry}/edit", headers={"Referer": "http://localhost/?q=call"})
    form = form_of(page.text)
    assert form["next"] == "/?q=call"
    assert alice.submit(f"/entries/{entry}/edit", form).location == "/?q=call"
    after_another_form = alice.get(f"/entries/{entry}/edit", headers={"Referer": "http://localhost/entries/new"})
    assert form_of(after_another_form.text)["next"] == "/"
    elsewhere = alice.get(f"/entries/{entry}/edit", headers={"Referer": "https://evil.example/?x"})
    assert form_of(elsewhere.text)["next"] == "/"
    assert alice.submit(f"/entries/{entry}/delete", {"next": "//evil.example"}).location == "/"


# --- Deleting ---


def test_a_deleted_entry_comes_back_as_it_was(as_user, add, migrated, website, design):
    entry = add(
        "alice", "2026-03-11 08:00:01.5", "2026-03-11 09:00", notes="Ünïcode 'n' co", project_id=website, tags="a, b"
    )
    before = migrated.query("SELECT * FROM time_entries")
    alice = as_user("alice")
    for _ in range(2):
        assert alice.submit(f"/entries/{entry}/delete", {"next": "/?q=x"}).location == "/?q=x"
    assert migrated.query("SELECT * FROM time_entries") == []
    page = alice.get("/").text
    assert page.count("Deleted: Ünïcode") == 1 and f'action="/entries/{entry}/restore"' in page
    for _ in range(2):
        assert alice.submit(f"/entries/{entry}/restore").status_code == 303
    assert migrated.query("SELECT * FROM time_entries") == before
    assert migrated.query("SELECT * FROM deleted_time_entries") == []


def test_an_entry_whose_project_is_gone_cannot_come_back(as_user, add, migrated, website):
    entry = add("alice", "2026-03-11 08:00", "2026-03-11 09:00", notes="Call", project_id=website)
    alice = as_user("alice")
    alice.submit(f"/entries/{entry}/delete")
    migrated.execute("DELETE FROM projects")
    refused = alice.submit(f"/entries/{entry}/restore")
    assert refused.status_code == 409 and "was deleted since" in refused.text
    assert len(migrated.query("SELECT FROM deleted_time_entries")) == 1, "it is not lost"


@pytest.mark.parametrize("is_single, status", [(True, 409), (False, 303)])
def test_a_timer_comes_back_only_where_none_runs_besides(as_user, add, migrated, rows, is_single, status):
    migrated.execute("UPDATE settings SET single_active_timer = %s", is_single)
    entry = add("alice", "2026-03-11 10:00", None, notes="First")
    alice = as_user("alice")
    alice.submit(f"/entries/{entry}/delete")
    add("alice", "2026-03-11 10:30", None, notes="Second")
    assert alice.submit(f"/entries/{entry}/restore").status_code == status
    assert len(rows("id")) == (1 if is_single else 2)


def test_an_edit_of_what_was_deleted_meanwhile_offers_to_bring_it_back(as_user, add):
    entry = add("alice", "2026-03-11 08:00", "2026-03-11 09:00", notes="Call")
    alice = as_user("alice")
    form = form_of(alice.get(f"/entries/{entry}/edit").text)
    alice.submit(f"/entries/{entry}/delete")
    answer = alice.submit(f"/entries/{entry}/edit", form)
    assert answer.status_code == 409 and "Bring it back" in answer.text


@pytest.mark.parametrize("part", [{}, {"X-Part": "form"}])
def test_what_was_typed_into_an_entry_that_is_closed_meanwhile_can_be_copied(as_user, add, migrated, part):
    deleted = add("alice", "2026-03-11 08:00", "2026-03-11 09:00", notes="Call")
    invoiced = add("alice", "2026-03-11 10:00", "2026-03-11 11:00", notes="Billed")
    alice = as_user("alice")
    forms = {entry: form_of(alice.get(f"/entries/{entry}/edit").text) for entry in (deleted, invoiced)}
    alice.submit(f"/entries/{deleted}/delete")
    migrated.execute(INVOICE, str(invoiced))
    for entry, form in forms.items():
        answer = alice.submit(f"/entries/{entry}/edit", form | {"notes": "A long <story>"}, headers=part)
        assert answer.status_code == 409 and "<dd>A long &lt;story&gt;</dd>" in answer.text


def test_what_an_administrator_deleted_only_administrators_bring_back(as_user, add, rows):
    entry = add("alice", "2026-03-11 08:00", "2026-03-11 09:00", notes="Call")
    alice, carol = as_user("alice"), as_user("carol")
    form = form_of(alice.get(f"/entries/{entry}/edit").text)
    carol.submit(f"/entries/{entry}/delete")
    for path, sent in ((f"/entries/{entry}/restore", {}), (f"/entries/{entry}/edit", form)):
        refused = alice.submit(path, sent)
        assert refused.status_code == 409
        assert "An administrator deleted this entry" in refused.text and "Bring it back" not in refused.text
    assert alice.submit("/week/restore", {"entry": entry}).status_code == 404
    assert alice.submit(f"/entries/{entry}/delete").status_code == 303
    assert rows("id") == []
    assert carol.submit(f"/entries/{entry}/restore").status_code == 303
    assert rows("id") == [(entry,)]


# --- What is not to be touched ---


INVOICE = """
    INSERT INTO invoices (id, invoice_number, client_name, issue_date, due_date, created_by)
    SELECT 1, 'A-1', 'Acme', '2026-03-01', '2026-03-15', id FROM users WHERE username = 'carol';
    INSERT INTO invoice_items (invoice_id, description, unit_price, total_amount, time_entry_ids)
    VALUES (1, 'Work', 80, 80, %s), (1, 'Other', 80, 80, NULL)
"""


def test_an_entry_on_an_invoice_stays_as_it_is(as_user, add, migrated, rows):
    entry = add("alice", "2026-03-11 08:00", "2026-03-11 09:00", notes="Billed")
    alice = as_user("alice")
    form = form_of(alice.get(f"/entries/{entry}/edit").text)
    migrated.execute(INVOICE, "")
    for ids in (f"{entry}", f"7, {entry}", f"{entry},7", f"[1{entry}, {entry}]"):
        migrated.execute("UPDATE invoice_items SET time_entry_ids = %s WHERE description = 'Work'", ids)
        for answer in (
            alice.get(f"/entries/{entry}/edit"),
            alice.submit(f"/entries/{entry}/edit", form | {"notes": "Other"}),
            alice.submit(f"/entries/{entry}/delete"),
        ):
            assert answer.status_code == 409 and "is on an invoice" in answer.text
    assert rows("notes") == [("Billed",)]

    migrated.execute("UPDATE invoices SET status = 'cancelled'")
    assert alice.submit(f"/entries/{entry}/delete").status_code == 303


def test_an_entry_with_a_similar_id_is_not_on_the_invoice(as_user, add, rows, migrated):
    entry = add("alice", "2026-03-11 08:00", "2026-03-11 09:00", notes="Free")
    migrated.execute(INVOICE, f"1{entry}, {entry}0")
    assert as_user("alice").submit(f"/entries/{entry}/delete").status_code == 303
    assert rows("notes") == []


def test_entries_of_others_are_not_found(as_user, add, rows, cast):
    entry = add("bob", "2026-03-11 08:00", "2026-03-11 09:00", notes="Of bob")
    deleted = add("bob", "2026-03-10 08:00", "2026-03-10 09:00", notes="Deleted by bob")
    as_user("bob").submit(f"/entries/{deleted}/delete")
    alice = as_user("alice")
    for number in (entry, deleted, 2147483647, 2147483648, 10**30):
        assert alice.get(f"/entries/{number}/edit").status_code == 404
        for action in ("edit", "delete", "restore"):
            assert alice.submit(f"/entries/{number}/{action}", TYPED).status_code == 404
    assert rows("notes") == [("Of bob",)]


def test_administrators_edit_the_entries_of_another(as_user, add, rows, cast):
    entry = add("bob", "2026-03-11 08:00", "2026-03-11 09:00", notes="Of bob")
    carol = as_user("carol")
    form = form_of(carol.get(f"/entries/{entry}/edit").text)
    assert carol.submit(f"/entries/{entry}/edit", form | {"notes": "Mended"}).status_code == 303
    assert rows("user_id, notes") == [(cast["bob"], "Mended")]


def test_nothing_changes_without_the_token_of_a_form(as_user, add, rows):
    entry = add("alice", "2026-03-11 08:00", "2026-03-11 09:00", notes="Call")
    alice = as_user("alice")
    for action in ("edit", "delete", "restore"):
        assert alice.post(f"/entries/{entry}/{action}", data=TYPED).status_code == 400
    assert alice.get(f"/entries/{entry}/delete").status_code == 405
    assert rows("notes") == [("Call",)]


def test_the_front_page_of_a_zone_where_midnight_is_skipped_still_has_a_today(as_user, migrated, add):
    migrated.execute("UPDATE settings SET timezone = 'Africa/Cairo'")
    with time_machine.travel(datetime(2026, 4, 24, 9, tzinfo=UTC), tick=False):
        add("alice", "2026-04-23 22:15", "2026-04-23 23:15", notes="First hour")
        text = text_of(as_user("alice").get("/").text)
    assert "Today Fri 24 Apr 1:00" in text


def test_an_entry_whose_task_is_deleted_meanwhile_comes_back_without_it(as_user, migrated, cast):
    migrated.execute(
        "INSERT INTO tasks (id, project_id, name, status, priority, created_by) "
        "VALUES (90, 1, 'Texts', 'pending', 'medium', %s)",
        cast["alice"],
    )
    migrated.execute(
        "INSERT INTO time_entries (id, user_id, project_id, task_id, start_time, end_time) "
        "VALUES (90, %s, 1, 90, '2026-03-09 08:00', '2026-03-09 09:00')",
        cast["alice"],
    )
    alice = as_user("alice")
    for path in ("/entries/90/delete", "/tasks/90/delete", "/entries/90/restore"):
        assert alice.submit(path).status_code == 303
    assert migrated.query("SELECT id, project_id, task_id FROM time_entries") == [(90, 1, None)]


def test_an_entry_whose_task_moves_to_another_project_meanwhile_comes_back_without_it(
    as_user, add, migrated, rows, website, design
):
    [(other,)] = migrated.query("INSERT INTO projects (name, client) VALUES ('Shop', 'Acme') RETURNING id")
    entry = add("alice", "2026-03-11 08:00", "2026-03-11 09:00", project_id=website, task_id=design)
    alice = as_user("alice")
    alice.submit(f"/entries/{entry}/delete")
    migrated.execute("UPDATE tasks SET project_id = %s", other)
    assert alice.submit(f"/entries/{entry}/restore").status_code == 303
    assert rows("project_id, task_id") == [(website, None)]
