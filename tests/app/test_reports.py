"""Reports: every figure is the sum of the entries that it leads to."""

# Pages have dashes.
# ruff: noqa: RUF001

import re
from datetime import datetime
from decimal import Decimal
from html import unescape

import pytest
import time_machine

from app import billing
from app.formats import DATE_LOCALES

pytestmark = pytest.mark.only_pg("pg18")

NOW = datetime(2026, 3, 31, 16)
PAGE = "/reports"


@pytest.fixture(autouse=True)
def clock():
    """Tuesday, 31 March 2026, 18:00 in Rome."""
    with time_machine.travel(NOW, tick=False):
        yield


@pytest.fixture
def work(migrated, cast):
    """Some weeks of alice and bob, around the night in which the clocks went forward."""
    migrated.execute("UPDATE settings SET timezone = 'Europe/Rome'")
    migrated.execute(
        """
        INSERT INTO projects (name, client, hourly_rate) VALUES
            ('Website', 'Acme', 80), ('Shop', 'Acme', 33.33), ('Garden', ' Bloom ', NULL), ('Own', '', 10);
        """
    )
    projects = dict(migrated.query("SELECT name, id FROM projects"))
    migrated.execute(
        "INSERT INTO tasks (project_id, name, created_by) VALUES (%s, 'Layout', %s), (%s, 'Cart', %s)",
        projects["Website"],
        cast["alice"],
        projects["Shop"],
        cast["alice"],
    )
    tasks = dict(migrated.query("SELECT name, id FROM tasks"))
    for name, project, task, start, end, credited, tags, billable in [
        ("alice", "Website", "Layout", "2026-03-02 08:00", "2026-03-02 08:20", 1200, "design", True),
        ("alice", "Website", "Layout", "2026-03-02 09:00", "2026-03-02 09:20", 1200, "design, review", True),
        ("alice", "Website", None, "2026-03-02 10:00", "2026-03-02 10:20", 1200, None, True),
        ("alice", "Shop", "Cart", "2026-03-10 08:00", "2026-03-10 09:10", 4200, "review , design,,design", False),
        ("alice", None, None, "2026-03-28 22:30", "2026-03-29 03:30", 18000, "night", False),
        ("alice", "Garden", None, "2026-03-28 23:15", "2026-03-29 01:00", None, "", True),
        ("bob", "Website", "Layout", "2026-03-30 07:00", "2026-03-30 08:00", 3600, "a=b&c, 100%", True),
        ("bob", "Own", None, "2026-03-31 07:00", "2026-03-31 07:00:20", 0, " ", True),
        ("bob", "Shop", None, "2026-03-31 15:00", None, None, "design", True),
        (None, "Shop", None, "2026-02-28 23:30", "2026-03-01 00:30", 3600, None, True),
        ("alice", "Shop", None, "2026-02-28 22:30", "2026-02-28 23:30", 3600, None, True),
        ("alice", "Shop", None, "2026-03-31 22:00", "2026-03-31 23:00", 3600, None, True),
    ]:
        migrated.execute(
            """
            INSERT INTO time_entries
                (user_id, project_id, task_id, start_time, end_time, duration_seconds, notes, tags, billable)
            VALUES (%s, %s, %s, %s, %s, %s, 'worked', %s, %s)
            """,
            cast.get(name), projects.get(project), tasks.get(task), start, end, credited, tags, billable,
        )  # fmt: skip
    return {**projects, **tasks}


def links(html: str) -> list[tuple[str, str]]:
    """The figures of a page that lead to entries: address and text."""
    found = re.findall(r'<a href="(/reports/entries\?[^"]*)">([^<]*)</a>', html)
    return [(unescape(address), unescape(text)) for address, text in found]


def minutes(text: str) -> int:
    hours, _, rest = text.partition(":")
    return int(hours) * 60 + int(rest)


def listed(browser, address: str) -> tuple[int, str, str, int]:
    """The sum of the entries that the pages of a list show, what it says of their sum and amount, and their number."""
    shown, number = 0, 0
    while address:
        answer = browser.get(address)
        assert answer.status_code == 200, address
        said = re.search(r'id="total">([^<]*)<', answer.text)[1]
        money = re.search(r'id="amount">([^<]*)<', answer.text)
        rows = re.findall(r'<td class="figure">(\d+:\d\d)</td>', answer.text)
        shown += sum(minutes(row) for row in rows)
        number += len(rows)
        further = re.search(r'href="([^"]*)" rel="next"', answer.text)
        address = unescape(further[1]) if further else ""
    return shown, said, money[1] if money else "", number


