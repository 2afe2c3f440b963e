"""A log that cannot be written ends nothing, an output that cannot is told, and a closed stream is no trap."""

import json
import os
import re
import sys
from pathlib import Path

import pytest
from installation import HELD, WAITING, errors_in, held_up, wait_for

from startup import log

pytestmark = pytest.mark.only_pg("pg18")

# Becomes the command, with a descriptor that leads into a pipe which nobody reads any more.
UNREAD = (
    "import os, sys; r, w = os.pipe(); os.dup2(w, int(sys.argv[1])); os.close(r); os.execv(sys.argv[2], sys.argv[2:])"
)

BUFFERED, UNBUFFERED = {}, {"PYTHONUNBUFFERED": "1"}
NO_ROOM = "The output could not be written: No space left on device. Look at where stdout goes, then run it again"


def redirected(how: str) -> tuple[str, ...]:
    """Return the command that runs another with what the shell calls `how`."""
    return ("sh", "-c", f'exec "$@" {how}', "sh")


def unread(descriptor: int) -> tuple[str, ...]:
    """Return the command that runs another, whose reader of this descriptor has gone."""
    return (sys.executable, "-c", UNREAD, str(descriptor))


# --- The log ---


@pytest.mark.parametrize("log_format", ["text", "json"])
@pytest.mark.parametrize("wrapper", [redirected("2>/dev/full"), redirected("2>&-"), unread(2)])
def test_a_start_goes_on_without_the_log_that_cannot_be_written(wrapper, log_format, installation, database):
    result = installation.run("migrate", database=database, env={"LOG_FORMAT": log_format}, wrapper=wrapper)
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")
    assert installation.run("verify", database=database).returncode == 0


@pytest.mark.parametrize("wrapper", [redirected("2>/dev/full"), redirected("2>&-"), unread(2)])
def test_the_exit_code_of_what_ends_a_start_stays_without_a_log(wrapper, installation, migrated):
    assert installation.run("migrate", wrapper=wrapper, env={"PORT": "x"}).returncode == 2
    migrated.execute("ALTER TABLE users DROP COLUMN username CASCADE")
    result = installation.run("verify", "--json", database=migrated, wrapper=wrapper)
    assert result.returncode == 1
    assert json.loads(result.stdout)


def test_a_log_whose_reader_leaves_after_a_line_ends_nothing(installation, database):
    command = '"$@" 2>&1 1>/dev/null | head -n 1; exit "${PIPESTATUS[0]}"'
    result = installation.run("migrate", database=database, wrapper=("bash", "-c", command, "bash"))
    assert (result.returncode, result.stderr) == (0, "")
    assert len(result.stdout.splitlines()) == 1
    assert installation.run("verify", database=database).returncode == 0


def test_a_log_that_is_closed_in_the_program_is_left_out(monkeypatch, tmp_path, capsys):
    with open(tmp_path / "log", "w") as closed:
        pass
    for stream in (closed, None):
        monkeypatch.setattr(sys, "stderr", stream)
        log.write("said to nobody")
    assert capsys.readouterr().out == ""


# --- The output ---


@pytest.mark.parametrize("env", [BUFFERED, UNBUFFERED])
@pytest.mark.parametrize("arguments", [["verify"], ["verify", "--json"], ["status"], ["plan"], ["--help"]])
def test_an_output_that_cannot_be_written_is_one_line_and_2(arguments, env, installation, migrated):
    result = installation.run(*arguments, database=migrated, env=env, wrapper=redirected(">/dev/full"))
    assert errors_in(result) == [NO_ROOM]
    assert "Traceback" not in result.stderr
    assert "Exception ignored" not in result.stderr
    assert result.returncode == 2


def test_a_difference_that_could_not_be_written_is_no_answer(installation, migrated):
    migrated.execute("ALTER TABLE users DROP COLUMN username CASCADE")
    result = installation.run("verify", database=migrated, wrapper=redirected(">/dev/full"))
    assert errors_in(result)[-1] == NO_ROOM
    assert result.returncode == 2


@pytest.mark.parametrize("env", [BUFFERED, UNBUFFERED])
@pytest.mark.parametrize("arguments", [["verify"], ["status"], ["plan"]])
def test_an_output_whose_reader_has_gone_ends_as_by_sigpipe(arguments, env, installation, database):
    """The database is empty: there is much to say."""
    result = installation.run(*arguments, database=database, env=env, wrapper=unread(1))
    assert "Traceback" not in result.stderr
    assert "Exception ignored" not in result.stderr
    assert "could not be written" not in result.stderr
    assert result.returncode == 141


def test_a_file_that_is_missing_is_still_a_bug_when_nobody_reads(installation, migrated):
    (installation.sql / "runner" / "catalog.sql").unlink()
    result = installation.run("verify", database=migrated, wrapper=unread(1))
    assert result.returncode == 70
    assert "catalog.sql" in result.stderr


# --- Closed by the parent ---


def test_no_standard_descriptor_becomes_the_socket_to_the_database(installation, database):
    installation.add("held", HELD)
    wrapper = redirected("<&- >&- 2>&-")
    with held_up(database) as let_go, installation.start("migrate", database=database, wrapper=wrapper) as process:
        wait_for(lambda: database.query(f"SELECT 1 {WAITING}"))
        own = Path("/proc") / str(process.pid)
        for descriptor in range(3):
            assert os.readlink(own / "fd" / str(descriptor)) == os.devnull
            flags = re.search(r"^flags:\s+(\d+)", (own / "fdinfo" / str(descriptor)).read_text(), re.MULTILINE)[1]
            assert not int(flags, 8) & os.O_CLOEXEC  # Gunicorn gets it too
        let_go()
        process.communicate()
        assert process.returncode == 0


def test_without_stderr_stdout_holds_the_output_alone(installation, migrated):
    result = installation.run("verify", "--json", database=migrated, wrapper=redirected("2>&-"))
    assert result.returncode == 0
    assert json.loads(result.stdout)
    assert installation.run("wait", database=migrated, wrapper=redirected("2>&-")).stdout == ""
