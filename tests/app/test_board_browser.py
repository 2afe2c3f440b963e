"""The board of tasks in a real browser: by mouse, by keyboard and without JavaScript."""

import pytest
from pages import problems_of, width_of

pytestmark = [pytest.mark.only_pg("pg18"), pytest.mark.needs("chromium")]

WHERE = "SELECT name, status FROM tasks ORDER BY id"


@pytest.fixture
def board(migrated, cast):
    """Four tasks, one of them with a status of an old database."""
    migrated.execute(
        """
        INSERT INTO projects (id, name, client) VALUES (20, 'Shop', 'Acme');
        INSERT INTO tasks (id, project_id, name, status, priority, due_date, estimated_hours, created_by)
        SELECT tasks.*, users.id
        FROM users, (VALUES
            (1, 20, 'Cart', 'pending', 'urgent', '2020-01-02'::date, 8),
            (2, 20, repeat('Donaudampfschiff', 8), 'pending', 'low', NULL, NULL),
            (3, 20, 'Logo', 'in_progress', 'medium', NULL, NULL),
            (4, 20, 'Later', 'todo', 'medium', NULL, NULL)
        ) AS tasks
        WHERE username = 'alice'
        """
    )


def column(page, name):
    """Return the column of that name."""
    return page.locator(".column").filter(has=page.get_by_role("heading", name=name))


def test_cards_are_moved_by_mouse_and_by_keyboard_and_focus_goes_with_them(open_page, migrated, board):
    page = open_page("alice", "/tasks")
    cart = page.locator("#task-1")
    cart.drag_to(column(page, "In progress"))
    column(page, "In progress").get_by_role("link", name="Cart").wait_for()
    page.get_by_text("Cart: In progress.").wait_for(state="attached")
    assert column(page, "Pending").locator("h2 .badge").inner_text() == "1"
    assert column(page, "In progress").locator("h2 .badge").inner_text() == "2"
    assert column(page, "In progress").locator(".card a").all_inner_texts() == ["Cart", "Logo"], "the urgent one first"
    assert migrated.query("SELECT status FROM tasks WHERE id = 1") == [("in_progress",)]

    cart.focus()
    page.keyboard.press("Alt+ArrowRight")
    page.get_by_text("Cart: Done.").wait_for(state="attached")
    assert page.evaluate("document.activeElement.id") == "task-1"
    assert page.url.endswith("/tasks"), "Alt and an arrow key did not go back"
    page.keyboard.press("Alt+ArrowRight")  # there is no column beyond
    page.keyboard.press("Alt+ArrowLeft")
    page.get_by_text("Cart: In progress.").wait_for(state="attached")

    cart.get_by_role("button", name="← Pending").click()
    page.get_by_text("Cart: Pending.").wait_for(state="attached")
    assert page.evaluate("document.activeElement.id") == "task-1"
    page.locator("#task-4").focus()
    page.keyboard.press("Alt+ArrowRight")
    page.get_by_text("Later: Pending.").wait_for(state="attached")
    assert [status for _, status in migrated.query(WHERE)] == ["pending", "pending", "in_progress", "pending"]
    assert problems_of(page) == []


def test_a_card_that_cannot_be_moved_goes_back_and_the_page_says_why(open_page, migrated, board):
    page = open_page("alice", "/tasks")
    migrated.execute("UPDATE tasks SET status = 'done' WHERE id = 1")
    page.locator("#task-1").get_by_role("button", name="→ In progress").click()
    notice = page.get_by_role("alert")
    notice.get_by_text("Somebody else changed “Cart” meanwhile: it is in Done.").wait_for()
    assert column(page, "Done").locator(".card a").all_inner_texts() == ["Cart"]
    assert page.evaluate("document.activeElement.id") == "task-1"
    page.keyboard.press("Alt+ArrowLeft")
    page.get_by_text("Cart: In progress.").wait_for(state="attached")
    assert notice.count() == 0, "the notice is gone"

    page.route("**/move*", lambda route: route.fulfill(status=503))
    page.locator("#task-1").focus()
    page.keyboard.press("Alt+ArrowRight")
    notice.get_by_text("The database cannot be reached, so the card is back where it was.").wait_for()
    page.unroute("**/move*")
    migrated.execute("DELETE FROM sign_in_sessions")
    page.keyboard.press("Alt+ArrowRight")
    notice.get_by_text("You are signed out.").wait_for()
    assert column(page, "In progress").locator(".card a").all_inner_texts() == ["Cart", "Logo"]
    assert page.evaluate("document.activeElement.id") == "task-1"
    assert migrated.query("SELECT status FROM tasks WHERE id = 1") == [("in_progress",)]


def test_without_javascript_the_buttons_move_cards_also_on_a_phone(open_page, migrated, board):
    page = open_page("bob", "/tasks", viewport={"width": 360, "height": 640}, java_script_enabled=False)
    page.locator("#task-1").get_by_role("button", name="→ In progress").click()
    page.wait_for_url("**#task-1")
    page.get_by_text("Cart: In progress.").wait_for()
    page.locator("#task-4").get_by_role("button", name="→ Done").click()
    page.get_by_text("Later: Done.").wait_for()
    assert not page.get_by_role("heading", name="Other").is_visible()
    page.get_by_role("link", name="Cart").click()
    page.get_by_label("Estimate").fill("1,5")
    page.get_by_role("button", name="Save").click()
    page.get_by_text("0:00 of 1:30").wait_for()


def test_projects_and_tasks_fit_a_phone_and_axe_finds_nothing(open_page, migrated, board, cast):
    migrated.execute(
        """
        UPDATE projects
        SET name = repeat('Donaudampfschiff', 12), client = repeat('Reederei', 25), hourly_rate = 9999999.99;
        INSERT INTO time_entries (user_id, project_id, task_id, start_time, end_time)
        VALUES (2, 20, 1, '2020-02-29 08:00', '2020-02-29 20:00'), (2, 20, 1, timezone('utc', now()), NULL)
        """
    )
    shown = ("/projects", "/projects/20", "/tasks")
    forms = ("/projects/20/edit", "/projects/new", "/tasks/1", "/tasks/new")
    for scheme, paths in (("light", shown + forms), ("dark", shown)):
        page = open_page("carol", "/projects", viewport={"width": 360, "height": 640}, color_scheme=scheme)
        origin = page.url.removesuffix("/projects")
        for path in paths:
            page.goto(origin + path)
            assert width_of(page) <= 360, path
            assert problems_of(page) == [], (path, scheme)
