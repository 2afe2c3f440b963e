"""The statements of a migration file: where each ends, and which may not stand in a migration.

Yoyo leaves the reading to sqlparse, which takes as long as a whole start with nothing to do and takes a column called
begin for the begin of a block. A test holds both to the same result on every file of this version.
"""

import os
import re

# A string, a quoted name or a dollar-quoted body is kept as it is; white space and comments count as one blank.
KEPT = r"""(?P<kept>(?<!\w)[eE]'(?:[^'\\]|\\.|'')*'|'(?:[^']|'')*'|"(?:[^"]|"")*"|\$(?P<tag>\w*)\$.*?\$(?P=tag)\$)"""
TOKEN = re.compile(KEPT + r"|(?P<blank>(?:--[^\n\r]*|/\*.*?\*/|\s)++)|(?P<mark>[();])", re.DOTALL | re.ASCII)
COMMENT_BEHIND = re.compile(r"[ \t]*--[^\n\r]*")
NEEDLESS_BLANK = re.compile(KEPT + r"| ?(?P<mark>[(),;]) ?", re.DOTALL | re.ASCII)

DIRECTIVE = re.compile(r"\s*--\s*(transactional|depends)\s*:\s*(.*?)\s*")
LIKE_A_DIRECTIVE = re.compile(r"^\s*--\s*transactional\s*:", re.MULTILINE | re.IGNORECASE)

# What may not stand in a migration; END alone, for it ends the body of a function too.
TRANSACTION_CONTROL = re.compile(
    r"(?:^|;)(BEGIN(?! ATOMIC)|START TRANSACTION|COMMIT|ROLLBACK|ABORT|SAVEPOINT|RELEASE|PREPARE TRANSACTION)\b"
    r"|^(END)\b"
)
SESSION_SETTING = re.compile(r"(RESET|SET(?! LOCAL| CONSTRAINTS| TRANSACTION))\b")
FOR_PSQL = re.compile(r"\\|COPY\b.*\b(FROM STDIN|TO STDOUT)\b")
CONCURRENT_INDEX = re.compile(r"CREATE (UNIQUE )?INDEX CONCURRENTLY IF NOT EXISTS [^;]*;?")


def split(sql: str) -> list[str]:
    """Give the statements, each with its semicolon and the comments before it."""
    statements, begin, depth = [], 0, 0
    for token in TOKEN.finditer(sql):
        depth += {"(": 1, ")": -1}.get(token["mark"], 0)
        if token["mark"] == ";" and depth == 0 and not _ends_within_body(sql[begin : token.end()]):
            comment = COMMENT_BEHIND.match(sql, token.end())
            end = comment.end() if comment else token.end()
            statements.append(sql[begin:end].strip())
            begin = end
    return [*statements, sql[begin:].strip()] if sql[begin:].strip() else statements


def directives(sql: str) -> dict[str, str]:
    """Give what the comments at the top tell yoyo: name -> value."""
    found: dict[str, str] = {}
    for line in sql.splitlines():
        if directive := DIRECTIVE.fullmatch(line):
            name, value = directive.groups()
            found[name] = f"{found[name]} {value}" if name in found else value
        elif line.strip() and not line.lstrip().startswith("--"):
            break
    return found


def one_line(sql: str) -> str:
    """SQL without comments, its white space folded."""
    return TOKEN.sub(lambda token: " " if token["blank"] else token[0], sql).strip()


def normalised(sql: str) -> str:
    """The same without the white space beside brackets, commas and semicolons."""
    return NEEDLESS_BLANK.sub(lambda token: token["kept"] or token["mark"], one_line(sql))


def _code(sql: str) -> str:
    """What a statement does: in capitals, and with empty strings in place of strings, quoted names and bodies."""
    return NEEDLESS_BLANK.sub(lambda token: "''" if token["kept"] else token["mark"], one_line(sql)).upper()


def _ends_within_body(statement: str) -> bool:
    """Whether the semicolon at its end stands in the body of a function that is written in SQL."""
    if "ATOMIC" not in statement.upper():
        return False
    code = _code(statement)
    return "BEGIN ATOMIC" in code and not code.endswith(";END;")


def problems_in(file) -> list[str]:
    """Give a sentence for each thing in a MigrationFile by which yoyo would fail, or do half its work."""
    if file.unreadable:
        return [file.unreadable]
    codes = [_code(statement) for statement in file.statements]
    if not any(codes):
        return ["there is no statement in it"]
    problems = [*_problems_with_directives(file), *_problems_with_statements(codes)]
    if not file.transactional and not problems:
        *before, index = codes
        drops_leftover = len(before) == 1 and before[0].startswith("DO ")
        if not CONCURRENT_INDEX.fullmatch(index) or (before and not drops_leftover):
            problems.append(
                "a file without a transaction may hold one CREATE INDEX CONCURRENTLY IF NOT EXISTS,"
                " after at most one DO block that drops an invalid leftover"
            )
    return problems


def _problems_with_directives(file):
    transactional = file.directives.get("transactional", "true")
    if transactional.lower() not in ("true", "false"):
        yield f"transactional: {transactional}: expected true or false"
    if len(LIKE_A_DIRECTIVE.findall(file.text)) > ("transactional" in file.directives):
        yield "yoyo does not see its line -- transactional: …; write it once, in lower case, above the first statement"
    if not file.transactional and os.path.exists(f"{file.path.removesuffix('.sql')}.rollback.sql"):
        yield (
            "it runs without a transaction, and when it fails yoyo runs its rollback file"
            " over what was there before; remove the rollback file"
        )


def _problems_with_statements(codes: list[str]):
    for number, code in enumerate(codes, start=1):
        if code in ("", ";"):
            yield f"statement {number} is empty; remove the stray ; or put the comment before a statement"
        elif control := TRANSACTION_CONTROL.search(code):
            word = control[1] or control[2]
            yield f"statement {number} is {word}; the runner opens and ends transactions, remove it"
        elif FOR_PSQL.search(code):
            yield f"statement {number} is for psql only (COPY FROM STDIN or a backslash command)"
        elif setting := SESSION_SETTING.match(code):
            yield f"statement {number} is {setting[1]}, which outlasts the transaction; write SET LOCAL"
