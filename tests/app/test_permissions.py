"""Who may do what: every route for nobody, alice (whose rows they are), bob (another member) and carol (admin)."""

import contextlib
import io
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
import scene
import time_machine
from werkzeug.test import TestResponse

from app import create_app

pytestmark = pytest.mark.only_pg("pg18")

WHO = ("nobody", "alice", "bob", "carol")

# What comes of it: `sign-in` leads there, `ok` is a page, `on` leads to another page; a POST that is `done` leads to
# another page and has changed rows. Whatever is not done changes none. Numbers are of HTTP.
MATRIX = """
GET  /                                          sign-in ok    ok    ok
POST /entries                                   sign-in done  done  done
GET  /entries/new                               sign-in ok    ok    ok
GET  /entries/<id:entry_id>/edit               sign-in ok    404   ok
POST /entries/<id:entry_id>/edit               sign-in done  404   done
POST /entries/<id:entry_id>/delete             sign-in done  404   done
POST /entries/<id:entry_id>/restore            sign-in done  404   done

GET  /timer/state                               sign-in ok    ok    ok
GET  /timer/bar                                 sign-in ok    ok    ok
POST /timer/start                               sign-in done  done  done
POST /timer/stop                                sign-in done  404   404
POST /timer/continue/<id:entry_id>             sign-in done  404   404
GET  /timer/edit/<id:entry_id>                 sign-in ok    404   404
POST /timer/edit/<id:entry_id>                 sign-in done  404   404
POST /timer/forgotten                           sign-in done  404   404

GET  /week                                      sign-in ok    ok    ok
GET  /week/<monday>                             sign-in ok    ok    ok
POST /week/<monday>                             sign-in done  done  done
POST /week/restore                              sign-in done  404   404

GET  /projects                                  sign-in ok    ok    ok
GET  /projects/<id:project_id>                 sign-in ok    ok    ok
GET  /projects/new                              sign-in 403   403   ok
POST /projects/new                              sign-in 403   403   done
GET  /projects/<id:project_id>/edit            sign-in 403   403   ok
POST /projects/<id:project_id>/edit            sign-in 403   403   done
POST /projects/<id:project_id>/archive         sign-in 403   403   done
POST /projects/<id:project_id>/activate        sign-in 403   403   done
POST /projects/<id:project_id>/delete          sign-in 403   403   done

GET  /tasks                                     sign-in ok    ok    ok
GET  /tasks/new                                 sign-in ok    ok    ok
POST /tasks/new                                 sign-in done  done  done
GET  /tasks/<id:task_id>                       sign-in ok    ok    ok
POST /tasks/<id:task_id>                       sign-in done  done  done
POST /tasks/<id:task_id>/move                  sign-in done  done  done
POST /tasks/<id:task_id>/delete                sign-in done  403   done

GET  /reports                                   sign-in ok    ok    ok
GET  /reports/entries                           sign-in ok    ok    ok
GET  /reports/chart.svg                         sign-in ok    ok    ok
GET  /reports.csv                               sign-in ok    ok    ok

GET  /people                                    sign-in 403   403   ok
POST /people                                    sign-in 403   403   done
GET  /people/<id:user_id>                       sign-in 403   403   ok
POST /people/<id:user_id>/name                  sign-in 403   403   done
POST /people/<id:user_id>/role                  sign-in 403   403   done
POST /people/<id:user_id>/invitation            sign-in 403   403   done
POST /people/<id:user_id>/deactivate            sign-in 403   403   done
POST /people/<id:user_id>/activate              sign-in 403   403   done
POST /people/<id:user_id>/sign-out              sign-in 403   403   done
POST /people/<id:user_id>/delete                sign-in 403   403   done
POST /people/<id:user_id>/timers/<id:entry_id>/stop  sign-in 403 403 done

GET  /profile                                   sign-in ok    ok    ok
POST /profile/display                           sign-in done  done  done
POST /profile/password                          sign-in done  done  done
POST /profile/sessions/<id:session_id>/end      sign-in done  on    on
POST /profile/sessions/end-others               sign-in done  done  done

GET  /settings                                  sign-in 403   403   ok
POST /settings                                  sign-in 403   403   done
POST /settings/logo                             sign-in 403   403   done
POST /settings/logo/remove                      sign-in 403   403   done
GET  /logo                                      ok      ok    ok    ok

GET  /system                                    sign-in 403   403   ok
GET  /system/chart/<path:metric>.svg            sign-in 403   403   ok

GET  /sign-in                                   ok      on    on    on
POST /sign-in                                   done    done  done  done
POST /sign-out                                  sign-in done  done  done
GET  /register                                  ok      on    on    on
POST /register                                  done    done  done  done
GET  /invitation/<token>                        ok      ok    ok    ok
POST /invitation/<token>                        done    done  done  done

GET  /healthz                                   ok      ok    ok    ok
GET  /readyz                                    ok      ok    ok    ok
GET  /metrics                                   ok      ok    ok    ok
GET  /static/<path:filename>                    ok      ok    ok    ok
"""