@pytest.mark.parametrize("rows", ["project", "client", "task", "user", "tag", "none"])
@pytest.mark.parametrize("columns", ["day", "month"])
def test_every_figure_is_the_sum_of_the_entries_that_it_leads_to(as_user, work, rows, columns):
    browser = as_user("carol")
    html = browser.get(f"{PAGE}?rows={rows}&columns={columns}&period=this-month").text
    figures = links(html)
    assert len(figures) > 7
    for address, text in dict(figures).items():
        shown, said, amount, number = listed(browser, address)
        assert number > 0
        if ":" in text:
            assert (shown, said) == (minutes(text), text), address
        else:
            assert amount == text, address


def test_filters_hold_in_what_the_figures_lead_to(as_user, work):
    browser = as_user("carol")
    html = browser.get(f"{PAGE}?rows=tag&columns=week&tag=design&billable=no&client=Acme").text
    assert {text for _, text in links(html)} == {"1:10"}
    for address, text in links(html):
        assert listed(browser, address)[1] == text


def test_rows_and_totals(as_user, work, read):
    lines = read(as_user("carol").get(f"{PAGE}?columns=none").text)
    assert "Project | Total | Billable | Not billable | Amount" in lines
    assert [
        line for line in lines if line.startswith(("Shop", "Website", "Garden", "Own", "No project", "Total |"))
    ] == [
        "Shop Acme | 3:10 | 2:00 | 1:10 | €66.66",
        "Website Acme | 2:00 | 2:00 | – | €160.00",
        "Garden Bloom | 1:45 | 1:45 | – | €0.00",
        "Own | 0:00 | 0:00 | – | €0.00",
        "No project | 5:00 | – | 5:00 | –",
        "Total | 11:55 | 5:45 | 6:10 | €226.66",
    ]


def test_three_times_twenty_minutes_bill_a_whole_hour(as_user, work):
    html = as_user("carol").get(f"{PAGE}?from=2026-03-02&to=2026-03-02").text
    assert "€80.00" in html and "79" not in re.findall(r"€\d+", html)


def test_amounts_without_coins_add_up_as_they_are_shown(as_user, migrated, work, read):
    migrated.execute("UPDATE settings SET currency = 'JPY'")
    migrated.execute("UPDATE projects SET hourly_rate = 1000")
    migrated.execute("DELETE FROM time_entries")
    for project in ("Website", "Shop", "Own"):
        migrated.execute(
            "INSERT INTO time_entries (project_id, start_time, end_time) VALUES (%s, '2026-03-02 8:00', %s)",
            work[project],
            "2026-03-02 8:20",
        )
    page = read(as_user("carol").get(f"{PAGE}?columns=none").text)
    assert [line.rpartition("¥")[2] for line in page if "0:20" in line] == ["333", "333", "333"]
    assert any(line.startswith("Total | 1:00 | ") and line.endswith("¥999") for line in page)


def test_a_project_that_is_not_billable_earns_nothing_whatever_its_entries_say(as_user, migrated, work, read):
    migrated.execute("UPDATE projects SET billable = false WHERE name = 'Website'")
    page = read(as_user("carol").get(f"{PAGE}?columns=none").text)
    assert "Website Acme | 2:00 | 2:00 | – | €0.00" in page
    assert "Total | 11:55 | 5:45 | 6:10 | €66.66" in page


def test_the_form_keeps_the_filters_that_it_shows(as_user, work, cast):
    asked = f"project={work['Website']}&task={work['Layout']}&user={cast['alice']}&without=tag&without=client"
    html = as_user("carol").get(f"{PAGE}?{asked}").text
    for name, row in (("project", work["Website"]), ("task", work["Layout"]), ("user", cast["alice"])):
        choice = html.partition(f'id="{name}"')[2].partition("</select>")[0]
        assert re.findall(r'<option selected value="(\d+)"', choice) == [str(row)]
    assert 'option selected value="client"' in html
    assert '<input type="hidden" name="without" value="tag">' in html


def test_a_week_is_headed_by_its_first_day_and_month_in_any_locale(as_user, migrated, cast, work):
    carol = as_user("carol")
    migrated.execute("INSERT INTO display_preferences (user_id) VALUES (%s)", cast["carol"])
    migrated.execute(
        """
        INSERT INTO time_entries (user_id, start_time, end_time)
        VALUES (%s, '2026-11-25 09:00', '2026-11-25 10:00')
        """,
        cast["alice"],
    )
    headed = {}
    for locale in ("", *DATE_LOCALES):
        migrated.execute("UPDATE display_preferences SET date_locale = %s", locale)
        html = carol.get(f"{PAGE}?columns=week&from=2026-11-23&to=2026-11-29").text
        html += carol.get(f"{PAGE}?columns=week&from=2026-03-02&to=2026-03-08").text
        headed[locale] = re.findall(r"Week \d+<br> ([^<]*)<", html)
    wrong = {
        locale: headings
        for locale, headings in headed.items()
        if len(headings) != 2 or not all("2" in heading and len(heading) > 2 for heading in headings)
    }
    assert wrong == {}


