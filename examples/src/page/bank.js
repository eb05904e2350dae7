// What the page makes better where scripts run: things are loaded and sent in place, and whatever takes
// a proof asks for it in a dialog over this page. Where this fails, the links and forms stay.

/** @type {typeof fetch} */
let stepUpFetch;

const form = document.getElementById('transfer');
let asked = new AbortController();
let pause;

const MONTH = new Intl.DateTimeFormat('en-GB', { month: 'long', year: 'numeric', timeZone: 'UTC' });
const TIME = new Intl.DateTimeFormat('en-GB', { dateStyle: 'long', timeStyle: 'short', timeZone: 'UTC' });

import('/step-up/step-up.js').then(
  (module) => {
    ({ stepUpFetch } = module);
    document.addEventListener('click', load);
    document.addEventListener('submit', send);
    for (const button of document.querySelectorAll('button[hidden]')) {
      button.hidden = false;
    }
  },
  (error) => console.warn('by plain links and forms only:', error),
);

form.addEventListener('input', () => {
  clearTimeout(pause);
  pause = setTimeout(look, 200);
});
document.addEventListener('visibilitychange', () => document.hidden || refresh());
refresh();

/** Loads what a button names. */
function load(event) {
  const button = event.target.closest('button[data-load]');
  if (button) {
    answer(button, button.dataset.load, {});
  }
}

/** Sends a form, if it was not its plain button that was pressed. */
function send(event) {
  const { submitter: button, target: form } = event;
  if (button?.matches('[data-send]')) {
    event.preventDefault();
    const body = new URLSearchParams(new FormData(form));
    answer(button, new URL(form.action).pathname, { method: 'POST', body });
  }
}

/** Asks the bank, and shows what it answers below the button. */
async function answer(button, path, init) {
  if (button.ariaBusy === 'true') {
    return;
  }
  const place = document.getElementById(button.dataset.result);
  button.ariaBusy = 'true';
  try {
    const headers = { accept: 'application/json' };
    const response = await stepUpFetch(path, { ...init, headers });
    const text = await response.text();
    const data = text ? JSON.parse(text) : null;
    const isDone = response.ok;
    show(place, isDone ? shown(init.method ?? 'GET', path, data) : problem(data, response.status));
  } catch (error) {
    console.warn(error);
    show(place, { sentence: 'The bank cannot be reached. Try again.', isProblem: true });
  } finally {
    button.ariaBusy = 'false';
  }
  await refresh();
}

/** Puts a sentence and what belongs to it into `place`, and tells those who do not see it. */
function show(place, { sentence, details = [], isProblem = false }) {
  const line = element('p', { className: isProblem ? 'problem' : 'done' });
  line.append(icon(isProblem ? 'unclear' : 'done'), ' ', sentence);
  place.replaceChildren(line, ...details);
  document.getElementById('said').textContent = sentence;
}

/** The answer to `method path` as a sentence, and what there is to see. */
function shown(method, path, data) {
  switch (`${method} ${path}`) {
    case 'GET /balance':
      return { sentence: `You have ${money(data.balance)} EUR.` };
    case 'GET /statements':
      return {
        sentence: `${data.statements.length} statements.`,
        details: [list('ul', data.statements.map(statement))],
      };
    case 'GET /transfers':
      return data.length === 0
        ? { sentence: 'No transfers yet.' }
        : {
            sentence: data.length === 1 ? '1 transfer.' : `${data.length} transfers, newest first.`,
            details: [list('ol', data.toReversed().map(transfer))],
          };
    case 'POST /transfers':
      return { sentence: `Sent ${money(data.amount)} EUR to ${data.to}${confirmed(data)}.` };
    case 'GET /admin/users':
      return { sentence: `${data.users.length} accounts.`, details: [accounts(data.users)] };
    case 'POST /admin/freeze':
      return { sentence: `The account of ${data.user} is ${data.state}.` };
    case 'POST /password':
      return { sentence: 'What you have proved is proved no more.' };
    default:
      return { sentence: 'Done.' };
  }
}

function problem(data, status) {
  const is = (name) => data?.type?.endsWith(`:${name}`);
  const detail = asSentence(data?.detail ?? `The bank answers with ${status}`);
  const sentence = is('step-up-required') ? `Nothing was done. ${detail}` : detail;
  const link = element('a', { href: '/', textContent: 'Log in again' });
  return { sentence, details: is('identification-required') ? [link] : [], isProblem: true };
}

function statement({ user, month }) {
  const words = element('p', {}, element('strong', { textContent: inWords(month) }), ' ');
  words.append(element('span', { className: 'small', textContent: `no. ${month}, of ${user}` }));
  return [icon('paper'), words];
}

