import pytest
from datetime import UTC, datetime
from app.queries import invitations
pytestmark = [pytest.mark.only_pg("pg18"), pytest.mark.needs("chromium")]
OUT="/tmp/x/s4/identity/shots"
import os; os.makedirs(OUT, exist_ok=True)
def test_shots(open_page, migrated, cast, close_database):
    with migrated.connect() as c, c.cursor() as cur:
        path = "/invitation/"+invitations.make(cur, cast["alice"], datetime.now(UTC).replace(tzinfo=None))
    for w,h in ((360,700),(1280,800)):
        for scheme in ("light","dark"):
            page = open_page(None, "/sign-in", viewport={"width":w,"height":h}, color_scheme=scheme)
            def shot(n):
                assert page.evaluate("document.documentElement.scrollWidth") <= w
                page.screenshot(path=f"{OUT}/{n}-{w}-{scheme}.png")
            page.get_by_label("Name").fill("alice"); page.get_by_label("Password").fill("x"); page.keyboard.press("Enter")
            shot("signin")
            page.goto(page.url.split("/sign-in")[0]+"/register"); shot("register")
            page.goto(page.url.split("/register")[0]+path); shot("invitation")
            page.get_by_label("Password", exact=True).fill("short"); page.keyboard.press("Enter"); shot("invitation-wrong")
            base=page.url.split("/invitation")[0]
            page.goto(base+"/invitation/nothing"); shot("none")
    with close_database(migrated):
        for w,h in ((360,700),(1280,800)):
            page = open_page(None, "/healthz", viewport={"width":w,"height":h})
            base=page.url.split("/healthz")[0]
            page.set_content(f'<form method=post action="{base}/nowhere"></form>')