# What an address stands for where it is not what the scene names so.
ADDRESSES = {
    "POST /entries/<id:entry_id>/restore": {"entry_id": "deleted_id"},
    "GET /timer/edit/<id:entry_id>": {"entry_id": "running_id"},
    "POST /timer/edit/<id:entry_id>": {"entry_id": "running_id"},
    "POST /projects/<id:project_id>/delete": {"project_id": "idle_project_id"},
    "POST /tasks/<id:task_id>/delete": {"task_id": "idle_task_id"},
    "POST /people/<id:user_id>/activate": {"user_id": "idle_user_id"},
    "POST /people/<id:user_id>/delete": {"user_id": "idle_user_id"},
    "POST /people/<id:user_id>/timers/<id:entry_id>/stop": {"entry_id": "running_id"},
}

# What has to be so before.
BEFORE = {
    "POST /projects/<id:project_id>/activate": "UPDATE projects SET status = 'archived'",
    "POST /timer/forgotten": """
        UPDATE sign_in_sessions
        SET last_seen_at = last_seen_at - interval '1 hour'
        FROM users
        WHERE users.id = user_id AND username = 'alice';
        UPDATE time_entries SET start_time = start_time - interval '2 hours' WHERE end_time IS NULL
    """,
}

PASSWORDS = {"new_password": "a new one of some length", "repeated": "a new one of some length"}
FORMS: dict[str, dict[str, object]] = {
    "POST /entries": {"day": "2026-03-09", "start": "9", "end": "10"},
    "POST /timer/start": {"notes": "Something else"},
    "POST /tasks/<id:task_id>/move": {"to": "done"},
    "POST /people": {"username": "erika", "role": "user"},
    "POST /people/<id:user_id>/name": {"username": "alice the second"},
    "POST /people/<id:user_id>/role": {"role": "admin"},
    "POST /profile/display": {"time_format": "12h", "date_locale": ""},
    "POST /profile/password": {"current_password": scene.PASSWORD, **PASSWORDS},
    "POST /sign-in": {"username": "alice", "password": scene.PASSWORD},
    "POST /register": {"username": "erika", "password": "a new one of some length", "repeated": PASSWORDS["repeated"]},
    "POST /invitation/<token>": {"password": PASSWORDS["repeated"], "repeated": PASSWORDS["repeated"]},
}

# Whose form is taken from the page, which is filled in already.
FILLED = {
    "POST /entries/<id:entry_id>/edit",
    "POST /timer/edit/<id:entry_id>",
    "POST /projects/new",
    "POST /projects/<id:project_id>/edit",
    "POST /tasks/new",
    "POST /tasks/<id:task_id>",
    "POST /settings",
}

