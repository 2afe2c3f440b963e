"""Every page as a phone shows it by night and a screen by day: axe, width, the console, and where the focus is."""

import pytest
import scene
from pages import problems_of, width_of

from app import create_app

pytestmark = [pytest.mark.only_pg("pg18"), pytest.mark.needs("chromium")]

# What is no page that somebody looks at. Every other address is visited, a new one too.
NO_PAGE = {
    "/healthz",
    "/logo",
    "/metrics",
    "/readyz",
    "/reports.csv",
    "/reports/chart.svg",
    "/static/<path:filename>",
    "/system/chart/<path:metric>.svg",
    "/timer/bar",
    "/timer/state",
}
FOR_NOBODY = {"/sign-in", "/register", "/invitation/<token>"}
BESIDES = ["/week?rows=last", "/projects?status=archived", "/reports?period=last-month&rows=tag", "/no/such/page"]

PHONE = {"viewport": {"width": 360, "height": 640}, "color_scheme": "dark"}
SCREEN = {"viewport": {"width": 1280, "height": 800}, "color_scheme": "light"}

# What has the focus: where it is, and whether it is drawn in another way than without.
FOCUS = """() => {
    const element = document.activeElement, style = getComputedStyle(element), box = element.getBoundingClientRect();
    const isDrawn = style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 1;
    return element !== document.body && isDrawn && box.width > 0 && box.bottom > 0 && box.right > 0;
}"""


def addresses(values: dict) -> tuple[list[str], list[str]]:
    """Return the pages for who is signed in, and those for nobody."""
    app = create_app({"DATABASE_URL": "postgresql://owner@127.0.0.1:1/none", "SECRET_KEY": "k"})
    app.config["SERVER_NAME"] = "localhost"
    rules = [rule for rule in app.url_map.iter_rules() if "GET" in rule.methods and rule.rule not in NO_PAGE]
    with app.test_request_context():
        built = {rule.rule: rule.build({name: values[name] for name in rule.arguments})[1] for rule in rules}
    built["/timer/edit/<id:entry_id>"] = f"/timer/edit/{values['carols_running_id']}"
    assert set(built) >= FOR_NOBODY
    return (
        [path for rule, path in built.items() if rule not in FOR_NOBODY] + BESIDES,
        [path for rule, path in built.items() if rule in FOR_NOBODY],
    )


@pytest.mark.parametrize("looks", [PHONE, SCREEN], ids=["a phone by night", "a screen by day"])
def test_every_page_is_fit_for_everybody(open_page, migrated, cast, looks):
    wrong = []
    signed_in, nobodys = addresses(scene.set_scene(migrated, cast))
    for name, paths in (("carol", signed_in), (None, nobodys)):
        page = open_page(name, paths[0], **looks)
        base = page.url.removesuffix(paths[0])
        for path in paths:
            page.goto(base + path)
            wrong += [f"{path}: {problem}" for problem in problems_of(page)]
            if (width := width_of(page)) > looks["viewport"]["width"]:
                wrong.append(f"{path}: is {width} px wide")
            page.keyboard.press("Tab")
            if not page.evaluate(FOCUS):
                wrong.append(f"{path}: nobody sees where the focus is after Tab")
            if page.locator("h1").count() != 1 or not page.title().split(" · ")[0].strip():
                wrong.append(f"{path}: has no heading or no title")
    assert not wrong, "\n".join(wrong)
