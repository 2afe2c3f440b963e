"""What somebody typed into a form that could not be taken: shown on a page, from which it is sent again as it was."""

from typing import NamedTuple
from urllib.parse import urlencode

from flask import current_app, request, url_for
from itsdangerous import BadSignature, URLSafeSerializer

# Fields that forms fill in by themselves, as they do those that begin with was-, and values of buttons.
UNTYPED = frozenset(["activity", "billable_default", "entry", "kept", "next", "then", "to", "token", "version", "zone"])


class Typed(NamedTuple):
    """A form that could not be taken, to be sent again as it was."""

    address: str
    fields: list[tuple[str, str]]
    secrets: list[str]  # names of fields that have to be typed again: a page shows no password
    files: list[str]
    refused: list[tuple[str, str]]  # fields that have to be typed in another way

    @property
    def shown(self) -> list[tuple[str, str]]:
        """What somebody typed, without what only the form itself knows, under names that can be read."""
        return [(self.label(name), value) for name, value in self.fields if _is_typed(name, value)]

    def label(self, name: str) -> str:
        """Return the name of a field as people read it."""
        return name.replace("_", " ").replace("-", " ").capitalize()

    def without_other_than_ascii(self) -> "Typed":
        """Return it with those fields refused that may have a character which an encoding lacks."""
        refused = [field for field in self.fields if _is_typed(*field) and not field[1].isascii()]
        return self._replace(fields=[field for field in self.fields if field not in refused], refused=refused)

    def sealed(self) -> str:
        """Return it as a field of another form carries it, which nobody else can make up."""
        return _serializer().dumps([self.address, self.fields, self.secrets, self.files])


def of_request() -> Typed | None:
    """Return the form of this request; None where it is none."""
    if request.method != "POST" or request.endpoint is None:
        return None
    fields = [(name, value) for name, value in request.form.items(multi=True) if name != "csrf_token"]
    secret = [name for name, _ in fields if "password" in name or name == "repeated"]
    # The address is made from what the request was taken for: one such as //elsewhere/ would lead there.
    query = urlencode(list(request.args.items(multi=True)))
    address = url_for(request.endpoint, **(request.view_args or {}))
    return Typed(
        f"{address}?{query}" if query else address,
        [(name, value) for name, value in fields if name not in secret],
        secret,
        list(request.files),
        [],
    )


def unsealed(text: str) -> Typed | None:
    """Return what `sealed` made the text of; None for any other text."""
    try:
        address, fields, secrets, files = _serializer().loads(text)
    except BadSignature:
        return None
    return Typed(address, [(name, value) for name, value in fields], secrets, files, [])


def _serializer() -> URLSafeSerializer:
    return URLSafeSerializer(current_app.secret_key, salt="typed")


def _is_typed(name: str, value: str) -> bool:
    return bool(value.strip()) and name not in UNTYPED and not name.startswith("was-")
