"""The projects and tasks that forms offer, read once a request."""

from flask import Flask, g

from app import db, security
from app.queries import projects, tasks


def project_choices() -> list[projects.Choice]:
    """Return the projects that forms offer."""
    if "project_choices" not in g:
        g.project_choices = projects.choices(db.cursor(), security.viewer().id)
    return g.project_choices


def task_groups() -> list[tuple[projects.Choice, list[tuple[int, str]]]]:
    """Return the tasks that forms offer, by project in the order of the projects."""
    if "task_groups" not in g:
        of_project: dict[int, list[tuple[int, str]]] = {}
        for task_id, name, project_id in tasks.choices(db.cursor()):
            of_project.setdefault(project_id, []).append((task_id, name))
        g.task_groups = [(choice, of_project[choice.id]) for choice in project_choices() if choice.id in of_project]
    return g.task_groups


def init_app(app: Flask) -> None:
    """Offer the choices to the templates."""
    app.context_processor(lambda: {"project_choices": project_choices, "task_groups": task_groups})
