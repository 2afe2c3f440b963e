"""The statements of a migration file: where each ends, what each is, and which may not stand in a migration.

Yoyo leaves this to sqlparse, which takes a third of the time of a first start, and does not see the end of a statement
with a column called begin. What both read out of the files of this version is the same; a test sees to it.
"""

import os
import re

# A string, a quoted name or a dollar-quoted body is kept as it is; white space and comments count as one blank.
KEPT = (
    r"""(?P<kept>(?<!\w)[eE]'(?:[^'\\]|\\.|'')*'|'(?:[^']|'')*'|"(?:[^"]|"")*"|\$(?P<tag>\w*)\$.*?\$(?P=tag)\$)"""
)
TOKEN = re.compile(KEPT + r"|(?P<blank>(?:--[^\n\r]*|/\*.*?\*/|\s)++)|(?P<mark>[();])", re.DOTALL | re.ASCII)
CLOSE = re.compile(KEPT + " ?| ?(?P<mark>[(),;]) ?", re.DOTALL | re.ASCII)
COMMENT_BEHIND = re.compile(r"[ \t]*--[^\n\r]*")
DIRECTIVE = re.compile(r"\s*--\s*(transactional|depends)\s*:\s*(.*?)\s*")