TABLES = """
SELECT quote_ident(relname)
FROM pg_class
WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace AND relname !~ 'yoyo|migration'
ORDER BY relname
"""


class Rows:
    """All rows of a database, which can be put back as they were."""

    def __init__(self, cursor: Any):
        self._cursor = cursor
        cursor.execute(TABLES)
        self._tables = [name for (name,) in cursor.fetchall()]
        cursor.execute("CREATE SCHEMA kept; SET session_replication_role = replica")  # no trigger, no order of keys
        for table in self._tables:
            cursor.execute(f"CREATE TABLE kept.{table} AS TABLE {table}")
        self.kept = self.now()

    def now(self) -> tuple[str, ...]:
        """Return a checksum of each table."""
        self._cursor.execute(
            " UNION ALL ".join(
                f"SELECT '{table} ' || coalesce(md5(string_agg(row::text, '|' ORDER BY row::text)), '') "
                f"FROM {table} AS row"
                for table in self._tables
            )
        )
        return tuple(row for (row,) in self._cursor.fetchall())

    def put_back(self, before: str = "") -> None:
        """Put the rows back, and then do what is to be done before."""
        parts = [f"DELETE FROM {table}; INSERT INTO {table} TABLE kept.{table};" for table in self._tables]
        self._cursor.execute(" ".join(parts) + before)


class Stage:
    """The app, its rows and a browser for each of WHO."""

    def __init__(self, app: Any, rows: Rows, values: dict[str, Any], browsers: dict[str, Callable[[], Any]]):
        self.app, self.rows, self.values, self._browsers = app, rows, values, browsers
        self._forms: dict[str, dict[str, object]] = {}

    def browser(self, name: str) -> Any:
        """Return a browser in which nobody else was before."""
        return self._browsers[name]()

    def address(self, case: str) -> str:
        """Return the address of a route with the ids of alice's rows."""
        values = self.values | {"session_id": self.values["session_ids"]["alice"]}
        values |= {key: self.values[other] for key, other in ADDRESSES.get(case, {}).items()}
        return re.sub(r"<(?:\w+:)?(\w+)>", lambda part: str(values[part[1]]), case.split()[1])

    def form(self, case: str) -> dict[str, object]:
        """Return a form that can be taken."""
        if case in FORMS:
            return FORMS[case]
        work = f"cell-{self.values['project_id']}-0-0"
        return {
            "POST /week/<monday>": {f"was-{work}": "", work: "3"},
            "POST /week/restore": {"entry": self.values["deleted_id"]},
            "POST /timer/stop": {"entry": self.values["running_id"]},
            "POST /timer/forgotten": {"entry": self.values["running_id"], "answer": "now"},
            "POST /settings/logo": {"company_logo_filename": (io.BytesIO(scene.picture()), "new.png")},
        }.get(case) or self._filled(case)

    def _filled(self, case: str) -> dict[str, object]:
        """Return what the form of the page at a POST's address would send, with another name or note."""
        if case not in FILLED:
            return {}
        if case in self._forms:
            return self._forms[case]
        who = "alice" if case.startswith("POST /timer") else "carol"
        page = self.browser(who).get(self.address(case))
        assert page.status_code == 200, case
        found = fields_of(page.text, self.address(case))
        changed = {key: "Something else" for key in ("name", "notes", "client", "company_name") if key in found}
        if case == "POST /tasks/new":
            changed["project"] = str(self.values["project_id"])
        self._forms[case] = {**found, **changed}
        return self._forms[case]


