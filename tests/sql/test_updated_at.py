"""The trigger that keeps updated_at."""

TABLES = ("users", "projects", "tasks", "time_entries", "settings", "invoices")
IS_NOW = "updated_at = timezone('utc', now())"


def test_an_update_sets_it_in_utc_whatever_the_time_zone_of_the_session(connection):
    with connection.cursor() as cursor:
        cursor.execute("SET TIME ZONE 'Asia/Tokyo'")
        for table in TABLES:
            cursor.execute(f"UPDATE {table} SET updated_at = '2000-01-01' RETURNING {IS_NOW}")
            assert set(cursor.fetchall()) == {(True,)}, table


def test_an_update_of_one_row_leaves_the_others(connection):
    with connection.cursor() as cursor:
        cursor.execute("UPDATE users SET role = 'admin' WHERE username = 'alice'")
        cursor.execute("SELECT username FROM users WHERE updated_at < '2025-01-01' ORDER BY username")
        assert cursor.fetchall() == [("bob",), ("carol",)]


def test_a_transaction_may_keep_it_and_the_next_one_does_not(connection):
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL timetracker.keep_updated_at = 'on'")
        cursor.execute("UPDATE users SET role = 'admin' WHERE username = 'alice' RETURNING updated_at::text")
        assert cursor.fetchone() == ("2024-01-02 03:04:05.678",)
        connection.commit()
        cursor.execute(f"UPDATE users SET role = 'user' WHERE username = 'alice' RETURNING {IS_NOW}")
        assert cursor.fetchone() == (True,)