function transfer(receipt) {
  const words = element('p', {}, element('strong', {}, element('bdi', { textContent: receipt.to })), ' ');
  const more = `no. ${receipt.id}${confirmed(receipt)}`;
  words.append(element('span', { className: 'small', textContent: more }));
  const amount = element('p', { className: 'amount', textContent: `${money(receipt.amount)} EUR` });
  return [icon('done'), words, amount];
}

function confirmed({ elevation }) {
  if (!elevation) {
    return '';
  }
  const method = elevation.method === 'pin' ? 'PIN' : 'link';
  return `, confirmed by ${method}, ${TIME.format(new Date(elevation.authenticated_at))} UTC`;
}

function accounts(users) {
  const head = element('tr');
  for (const title of ['User', 'Balance', 'State']) {
    head.append(element('th', { scope: 'col', textContent: title }));
  }
  head.children[1].className = 'amount';
  const body = element('tbody');
  for (const { user, balance, frozen } of users) {
    const state = element('td');
    state.append(frozen ? element('span', { className: 'badge', textContent: 'frozen' }) : 'open');
    const amount = element('td', { className: 'amount', textContent: `${money(balance)} EUR` });
    body.append(element('tr', {}, element('th', { scope: 'row', textContent: user }), amount, state));
  }
  const table = element('table', {}, element('thead', {}, head), body);
  return element('div', { className: 'scroll', role: 'region', ariaLabel: 'All accounts', tabIndex: 0 }, table);
}

function list(name, rows) {
  return element(name, { className: 'rows' }, ...rows.map((row) => element('li', {}, ...row)));
}

/* What would take a proof now: looked up without sending anybody anything. */

/** Brings what the page knows up to date. */
async function refresh() {
  const balance = fetch('/balance', { headers: { accept: 'application/json' } });
  await Promise.allSettled([
    look(),
    ...Array.from(document.querySelectorAll('a[data-probe]'), lookAt),
    balance.then(async (response) => {
      if (response.ok) {
        document.getElementById('balance').textContent = money((await response.json()).balance);
      }
    }),
  ]);
}

/** Says beside the button what the transfer in the form would take. */
async function look() {
  asked.abort();
  asked = new AbortController();
  const { signal } = asked;
  const query = new URLSearchParams({ path: '/transfers', method: 'POST' });
  new FormData(form).forEach((value, name) => query.append(name, value));
  try {
    const need = await needed(`/probe?${query}`, signal);
    const isSmall = Number(form.elements.amount.value) < 100;
    const words = {
      proof: 'will ask for a proof',
      open: isSmall ? 'asks for no proof' : 'your proof for it still holds',
      denied: 'will be denied',
    };
    mark(document.getElementById('need'), need, words[need] ?? 'not a transfer yet');
    const part = need === 'open' ? (isSmall ? 'nothing' : 'proof') : need;
    for (const each of document.querySelectorAll('#limits li')) {
      each.ariaCurrent = each.dataset.need === part;
    }
  } catch {
    // Something newer was typed, or the bank is away: the button will tell.
  }
}

async function lookAt(link) {
  const need = await needed(link.href);
  const word = { proof: 'will ask for a proof', open: 'your proof still holds', denied: 'closed to you' }[need];
  mark(link, need, word ?? 'would it ask now?');
}

async function needed(url, signal) {
  const response = await fetch(url, { headers: { accept: 'application/json' }, signal });
  if (response.status === 403) {
    return 'denied';
  }
  if (!response.ok) {
    return 'unclear';
  }
  return (await response.json()).required ? 'proof' : 'open';
}

function mark(place, need, words) {
  if (place.textContent.trim() !== words) {
    place.dataset.need = need;
    place.replaceChildren(icon(need === 'proof' ? 'lock' : need), ' ', words);
    place.hidden = false;
  }
}

/* Texts and elements. */

function money(amount) {
  const [units, decimals] = amount.replace('-', '\u2212').split('.');
  return `${units.replace(/\B(?=(\d{3})+$)/g, ',')}.${decimals}`;
}

function inWords(month) {
  return MONTH.format(new Date(`${month}-01T00:00Z`));
}

function asSentence(text) {
  return text[0].toUpperCase() + text.slice(1) + (/[.!?]$/.test(text) ? '' : '.');
}

function element(name, properties = {}, ...children) {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...children);
  return made;
}

function icon(name) {
  const svg = document.createElementNS('http://www.w3.org/2000/svg', 'svg');
  const use = document.createElementNS('http://www.w3.org/2000/svg', 'use');
  use.setAttribute('href', `#${name}`);
  svg.setAttribute('aria-hidden', 'true');
  svg.append(use);
  return svg;
}
