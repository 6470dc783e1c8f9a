/** Elements without strings of markup: what users have stored is text and nothing else. */
const SVG = 'http://www.w3.org/2000/svg';

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === false) continue;
    if (name === 'color') element.style.setProperty('--c', value);
    else if (name === 'background') element.style.background = value;
    else element.setAttribute(name, value === true ? '' : value);
  }
  element.append(...children.filter((child) => child !== undefined && child !== ''));
  return element;
}

export function h(name, attributes = {}, ...children) {
  return fill(document.createElement(name), attributes, children);
}

export function s(name, attributes = {}, ...children) {
  return fill(document.createElementNS(SVG, name), attributes, children);
}

export const byId = (id) => document.getElementById(id);

/** Replaces content only where it differs, so that screen readers and selections are left in peace. */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** A table's content. Where it has the same shape already, only cells that differ are replaced. */
export function rows(table, caption, head, body) {
  const cellOf = (cell, i) => {
    const kind = head[i][1];
    const content = Array.isArray(cell) ? cell : [cell];
    return i === 0
      ? h('th', { scope: 'row', class: kind }, ...content)
      : h('td', { class: kind }, ...content);
  };
  const parts = [
    ...(caption === undefined ? [] : [h('caption', {}, caption)]),
    h('thead', {}, h('tr', {}, ...head.map(([text, kind]) => h('th', { scope: 'col', class: kind }, text)))),
    h('tbody', {}, ...body.map((cells) => h('tr', {}, ...cells.map(cellOf)))),
  ];
  const before = [...table.querySelectorAll('th, td, caption')];
  const after = parts
    .flatMap((part) => [part, ...part.querySelectorAll('th, td')])
    .filter((e) => e.matches('th, td, caption'));
  const sameShape = before.length === after.length && table.rows.length === body.length + 1;
  if (!sameShape) return table.replaceChildren(...parts);
  after.forEach((cell, i) => {
    if (!cell.isEqualNode(before[i])) before[i].replaceWith(cell);
  });
}

/** The colour of a node; there are eight, then they begin again. */
export const nodeColor = (index) => `var(--n${index % 8})`;