def test_an_entry_with_several_tags_counts_in_each_row_but_once_in_the_total(as_user, work, read):
    lines = read(as_user("carol").get(f"{PAGE}?rows=tag&columns=none&from=2026-03-02&to=2026-03-10").text)
    assert "design | 1:50 | 0:40 | 1:10 | €53.33" in lines
    assert "review | 1:30 | 0:20 | 1:10 | €26.67" in lines
    assert "No tag | 0:20 | 0:20 | – | €26.67" in lines
    assert "Total | 2:10 | 1:00 | 1:10 | €80.00" in lines


def test_the_page_says_that_rows_of_tags_share_entries(as_user, work):
    sentence = "An entry with several tags counts in the row of each of them"
    assert sentence in as_user("carol").get(f"{PAGE}?rows=tag").text
    assert sentence not in as_user("carol").get(PAGE).text


def test_an_entry_over_midnight_belongs_to_the_day_in_which_it_starts(as_user, work, read):
    html = as_user("carol").get(f"{PAGE}?from=2026-03-28&to=2026-03-29&columns=day").text
    lines = read(html)
    assert any("Sat 28 Mar" in line and "Sun 29 Mar" in line for line in lines)
    # 23:30 on Saturday, and 00:15 on the Sunday that has 23 hours.
    assert "No project | 5:00 | – | 5:00 | – | 5:00" in lines
    assert "Garden Bloom | 1:45 | 1:45 | – | €0.00 | 1:45" in lines
    assert "Total | 6:45 | 1:45 | 5:00 | €0.00 | 5:00 | 1:45" in lines


def test_a_running_timer_counts_until_now(as_user, work, read):
    page = as_user("carol").get(f"{PAGE}?period=today&rows=user&columns=none").text
    assert "bob | 1:00 | 1:00 | – | €33.33" in read(page)
    assert "Running timers count until now." in page


def test_members_see_their_own_hours_and_no_money(as_user, work, read):
    browser = as_user("alice")
    page = browser.get(f"{PAGE}?rows=user&columns=none").text
    assert "alice | 8:55 | 2:45 | 6:10" in read(page)
    assert not any("bob" in line for line in read(page)) and "€" not in page and "Amount" not in page
    assert listed(browser, "/reports/entries?from=2026-03-30&to=2026-03-31") == (0, "0:00", "", 0)


def test_the_addresses_that_members_share_show_everybody_their_own(as_user, work, cast):
    alice = as_user("alice")
    assert links(alice.get(PAGE).text)
    for path in (PAGE, "/reports/entries"):
        page = alice.get(f"{path}?user={cast['alice']}").text
        assert [address for address in re.findall(r'(?:href|src)="([^"]*)"', page) if "user=" in address] == []


@pytest.mark.parametrize("path", ["/reports", "/reports/entries", "/reports.csv", "/reports/chart.svg"])
def test_what_is_not_yours_or_not_there_gives_404(as_user, work, cast, path):
    alice, carol = as_user("alice"), as_user("carol")
    assert alice.get(f"{path}?user={cast['bob']}").status_code == 404
    assert alice.get(f"{path}?user=99999999").status_code == 404
    assert alice.get(f"{path}?user={cast['alice']}").status_code == 200
    for name in ("user", "project", "task"):
        for absent in ("0", "99999999", "9223372036854775807"):
            assert carol.get(f"{path}?{name}={absent}").status_code == 404


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ("period=tomorrow", "There is no such choice"),
        ("rows=mood", "There is no such choice"),
        ("columns=hour", "There is no such choice"),
        ("billable=perhaps", "There is no such choice"),
        ("without=sleep", "There is no such choice"),
        ("without=tag&without=sleep", "There is no such choice"),
        ("from=2026-03-09&to=2026-03-08", "The last day comes before the first."),
        ("from=0001-01-01", "Reports reach from 1900 to 2199."),
        ("from=2026-01-01&to=9999-12-31", "Reports reach from 1900 to 2199."),
        ("from=2026-02-30", "That is no day."),
        ("to=%00", "That is no day."),
        ("user=alice", "There is no such choice"),
        ("project=-1", "There is no such choice"),
        ("project=1.5", "There is no such choice"),
        ("task=%EF%BC%91", "There is no such choice"),
        ("project=9223372036854775808", "There is no such choice"),
        ("client=%00", "characters in it that cannot be seen"),
        ("tag=a%00b", "characters in it that cannot be seen"),
        ("tag=" + "x" * 501, "500 characters at most"),
        ("client=" + "x" * 201, "200 characters at most"),
        ("page=last", "Pages have numbers"),
        ("after=yesterday", "The list does not go on there"),
        ("after=2026-01-01T00:00:00%2B01:00,1", "The list does not go on there"),
        ("after=2026-01-01,9223372036854775808", "The list does not go on there"),
    ],
)
def test_what_cannot_be_understood_gives_422_with_a_sentence_and_the_defaults(as_user, work, query, sentence):
    browser = as_user("carol")
    for path in ("/reports", "/reports/entries", "/reports.csv"):
        answer = browser.get(f"{path}?{query}")
        assert answer.status_code == 422
        assert sentence in answer.text
        assert "What is marked was left at its default." in answer.text
        assert "2026-03-31" in answer.text
    assert browser.get(f"/reports/chart.svg?{query}").status_code == 422


