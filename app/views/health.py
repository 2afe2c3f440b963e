"""For load balancers and container engines: is the process alive, and can it serve?"""

from typing import Any

import psycopg2
from flask import Blueprint, current_app

from app import db
from app.security import public
from startup import log
from startup.errors import DatabaseUnusableError

FIRST_DIFFERENCES = 5

blueprint = Blueprint("health", __name__)


@blueprint.get("/healthz")
@public
def alive() -> tuple[str, dict[str, str]]:
    """The process answers. The database is not asked: no restart of this process would mend its outage."""
    return "ok", {"Content-Type": "text/plain; charset=utf-8"}


@blueprint.get("/readyz")
@public
def ready() -> tuple[dict[str, Any], int]:
    """The database answers, and has the schema that this version needs.

    Each request begins a transaction, so an outage shows at once; the catalog is read anew now and then.
    """
    try:
        connection = db.connection()
        verification, verified_at = current_app.extensions["readiness"].verification(connection)
    except DatabaseUnusableError as error:
        return {"ready": False, "reason": str(error)}, 503
    except (db.DatabaseAwayError, psycopg2.Error) as error:
        log.warning(f"Not ready: {db.one_line(error)}")
        return {"ready": False, "reason": "the database cannot be reached or read; the log says why"}, 503
    answer = {
        "ready": verification.ok,
        "schema": verification.state.schema,
        "verified_at": verified_at.isoformat(timespec="seconds"),
    }
    if tables := verification.state.server["out of reach"]:
        return answer | {"ready": False, "reason": f"the role may not read and write {tables}"}, 503
    if verification.ok:
        return answer, 200
    return answer | {
        "reason": f"the schema differs from what this version needs, errors: {len(verification.errors)}",
        "differences": [difference._asdict() for difference in verification.errors[:FIRST_DIFFERENCES]],
    }, 503