def fields_of(html: str, action: str) -> dict[str, object]:
    """Return what the form of a page that is sent to an address, which may be its own, would send as it stands."""
    main = html[html.index("<main") : html.index("</main>")]
    forms = re.findall(r"<form([^>]*)>(.*?)</form>", main, flags=re.S)
    form = next(form for tag, form in forms if f'action="{action}"' in tag or "action=" not in tag)
    sent: dict[str, object] = {}
    for tag in re.findall(r"<input[^>]*>", form):
        attributes = dict(re.findall(r'([\w-]+)="([^"]*)"', tag))
        if attributes.get("type") not in ("checkbox", "radio") or " checked" in tag:
            sent[attributes["name"]] = attributes.get("value", "")
    del sent["csrf_token"]
    for tag, options in re.findall(r"<select([^>]*)>(.*?)</select>", form, flags=re.S):
        chosen = re.search(r'<option(?= )(?=[^>]* selected)[^>]* value="([^"]*)"', options)
        sent[re.search(r'name="(\w+)"', tag)[1]] = chosen[1] if chosen else ""
    for name, text in re.findall(r'<textarea[^>]*name="(\w+)"[^>]*>\s*(.*?)</textarea>', form, flags=re.S):
        sent[name] = text
    return sent


def cases() -> dict[str, tuple[str, ...]]:
    """Return what comes of each route, by its method and rule."""
    lines = [line.split() for line in MATRIX.splitlines() if line]
    return {f"{method} {rule}": tuple(outcomes) for method, rule, *outcomes in lines}


CASES = cases()


def routes(app: Any) -> Iterator[str]:
    """Give the method and the rule of each route; HEAD is as GET, OPTIONS tells nothing."""
    for rule in app.url_map.iter_rules():
        for method in rule.methods - {"HEAD", "OPTIONS"}:
            yield f"{method} {rule.rule}"


@pytest.fixture
def same_moment() -> Iterator[None]:
    """The clock stands still, however long a test takes.

    After a minute whatever page is looked at notes who is there, and after midnight the figures of the day.
    """
    with time_machine.travel(datetime.now(UTC), tick=False):
        yield


@pytest.fixture
def stage(same_moment, app, migrated, cast, as_user) -> Iterator[Stage]:
    """The app with alice's rows. The browsers keep their sessions when the rows are put back."""
    signed_in = {name: as_user(name) for name in cast}
    values = scene.set_scene(migrated, cast)
    signed_in["carol"].get("/")  # the first request of the day keeps its figures

    def browser_of(name: str) -> Callable[[], Any]:
        def fresh() -> Any:
            browser = app.test_client()
            if name in signed_in:
                with signed_in[name].session_transaction() as kept, browser.session_transaction() as session:
                    session.update(kept)
                    session.permanent = True
            return browser

        return fresh

    with contextlib.closing(migrated.connect("postgres")) as connection, connection.cursor() as cursor:
        yield Stage(app, Rows(cursor), values, {name: browser_of(name) for name in WHO})


def outcome(answer: TestResponse) -> str:
    """Return what came of a request, in the words of the matrix."""
    if answer.status_code == 200:
        return "ok"
    if answer.status_code == 401 and 'action="/sign-in"' in answer.text:
        return "sign-in"
    if answer.status_code in (302, 303):
        return "sign-in" if answer.location.partition("?")[0] == "/sign-in" else "on"
    return str(answer.status_code)


def test_the_matrix_lists_every_route():
    """One that is not listed, or listed and gone, fails: say above who may do what."""
    app = create_app({"DATABASE_URL": "postgresql://owner@127.0.0.1:1/none", "SECRET_KEY": "k"})
    listed, there = set(CASES), set(routes(app))
    assert sorted(there - listed) == [], "not listed"
    assert sorted(listed - there) == [], "gone"
    assert {len(outcomes) for outcomes in CASES.values()} == {len(WHO)}


def test_everybody_may_do_what_the_matrix_says_and_nothing_else(stage):
    wrong = []
    for case, outcomes in CASES.items():
        for name, expected in zip(WHO, outcomes, strict=True):
            stage.rows.put_back(BEFORE.get(case, ""))
            form, address = stage.form(case), stage.address(case)
            before, browser = stage.rows.now(), stage.browser(name)
            answer = browser.get(address) if case.startswith("GET") else browser.submit(address, form)
            found = outcome(answer)
            if stage.rows.now() != before:
                found = {"on": "done", "sign-in": "done"}.get(found, f"{found}, but rows have changed")
            if found != expected:
                wrong.append(f"{case} as {name}: expected {expected}, found {found}")
            if scene.SECRET.encode() in answer.data and name in ("nobody", "bob"):
                wrong.append(f"{case} shows {name} what alice wrote")
            answer.close()
    assert not wrong, "\n".join(wrong)