def test_a_list_goes_on_after_the_largest_id(as_user, work):
    assert as_user("carol").get("/reports/entries?after=2026-03-20,2147483647").status_code == 200


@pytest.mark.parametrize("query", ["from=1900-01-01&to=2199-12-31", "to=1900-01-01", "from=2199-12-31", "period=all"])
@pytest.mark.parametrize("zone", ["Pacific/Kiritimati", "Pacific/Apia", "America/Havana"])
def test_the_ends_of_the_calendar_can_be_asked_for(as_user, work, migrated, query, zone):
    migrated.execute("UPDATE settings SET timezone = %s", zone)
    migrated.execute("INSERT INTO time_entries (user_id, start_time) VALUES (1, '0044-03-15 BC'), (1, '9999-12-31')")
    for path in ("/reports", "/reports/entries", "/reports.csv", "/reports/chart.svg"):
        assert as_user("carol").get(f"{path}?{query}").status_code == 200
    for columns in ("day", "week", "month", "year", "none"):
        assert as_user("carol").get(f"/reports?{query}&columns={columns}").status_code == 200


def test_too_many_columns_become_fewer_and_the_page_says_so(as_user, work):
    html = as_user("carol").get(f"{PAGE}?period=this-year&columns=day").text
    assert "So many days do not fit by day: they are shown by week." in html


def test_without_an_entry_the_page_says_what_to_do(as_user, cast, read):
    lines = read(as_user("alice").get(PAGE).text)
    assert "Nothing was tracked here" in lines
    assert any("start a timer" in line for line in lines)


def test_hostile_names_are_shown_as_they_are_and_lead_to_their_entries(as_user, work, cast, migrated):
    name = """<script>alert(1)</script>"&'%00 ,;="""
    migrated.execute("UPDATE projects SET name = %s, client = %s WHERE name = 'Website'", name, name)
    migrated.execute("UPDATE time_entries SET tags = %s WHERE tags = 'design'", name.replace(",", ""))
    browser = as_user("carol")
    for rows in ("project", "client", "tag"):
        html = browser.get(f"{PAGE}?rows={rows}&columns=none").text
        assert "<script>alert" not in html
        for address, text in links(html):
            if ":" in text:
                assert listed(browser, address)[1] == text


def test_spellings_of_a_tag_or_a_client_are_one_row_that_leads_to_all_its_entries(as_user, migrated, cast, read):
    migrated.execute("INSERT INTO projects (name, client) VALUES ('Website', 'Acme'), ('Shop', ' ACME')")
    for project, tags in (("Website", "Design"), ("Shop", "design, DESIGN"), ("Shop", "Übung"), ("Website", "übung,x")):
        migrated.execute(
            """
            INSERT INTO time_entries (user_id, project_id, start_time, end_time, tags)
            SELECT %s, id, '2026-03-02 08:00', '2026-03-02 09:00', %s FROM projects WHERE name = %s
            """,
            cast["bob"],
            tags,
            project,
        )
    browser = as_user("bob")
    for rows, found in (
        ("tag", {"DESIGN | 2:00 | 2:00 | –", "Übung | 2:00 | 2:00 | –", "x | 1:00 | 1:00 | –"}),
        ("client", {"ACME | 4:00 | 4:00 | –"}),
    ):
        html = browser.get(f"{PAGE}?rows={rows}&columns=none").text
        assert {line for line in read(html) if re.match("(?i)design|übung|x|acme", line)} == found
        assert "Total | 4:00 | 4:00 | –" in read(html)
        for address, text in links(html):
            assert listed(browser, address)[1] == text, address
    for query in ("tag=deSIGN", "tag=design,Design", "tag=ÜBUNG", "client=%20acme%20&tag=%20Design%20"):
        assert listed(browser, f"/reports/entries?from=2026-03-02&to=2026-03-02&{query}")[1] == "2:00"
        assert browser.get(f"/reports.csv?from=2026-03-02&to=2026-03-02&{query}").data.count(b"\r\n") == 3
    assert 'value="Acme"' in browser.get(f"{PAGE}?client=%20Acme%20").text


