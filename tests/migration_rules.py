"""What may not stand in a migration, because it would stall the site or lose rows. docs/startup.md tells why."""

import re
from pathlib import Path

LARGE_TABLE = "time_entries"
CALL = r"\('(\w+)'(?:, '(\w+)')?\)"
ROLLBACK_STATEMENTS = (
    r"SET LOCAL lock_timeout = '1s'",
    r"SELECT archive_table\('\w+'\)",
    r"SELECT archive_column\('\w+', '\w+'\)",
    r"DO \$\$ BEGIN RAISE EXCEPTION '[^']+'; END; \$\$",
)


def problems_in_migration(path: Path) -> list[str]:
    """Give a sentence for each thing in a migration that would make writers wait, or that its rollback would lose."""
    code = re.sub(r"CREATE OR REPLACE FUNCTION .*?\$\$.*?\$\$;", "", _code(path), flags=re.DOTALL)  # runs nothing yet
    made = set(re.findall(r"CREATE TABLE IF NOT EXISTS (\w+)", code))
    validates = re.search(r"\bVALIDATE CONSTRAINT\b|\bvalidate_constraint\(", code)
    adds = re.findall(r"\bADD (?:CONSTRAINT \S+ )?(?:FOREIGN KEY|CHECK|%s)[^;]*", code)
    problems = []
    if [constraint for constraint in adds if "NOT VALID" not in constraint]:
        problems.append("a constraint goes in NOT VALID; the next file validates it")
    if adds and validates:
        problems.append("a constraint is not validated in the transaction that adds it, whose lock would be kept")
    if validates and not re.search(r"^-- validates: constraints$", path.read_text("ascii"), re.MULTILINE):
        problems.append("a file that validates says -- validates: constraints")
    for table in re.findall(r"ALTER TABLE (\w+)\b[^;]*\bSET NOT NULL\b", code):
        proven = re.search(rf"ALTER TABLE {table}\s+DROP CONSTRAINT IF EXISTS \w+_check\b", code)
        if table not in made and not proven:
            problems.append(f"SET NOT NULL reads all of {table}: a valid CHECK proves it, and goes in the same file")
    for column in re.findall(r"ADD COLUMN (?:IF NOT EXISTS )?(\w+) [^,;]*\bDEFAULT [^,;]*\(", code):
        problems.append(f"the default of {column} may be another in each row, which writes the table anew")
    if re.search(rf"CREATE (UNIQUE )?INDEX (?!CONCURRENTLY)[^;]* ON {LARGE_TABLE}\b", code):
        problems.append(f"an index of {LARGE_TABLE} is built CONCURRENTLY, in a file of its own")
    return [*problems, *_losses(path, code, made)]


def problems_in_rollback(path: Path) -> list[str]:
    """Give a sentence for each statement of a rollback file that does anything but keep rows, or refuse."""
    migration = path.with_name(path.name.replace(".rollback.sql", ".sql"))
    statements = [statement.strip() for statement in re.split(r";\s*\n", _code(path)) if statement.strip()]
    problems = [
        f"a rollback file archives, or raises and says why: {statement}"
        for statement in statements
        if not any(re.fullmatch(allowed, statement) for allowed in ROLLBACK_STATEMENTS)
    ]
    if "-- transactional: false" in migration.read_text("ascii"):
        problems.append("yoyo would run it when the migration fails, over what was there before")
    return problems


def _losses(path: Path, code: str, made: set[str]) -> list[str]:
    """What the migration brings, and its rollback file does not keep or it does not bring back."""
    rollback = path.with_suffix(".rollback.sql")
    kept = set(re.findall(rf"SELECT archive_\w+{CALL}", _code(rollback))) if rollback.exists() else set()
    refuses = rollback.exists() and "RAISE EXCEPTION" in _code(rollback)
    brought_back = set(re.findall(rf"PERFORM unarchive_\w+{CALL}", code))
    columns = {
        (table, column)
        for table, actions in re.findall(r"ALTER TABLE (\w+)\b([^;]*)", code)
        for column in re.findall(r"ADD COLUMN IF NOT EXISTS (\w+)", actions)
        if table not in made
    }
    brought = columns | {(table, "") for table in made}
    if path.name == "0001-bookkeeping.sql" or refuses:  # which says that it stays
        return []
    return [
        *(f"its rollback file does not archive {'.'.join(filter(None, lost))}" for lost in sorted(brought - kept)),
        *(f"it does not bring back {'.'.join(filter(None, lost))}" for lost in sorted(kept - brought_back)),
    ]


def _code(path: Path) -> str:
    """The text without its comments."""
    return re.sub(r"--[^\n]*", "", path.read_text("ascii"))
