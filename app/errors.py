"""Pages for what goes wrong: what happened and what to do, never how it looks inside."""

from functools import partial
from typing import Any

import psycopg2
from flask import Flask, Response, g, render_template, request
from psycopg2.errors import CharacterNotInRepertoire, UntranslatableCharacter
from werkzeug.exceptions import HTTPException, ServiceUnavailable, UnprocessableEntity

from app import db, security, typed
from app.typed import Typed
from startup import log

ADVICE = {
    400: "The form was open too long, or came from elsewhere. Go back, load the page again and send it once more.",
    401: "You are signed out. Sign in in another tab, then send it once more here.",
    403: "This page is for administrators.",
    404: "There is nothing at this address. Look for a slip in it, or go on from the front page.",
    405: "This address does not take that kind of request. Go on from the front page.",
    413: "That is larger than anything that can be sent here. An image may have 2 MB.",
    422: "The database does not know one of the characters. Write it in another way and send it once more.",
    500: "Something broke on our side and was written to the log. If it goes on, tell your administrator.",
    503: "The database cannot be reached. Try again in a moment; this page comes back as soon as it does.",
}

# No form of ours is larger; more is refused before it is read. The largest upload, and what a form adds to it.
LARGEST_REQUEST = 3 * 1024 * 1024


def init_app(app: Flask) -> None:
    """Answer errors with a page in the look of the others, also where too much was sent."""
    app.config["MAX_CONTENT_LENGTH"] = LARGEST_REQUEST
    app.log_exception = partial(_log_exception, app)
    app.register_error_handler(HTTPException, page)
    app.register_error_handler(db.DatabaseAwayError, _database_away)
    app.register_error_handler(psycopg2.Error, _database_error)
    for error in (UntranslatableCharacter, CharacterNotInRepertoire):
        app.register_error_handler(error, _unknown_character)


def _log_exception(app: Flask, exception: Any) -> None:
    """Write what broke to the log, by the name of its view: the path of an invitation is a secret."""
    app.logger.error(f"{request.method} of {request.endpoint} broke", exc_info=exception)


def page(error: HTTPException, sent: Typed | None = None, advice: str | None = None) -> Response:
    """Return the page of an error, with other advice than its usual one, and with what was sent, to send it again.

    Where sending it again would be of no use, what was typed is there to be copied.
    """
    lost = None
    if error.code == 413:  # the form cannot be read, so the page does without what looks into it
        g.is_failing = True
    elif sent is None and error.code != 400:  # which is also what another site sent, or nobody can read
        lost = typed.of_request()
    if request.url_rule is None:
        _recognise()
    response = error.get_response()
    advice = advice or ADVICE.get(error.code, error.description)
    response.set_data(
        render_template("error.html", status=error.code, name=error.name, advice=advice, typed=sent, lost=lost)
    )
    return response


def _recognise() -> None:
    """Find out who asked for an address that no view has, so that the page has their navigation and timer."""
    try:
        security.is_signed_in()
    except (db.DatabaseAwayError, psycopg2.Error):
        g.is_failing = True


def _unknown_character(error: psycopg2.DataError) -> Response:
    """Somebody typed what the encoding of the database does not have, such as an emoji where it is LATIN1."""
    sent = typed.of_request()
    return page(UnprocessableEntity(), sent and sent.without_other_than_ascii())


def _database_away(error: db.DatabaseAwayError) -> Response:
    log.warning(f"Answered 503: {error}")
    g.is_failing = True
    return page(ServiceUnavailable(retry_after=5), typed.of_request())


def _database_error(error: psycopg2.Error) -> Response:
    """The connection broke halfway, or else it is an ordinary error, which stays one."""
    if not db.was_lost():
        raise error
    return _database_away(db.DatabaseAwayError(db.one_line(error)))