def test_long_lists_have_pages(as_user, work, cast, migrated):
    migrated.execute(
        """
        INSERT INTO time_entries (user_id, start_time, end_time, duration_seconds)
        SELECT %s, timestamp '2026-01-05' + n %% 7 * interval '1 minute', '2026-01-05 10:00', 60
        FROM generate_series(1, 250) AS n
        """,
        cast["bob"],
    )
    assert listed(as_user("bob"), "/reports/entries?from=2026-01-05&to=2026-01-05") == (250, "4:10", "", 250)


def test_many_rows_have_pages_below_one_total(as_user, cast, migrated):
    migrated.execute("INSERT INTO projects (name, client) SELECT 'P' || n, 'C' FROM generate_series(1, 120) AS n")
    migrated.execute(
        """
        INSERT INTO time_entries (user_id, project_id, start_time, end_time, duration_seconds)
        SELECT %s, id, '2026-03-05', '2026-03-06', 60 * id FROM projects WHERE client = 'C'
        """,
        cast["bob"],
    )
    browser, address, seen, totals = as_user("bob"), PAGE + "?columns=none", [], set()
    while address:
        html = browser.get(address).text
        seen += re.findall(r'<th scope="row">(P\d+) ', html)
        totals.add(re.search(r"<tfoot>.*?>(\d+:\d\d)<", html, re.DOTALL)[1])
        further = re.search(r'href="([^"]*)" rel="next"', html)
        address = unescape(further[1]) if further else ""
    assert len(set(seen)) == len(seen) == 120
    assert len(totals) == 1
    assert browser.get(f"{PAGE}?columns=none&page=99").status_code == 200


def test_a_period_stays_a_period_until_other_days_are_named(as_user, work):
    browser = as_user("carol")
    for query in ("", "period=this-month", "period=this-month&from=2026-03-01&to=2026-03-31"):
        html = browser.get(f"{PAGE}?{query}").text
        assert 'name="period" value="this-month"' in html and "This month, 2026-03-01" in html
    html = browser.get(f"{PAGE}?period=this-month&from=2026-03-02&to=2026-03-31").text
    assert 'name="period"' not in html and "2026-03-02 – 2026-03-31" in html
    assert "2026-03-30 – 2026-03-31" in browser.get(f"{PAGE}?from=2026-03-30").text
    assert "2026-02-28 – 2026-03-02" in browser.get(f"{PAGE}?to=2026-03-02").text


def test_a_page_asks_few_questions(as_user, work, app, monkeypatch):
    from app.queries import reports

    asked = []
    for name in ("sums", "names", "span", "user_choices", "project_choices", "task_choices"):
        query = getattr(reports, name)
        monkeypatch.setattr(reports, name, lambda *a, query=query, name=name: asked.append(name) or query(*a))
    assert as_user("carol").get(PAGE).status_code == 200
    assert asked == ["user_choices", "project_choices", "task_choices", "sums", "names"]


def test_amounts_are_exact():
    cent = billing.coin_of("EUR")
    assert billing.total([(60, Decimal("80"))], cent) == Decimal("80.00")
    assert billing.total([(1, Decimal("0.30"))], cent) == Decimal("0.01")  # half a cent
    assert billing.total([(1, Decimal("33.33")), (500, None)], cent) == Decimal("0.56")
    assert billing.total([(10**9, Decimal("9999999.99"))], cent) == Decimal("166666666500000.00")


def test_a_large_number_of_entries_is_written_as_other_numbers_are(as_user, migrated, cast):
    migrated.execute(
        "INSERT INTO time_entries (user_id, start_time, end_time, duration_seconds) "
        "SELECT %s, start, start + interval '5 minutes', 300 "
        "FROM generate_series(timestamp '2026-03-02', '2026-03-10 13:30', interval '10 minutes') AS start",
        cast["alice"],
    )
    for page in ("/reports?period=all", "/reports/entries?period=all"):
        assert ">1,234<" in as_user("alice").get(page).text