def test_a_form_without_the_token_is_refused_and_changes_nothing(stage):
    wrong = []
    for case in CASES:
        for name in ("nobody", "alice", "carol") if case.startswith("POST") else ():
            for token in ({}, {"csrf_token": "of another"}):
                answer = stage.browser(name).post(stage.address(case), data={**stage.form(case), **token})
                if answer.status_code != 400:
                    wrong.append(f"{case} as {name}: {answer.status_code}")
    assert not wrong, "\n".join(wrong)
    assert stage.rows.now() == stage.rows.kept


def test_what_is_no_text_where_text_is_expected_is_answered(stage):
    """A file for each field, or JSON with the token in a header, as no page of ours sends it."""
    wrong = []
    for case in CASES:
        for name in ("nobody", "carol") if case.startswith("POST") else ():
            files = {field: (io.BytesIO(b"x"), "x.txt") for field in stage.form(case)}
            stage.rows.put_back()
            answers = [stage.browser(name).submit(stage.address(case), files)]
            stage.rows.put_back()
            browser = stage.browser(name)
            token = {"X-CSRFToken": browser.csrf_token()}
            answers.append(browser.post(stage.address(case), json=[1], headers=token))
            wrong += [f"{case} as {name}: {answer.status_code}" for answer in answers if answer.status_code >= 500]
    assert not wrong, "\n".join(wrong)


def test_whatever_stands_in_one_field_of_a_form_is_answered(stage):
    """Blanks are something to some validators and nothing to others; the rest no keyboard types."""
    wrong = []
    for case in CASES:
        name = "alice" if case.startswith("POST /timer") else "carol"
        fields = list(stage.form(case)) if case.startswith("POST") else []
        for field in [*fields, "next", "token", "zone"] if fields else []:
            for value in (" ", "\0", "²"):
                form = {key: text for key, text in stage.form(case).items() if isinstance(text, str | int)}
                status = stage.browser(name).submit(stage.address(case), form | {field: value}).status_code
                if status >= 500:
                    wrong.append(f"{case}, {field}={value[:5]!r}: {status}")
        stage.rows.put_back()
    assert not wrong, "\n".join(wrong)


def test_what_changes_something_refuses_get(stage):
    wrong = []
    for case in CASES:
        if case.startswith("POST") and case.replace("POST", "GET", 1) not in CASES:
            for method in ("get", "head", "put", "delete", "patch"):
                status = getattr(stage.browser("carol"), method)(stage.address(case)).status_code
                # Without a token the last three are refused even before.
                if status not in ((404, 405) if method in ("get", "head") else (400, 405)):
                    wrong.append(f"{method} {case}: {status}")
    assert not wrong, "\n".join(wrong)
    assert stage.rows.now() == stage.rows.kept


def test_members_see_no_rows_of_others_whatever_they_ask_for(stage):
    """Filters in addresses are no way around."""
    values, wrong = stage.values, []
    for path in ("/", "/reports", "/reports/entries", "/reports.csv", "/reports/chart.svg", "/week", "/projects"):
        for query in (f"user={values['user_id']}", f"project={values['project_id']}&rows=user", "q=alice&tag=planning"):
            answer = stage.browser("bob").get(f"{path}?{query}&period=all")
            if scene.SECRET in answer.text or "on site" in answer.text or answer.status_code not in (200, 404, 422):
                wrong.append(f"{path}?{query}: {answer.status_code}")
    assert not wrong, "\n".join(wrong)
