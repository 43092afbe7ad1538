// Builds elements. Text only ever becomes text: nothing here takes markup, so that no name or reason can be any.

/** An element with attributes, listeners (`onclick` and the like) and children, which are elements or text. */
export function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "value" || name === "checked" || name === "disabled") element[name] = value;
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

/** What somebody else wrote: its direction cannot turn the text around it. */
export function foreign(text) {
  return h("bdi", { class: "foreign" }, text);
}

/** Replaces what stands in an element where it is another than before, and keeps the focus where it was. */
export function fill(element, key, build) {
  if (element.dataset.shown === key) return;
  const focused = element.contains(document.activeElement) ? document.activeElement.dataset.key : undefined;
  element.dataset.shown = key;
  element.replaceChildren(...[build()].flat());
  if (focused) element.querySelector(`[data-key="${CSS.escape(focused)}"]`)?.focus();
}
