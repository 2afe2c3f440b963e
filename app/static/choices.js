// Forms with a project and a task: the tasks offered are those of the chosen project, a chosen task brings its project
// along, and "billable" follows the project until somebody says otherwise. Without this script the server does it.
// A suggested description brings along the project, the task, the tags and "billable" of the entry that it is of.

(() => {
  const offered = new WeakMap();
  const brought = new WeakMap(); // what stood in a form before a suggestion filled it

  const isSaid = (field) => "said" in field.dataset; // by hand

  const fieldsOf = (form) => ({
    project: form.querySelector("[data-projects]"),
    task: form.querySelector("[data-tasks]"),
    tags: form.querySelector("[name=tags]"),
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
    if (!billable || !project.value || isSaid(billable)) return;
    billable.checked = !("unbilled" in project.selectedOptions[0].dataset);
  }

  function suggestionOf(notes) {
    const option = [...notes.list.options].find((option) => option.value === notes.value);
    if (!option) return null;
    const { project = "", task = "", tags = "", unbilled } = option.dataset;
    return { project, task, tags, billable: unbilled === undefined };
  }

  function workIn(form) {
    const { project, task, tags, billable } = fieldsOf(form);
    return { project: project.value, task: task.value, tags: tags.value, billable: billable.checked };
  }

  // What was said by hand stays, and so does what belongs to the project that was.
  function put(form, work) {
    const { project, task, tags, billable } = fieldsOf(form);
    if (!isSaid(tags)) tags.value = work.tags;
    if (!isSaid(project) && !isSaid(task)) choose(project, work.project);
    if (project.value !== work.project) return;
    narrow(form);
    if (!isSaid(task)) choose(task, work.task);
    if (!isSaid(billable)) billable.checked = work.billable;
  }

  function choose(field, value) {
    field.value = value;
    if (field.selectedIndex < 0) field.value = ""; // one of more than are offered
  }

  // A description that is typed may be the beginning of another one, and then brings nothing along. One that was picked
  // from the list may be added to.
  function followNotes(form, notes, isPicked) {
    const found = suggestionOf(notes);
    const earlier = brought.get(form);
    if (found) {
      brought.set(form, { before: earlier?.before ?? workIn(form), isPicked });
      put(form, found);
    } else if (earlier && !(earlier.isPicked && notes.value)) {
      brought.delete(form);
      put(form, earlier.before);
    }
  }

  document.addEventListener("input", (event) => {
    const { form, name, list } = event.target;
    if (!form) return;
    if (name === "tags") event.target.dataset.said = "";
    if (list && name === "notes") followNotes(form, event.target, !event.inputType || event.inputType === "insertReplacementText");
  });

  document.addEventListener("change", (event) => {
    const form = event.target.form;
    if (!form) return;
    const { project, task, billable } = fieldsOf(form);
    if (!project || !task) return;
    event.target.dataset.said = "";
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
