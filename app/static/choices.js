// Forms with a project and a task: the tasks offered are those of the chosen project, a chosen task brings its project
// along, and "billable" follows the project until somebody says otherwise. Without this script the server does it.

(() => {
  const offered = new WeakMap();

  const fieldsOf = (form) => ({
    project: form.querySelector("[data-projects]"),
    task: form.querySelector("[data-tasks]"),
    billable: form.querySelector("[data-billable]"),
    rule: form.querySelector("[name=billable_default]"),
  });

  function narrow(form) {
    const { project, task } = fieldsOf(form);
    if (!project || !task) return;
    if (!offered.has(task)) offered.set(task, [...task.children]);
    const chosen = task.value;
    const fitting = offered
      .get(task)
      .filter((child) => !child.dataset.project || !project.value || child.dataset.project === project.value);
    task.replaceChildren(...fitting);
    task.value = chosen;
    if (task.selectedIndex < 0) task.value = "";
  }

  function prepare(form) {
    const { rule } = fieldsOf(form);
    if (rule) rule.disabled = true; // the box shows what counts
    narrow(form);
  }

  function followProject(form) {
    const { project, billable } = fieldsOf(form);
    if (!billable || !project.value || "said" in form.dataset) return;
    billable.checked = !("unbilled" in project.selectedOptions[0].dataset);
  }

  document.addEventListener("change", (event) => {
    const form = event.target.form;
    if (!form) return;
    const { project, task, billable } = fieldsOf(form);
    if (!project || !task) return;
    if (event.target === billable) form.dataset.said = "";
    if (event.target === project) {
      narrow(form);
      followProject(form);
    } else if (event.target === task && task.value && !project.value) {
      project.value = task.selectedOptions[0].parentElement.dataset.project ?? "";
      narrow(form);
      followProject(form);
    }
  });

  // Forms that come into the page later say so.
  document.addEventListener("form-added", (event) => prepare(event.target));
  document.addEventListener("reset", (event) => setTimeout(() => narrow(event.target)));
  for (const task of document.querySelectorAll("form [data-tasks]")) prepare(task.form);
})();
