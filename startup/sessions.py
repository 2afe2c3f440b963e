"""Naming the sessions of a server, for whoever has to find out what they are."""

from startup.catalog import question


def describe(cursor, pids: list[int]) -> list[str]:
    """Name each session that is still there: who it is, since when, what it does, as far as this role is shown."""
    cursor.execute(question("sessions"), {"pids": pids})
    return [_name(*session) for session in cursor.fetchall()]


def _name(pid, role, application, host, since, state, seconds) -> str:
    parts = [f"backend {pid} of role {role}"]
    if application:
        parts.append(f"application {application}")
    if since is None:
        parts.append("of which this role is shown nothing else")
    else:
        parts += [f"from {host or 'a local socket'}", f"since {since} UTC", state or "state unknown"]
        if seconds is not None:
            parts.append(f"its last statement {seconds} s ago")
    return ", ".join(parts)
