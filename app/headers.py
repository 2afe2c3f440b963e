"""Headers that every answer carries."""

from flask import Flask, Response, request

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cache-Control": "no-store",
}

# Over TLS, of Gunicorn's own or as a proxy says that TRUST_PROXY believes.
HEADERS_OVER_TLS = {"Strict-Transport-Security": "max-age=31536000"}

# For a picture that carries its own style, which nothing else in it can use.
PICTURE_POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; frame-ancestors 'none'"


def init_app(app: Flask) -> None:
    """Add the headers to every answer that does not set its own."""
    app.after_request(_add_headers)


def _add_headers(response: Response) -> Response:
    for name, value in (HEADERS | (HEADERS_OVER_TLS if request.is_secure else {})).items():
        response.headers.setdefault(name, value)
    return response
