"""Generated secrets are for the owner of the tables alone."""

import pytest
from psycopg2.errors import InsufficientPrivilege


@pytest.fixture
def reader(connection, applied, connect):
    """A cursor in a superuser's transaction with a role test_reader; the role goes with the transaction."""
    superuser = connect(applied, "postgres")
    with superuser.cursor() as cursor:
        cursor.execute("CREATE ROLE test_reader")
        yield cursor
    superuser.rollback()


def test_the_owner_sees_them(connection):
    with connection.cursor() as cursor:
        cursor.execute("SELECT name, value FROM app_secrets")
        assert cursor.fetchall() == [("secret_key", "not for readers")]


def test_a_role_without_a_grant_may_not_look(reader):
    reader.execute("SET LOCAL ROLE test_reader")
    with pytest.raises(InsufficientPrivilege):
        reader.execute("SELECT FROM app_secrets")


@pytest.mark.parametrize(
    "grant",
    ["GRANT SELECT ON ALL TABLES IN SCHEMA public TO", "GRANT pg_read_all_data TO"],
    ids=["SELECT", "all data"],
)
def test_a_role_that_may_read_everything_sees_no_row(reader, grant):
    reader.execute(f"{grant} test_reader")
    reader.execute("SET LOCAL ROLE test_reader")
    reader.execute("SELECT count(*) FROM users")
    assert reader.fetchone() == (3,)
    reader.execute("SELECT name, value FROM app_secrets")
    assert reader.fetchall() == []


def test_statistics_tell_a_reader_nothing(reader):
    reader.execute("ANALYZE app_secrets; ANALYZE users")
    reader.execute("GRANT pg_read_all_data TO test_reader; SET LOCAL ROLE test_reader")
    reader.execute("SELECT DISTINCT tablename FROM pg_stats WHERE tablename IN ('app_secrets', 'users')")
    assert reader.fetchall() == [("users",)]


def test_a_writer_can_plant_no_secret(reader):
    reader.execute("GRANT INSERT ON app_secrets TO test_reader; SET LOCAL ROLE test_reader")
    with pytest.raises(InsufficientPrivilege, match="row-level security"):
        reader.execute("INSERT INTO app_secrets (name, value) VALUES ('other', 'known')")
