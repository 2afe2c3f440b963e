"""A PostgreSQL server on a folder of its own, for development and for the tests; never for production.

Nobody else on the machine gets in: there is no TCP, the socket lies in a folder that only the server's uid
and root can enter, and PostgreSQL asks the kernel who is calling (`peer`). PostgreSQL refuses to run as root,
so for root it runs under a uid that nothing else on the machine uses. That uid may not be able to reach the
folder by its path, as below root's home; so the server is handed the open folder and knows it as
/proc/self/fd/N.
"""

DATABASE = "timetracker"
SUPERUSER = "postgres"


class DatabaseError(Exception):
    """The server cannot be had; the text says in one line what was found and what to do."""
