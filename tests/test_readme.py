"""The README names what there is: settings, commands, exit codes, dependencies, make targets."""

import re
from pathlib import Path

import runner
from startup import errors, inspection

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


def rows_of(heading: str) -> list[list[str]]:
    """The cells of the table below a heading."""
    section = re.split(r"^#+ ", README.split(f"# {heading}\n", 1)[1], maxsplit=1, flags=re.MULTILINE)[0]
    rows = [line.strip("|").split("|") for line in section.splitlines() if line.startswith("|")]
    assert len(rows) > 2, f"no table below {heading}"
    return [[cell.strip() for cell in row] for row in rows[2:]]


def names_in(*files: str, pattern: str) -> set[str]:
    """What a regular expression finds in files of the project."""
    found = {name for file in files for name in re.findall(pattern, (ROOT / file).read_text(encoding="utf-8"))}
    assert found, f"{pattern} finds nothing in {files}"
    return found


def documented_settings() -> set[str]:
    return {name for row in rows_of("Settings") for name in re.findall(r"`([A-Z_]+)`", row[0])}


def test_every_setting_that_the_configuration_reads_is_documented():
    read = names_in(
        "startup/configuration.py",
        pattern=r'(?:text|number|or_yes|yes_or_no|choice|matching|time_zone|origin|networks|file|_of)\(\s*"([A-Z_]+)"',
    )
    assert {"DATABASE_URL", "TZ", "SECRET_KEY"} <= read
    assert read - {"PGHOSTADDR", "PGDATABASE", "PGSERVICE"} <= documented_settings()


def test_every_variable_of_gunicorn_the_entrypoint_and_compose_is_documented():
    read = (
        names_in("gunicorn.conf.py", pattern=r'environ\.get\("([A-Z_]+)"')
        | names_in("entrypoint.sh", pattern=r"\$\{([A-Z_]+)")
        | names_in("compose.yaml", pattern=r"(?m)^      ([A-Z][A-Z_]+):")
    )
    assert read - {name for name in read if name.startswith("POSTGRES_")} <= documented_settings()


def test_every_setting_in_the_table_exists():
    sources = "".join(
        (ROOT / file).read_text(encoding="utf-8")
        for file in ("startup/configuration.py", "gunicorn.conf.py", "entrypoint.sh", "compose.yaml")
    )
    for name in documented_settings():
        assert name.removesuffix("_FILE") in sources or name.startswith("PG"), name


def test_every_command_of_the_runner_is_documented():
    commands = runner.COMMANDS | inspection.COMMANDS
    assert {f"`{name}`" for name in commands} == {row[0] for row in rows_of("What a start does")}


def test_every_exit_code_is_documented():
    raised = {error.exit_code for error in [errors.StartError, *errors.StartError.__subclasses__()]}
    documented = {int(code) for row in rows_of("Exit codes") for code in row[0].split(",")}
    assert documented == raised | {0, 130, 141, 143}


def test_every_dependency_has_its_reason():
    wanted = names_in(
        "requirements.in", "requirements-local.in", "requirements-dev.in", pattern=r"(?m)^([a-z][a-z0-9-]+)$"
    )
    documented = {name.strip() for row in rows_of("Dependencies") for name in row[0].split(",")}
    assert documented == wanted


def test_every_make_target_is_named():
    for target in names_in("Makefile", pattern=r"(?m)^([a-z-]+):.*##"):
        assert f"make {target}" in README or f"`{target}`" in README, target


def test_every_table_is_explained():
    page = (ROOT / "docs" / "data-model.md").read_text(encoding="utf-8")
    tables = names_in("sql/runner/schema.txt", pattern=r"(?m)^table (\w+):")
    assert {table for table in tables if f"`{table}`" not in page} == set()


def test_every_test_and_page_that_a_page_names_exists():
    names = {path.name for path in (ROOT / "tests").rglob("*.py")}
    for page in [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]:
        text = page.read_text(encoding="utf-8")
        assert set(re.findall(r"\b(test_\w+\.py)", text)) <= names, page.name
        assert [link for link in re.findall(r"\]\((?!http)([^)#]+)\)", text) if not (page.parent / link).exists()] == []
