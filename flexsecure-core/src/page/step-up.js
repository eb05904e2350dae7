// FlexSecure in a browser: a `fetch` that sees to the proof where a request is refused for want of
// one and then repeats the request, and what makes the step-up page livelier than plain HTML is.
//
// The page's HTML, and all its texts, come from the server: nothing here writes a sentence.

const REFUSAL = 'urn:flexsecure:problem:step-up-required';
/** Another proof changes nothing about these. */
const HOPELESS = ['no-method', 'loop'];
/** How long the server may hold a question for news, in seconds. */
const WAIT = 30;
/** What an answer may take beyond that, in seconds. */
const PATIENCE = 15;

const page = globalThis.document;
const locks = page && globalThis.navigator?.locks;

/** A flow endpoint did not do as it was asked. */
export class StepUpError extends Error {
  name = 'StepUpError';

  constructor(status, problem, retryAfter) {
    super(problem?.detail ?? problem?.title ?? `a flow endpoint answered with status ${status}`);
    Object.assign(this, { status, problem, retryAfter });
  }
}

export function createStepUp({ fetch = globalThis.fetch, render, origins = [] } = {}) {
  // Taken now, so that an app may put `stepUpFetch` in the place of the global `fetch`.
  const send = (input, init) => Reflect.apply(fetch, globalThis, [input, init]);
  const proofs = new Map();

  function proofFor(problem, base, access) {
    const url = locate(problem, base, origins);
    if (!url) return undefined;
    let proof = proofs.get(url);
    if (!proof) {
      proof = new Proof(problem, new Flow(url, { send, ...access }, problem.flow), render);
      proofs.set(url, proof);
      // One that was given is remembered: a refusal that is late may still name its flow.
      const forget = () => !proof.isGiven && proofs.get(url) === proof && proofs.delete(url);
      on(proof.signal, 'abort', forget);
      proof.outcome.then(forget);
    }
    return proof;
  }

  async function stepUpFetch(input, init) {
    const attempts = new Attempts(input, init);
    const response = await attempts.next(send);
    const { signal, access } = attempts;
    const problem = await problemIn(response);
    signal?.throwIfAborted();
    const proof = problem && proofFor(problem, absolute(response.url || attempts.url), access);
    if (!(await proof?.wait(signal))) {
      attempts.drop();
      return response;
    }
    response.body?.cancel().catch(() => {});
    return attempts.next(send);
  }

  async function prove(problem, { url, signal, credentials, headers } = {}) {
    signal?.throwIfAborted();
    const proof = proofFor(problem, absolute(url ?? ''), { credentials, headers });
    return proof ? proof.wait(signal) : false;
  }

  return { fetch: stepUpFetch, prove };
}

/** What is sent first, and what is sent again: settled before anything is. */
class Attempts {
  constructor(input, init) {
    const request = typeof input?.clone === 'function' ? input : undefined;
    const { body } = init ?? {};
    if (isOneShot(body)) {
      throw new TypeError(
        'a stream can be sent once, and this request may have to be repeated after a step-up: ' +
          'pass `body: () => stream`, a function that makes the body anew for each attempt',
      );
    }
    this.url = request?.url ?? input;
    this.signal = (init?.signal === undefined ? request?.signal : init.signal) ?? undefined;
    const headers = new Headers(init?.headers ?? request?.headers);
    const authorization = headers.get('authorization');
    this.access = {
      credentials: init?.credentials ?? request?.credentials,
      headers: authorization && { authorization },
      home: parsed(absolute(this.url))?.origin,
    };
    this.sends = [[input, init], [request?.clone() ?? input, init && repeatable(init)]];
  }

  /** Sends at once, as `fetch` does, unless a body has to be made first. */
  next(send) {
    const [input, init] = this.sends.shift();
    return typeof init?.body === 'function' ? this.#make(input, init, send) : send(input, init);
  }

  async #make(input, init, send) {
    const body = await init.body();
    this.signal?.throwIfAborted();
    return send(input, { ...(isOneShot(body) && { duplex: 'half' }), ...init, body });
  }

  /** A clone that is never read would keep what the other one has sent. */
  drop() {
    const [[spare]] = this.sends;
    spare.body?.cancel().catch(() => {});
  }
}

const isOneShot = (body) =>
  typeof body?.getReader === 'function' || typeof body?.[Symbol.asyncIterator] === 'function';

/** The app may change what it has sent while the user is busy with the proof. */
function repeatable(init) {
  let { body } = init;
  if (body instanceof ArrayBuffer || ArrayBuffer.isView(body)) body = new Blob([body]);
  if (body instanceof URLSearchParams) body = new URLSearchParams(body);
  if (body instanceof FormData) {
    const copy = new FormData();
    for (const [name, value] of body) copy.append(name, value);
    body = copy;
  }
  return { ...init, headers: init.headers && new Headers(init.headers), body };
}

/** The problem in a response that stays unread. */
async function problemIn(response) {
  const [type] = (response.headers.get('content-type') ?? '').split(';');
  const isProblem = type.trim().toLowerCase() === 'application/problem+json';
  if (response.status !== 401 || !isProblem) return null;
  const copy = response.clone();
  return copy.json().catch(() => null);
}

/**
 * The address of the flow that a refusal names, if it is one to act on: on the server that refused,
 * and that is our own or one that the app trusts, or any site could ask the user for a PIN.
 */
function locate(problem, base, origins) {
  const { type, reason, flow } = problem ?? {};
  const isRefusal = type === REFUSAL && /^\w+$/.test(flow?.id ?? '');
  if (!isRefusal || HOPELESS.includes(reason)) return undefined;
  const { origin } = parsed(base) ?? {};
  const url = parsed(flow.url, base);
  if (!url?.pathname.endsWith(`/flows/${flow.id}`) || url.origin !== origin) return undefined;
  const { location } = globalThis;
  if (location && location.origin !== origin && !origins.includes(origin)) {
    console.warn(`FlexSecure: ${origin} asks for a proof, and \`origins\` does not name it`);
    return undefined;
  }
  return origin + url.pathname;
}

const parsed = (url, base) => (URL.canParse(url, base) ? new URL(url, base) : undefined);

const absolute = (url) => parsed(url, page?.baseURI ?? globalThis.location?.href)?.href;

/** One proof, for however many requests wait for it. */
class Proof {
  #abort = new AbortController();
  #waiting = 0;

  constructor(refusal, flow, render) {
    const isFirst = turns === 0;
    this.signal = this.#abort.signal;
    this.outcome = inTurn(async () => {
      if (this.signal.aborted) return false;
      if (flow.state.state === 'authenticated') return true;
      // Whoever has waited for others may find that all is done.
      if (!isFirst && (await flow.isAuthenticated())) return true;
      if (this.signal.aborted) return false;
      const show = render ? renderBy : showDialog;
      return show(refusal, flow, this.signal, render);
    }).then(
      (isGiven) => (this.isGiven = isGiven),
      (error) => {
        console.error('FlexSecure:', error);
        return false;
      },
    );
  }

  /** Whether it was given; rejects as soon as `signal` says so, with its reason. */
  async wait(signal) {
    this.#waiting += 1;
    try {
      return await unlessAborted(this.outcome, signal);
    } finally {
      this.#waiting -= 1;
      if (this.#waiting === 0) this.#abort.abort();
    }
  }
}

let turns = 0;
let lastTurn = Promise.resolve();

/** One user, one thing to prove at a time. */
function inTurn(work) {
  turns += 1;
  const turn = lastTurn.then(work).finally(() => {
    turns -= 1;
    if (turns === 0) stage.close();
  });
  lastTurn = turn.catch(() => {});
  return turn;
}

/** The app shows what there is to do, and says when that is done. */
async function renderBy(refusal, flow, signal, render) {
  stage.close();
  let shown = flow.state;
  let watching;
  let gone;
  const waiting = new Set();
  const tell = (state) => {
    gone = !state && new StepUpError(404);
    if (gone || isNews(shown, state)) for (const wake of [...waiting]) wake();
  };
  const call = async (...request) => (shown = await flow.call(...request));
  const step = {
    refusal,
    signal,
    get flow() {
      return flow.state;
    },
    submitPin: (pin) => call('POST', '/pin', { json: { pin: digits(String(pin)) } }),
    resend: () => call('POST', '/start'),
    cancel: () => call('DELETE'),
    async changed() {
      watching ??= watch(flow, signal, tell);
      // A renderer that asks on and on must not keep all else from happening.
      if (isOver(flow.state)) await pause(0, signal);
      else if (!gone && !isNews(shown, flow.state)) {
        let wake;
        const news = new Promise((resolve) => waiting.add((wake = resolve)));
        await unlessAborted(news, signal).finally(() => waiting.delete(wake));
      }
      if (gone) throw gone;
      return (shown = flow.state);
    },
  };
  try {
    await unlessAborted(Promise.resolve(render(step)), signal);
  } catch (error) {
    if (error instanceof Error && error.name !== 'AbortError') console.warn('FlexSecure:', error);
    return false;
  }
  return flow.isAuthenticated();
}

/** A flow at the server. */
class Flow {
  constructor(url, { send, credentials = 'same-origin', headers, home }, state) {
    // What another origin was to be told is not for this one.
    const isAtHome = home === undefined || home === new URL(url).origin;
    Object.assign(this, { url, send, credentials, headers: isAtHome ? headers : {}, state });
  }

  /** Asks in JSON; resolves with the flow as it is then. */
  async call(method = 'GET', path = '', { json, wait, signal } = {}) {
    const headers = { ...this.headers, accept: 'application/json' };
    if (wait) headers.prefer = `wait=${wait}`;
    if (json) headers['content-type'] = 'application/json';
    const response = await this.#send(this.url + path, {
      method,
      headers,
      body: json && JSON.stringify(json),
      signal,
    });
    const answer = await response.json().catch(() => null);
    signal?.throwIfAborted();
    const { ok, status } = response;
    const state = ok ? answer : answer?.flow;
    if (state?.state) this.state = state;
    if (ok && state?.state) return state;
    throw new StepUpError(status, answer, Number(response.headers.get('retry-after')) || undefined);
  }

  /** Asks for HTML: the page, or what a form of it leads to. */
  async page({ url = this.url, fields, signal } = {}) {
    const headers = { ...this.headers, accept: 'text/html' };
    const response = await this.#send(url, {
      method: fields ? 'POST' : 'GET',
      headers,
      body: fields,
      signal,
    });
    const { ok, status, type } = response;
    if (type === 'opaqueredirect' || (status >= 300 && status < 400)) {
      return { status, isElsewhere: true };
    }
    const html = await response.text();
    signal?.throwIfAborted();
    const content = read(html, this.url);
    if (!ok && !content?.main) throw new StepUpError(status);
    return { status, ...content };
  }

  async isAuthenticated() {
    const state = await this.call().catch(() => this.state);
    return state.state === 'authenticated';
  }

  /** A redirect is never followed: it leads to where a person is to go. */
  #send(url, init) {
    const { credentials } = this;
    return this.send(url, { credentials, cache: 'no-store', redirect: 'manual', ...init });
  }
}

const isOver = ({ state }) => state === 'authenticated' || state === 'expired';

/** To a user, `polling` is the same as `started`. */
const phase = (state) => (state === 'polling' ? 'started' : state);

const isNews = (before, now) =>
  phase(before.state) !== phase(now.state) ||
  ['method', 'match', 'attempts_left', 'over'].some((name) => before[name] !== now[name]);

/** Below 500, and yet not the last word: an answer that broke off, and those to ask again. */
const PASSING = [200, 408, 425, 429];

/** The server has understood and will not answer otherwise: no such flow, or nobody logged in. */
const isFinal = (error) =>
  error instanceof StepUpError && error.status < 500 && !PASSING.includes(error.status);

/**
 * Asks how `flow` is until it is over, and tells each answer, or null if there is no such flow.
 *
 * Of all tabs one asks, and the others hear of it. Returns what asks at once.
 */
function watch(flow, signal, tell) {
  const ended = new AbortController();
  const stop = AbortSignal.any([signal, ended.signal]);
  let [awake, nudge, asleep, channel] = [stop, new AbortController()];
  let [isAsking, isBehind, heard] = [false, true, 0];

  const told = (state) => {
    if (stop.aborted) return;
    [heard, isBehind] = [Date.now(), false];
    if (!state || isOver(state)) ended.abort();
    tell(state);
  };

  const look = async (wait, until) => {
    const late = AbortSignal.timeout((wait + PATIENCE) * 1000);
    try {
      const state = await flow.call('GET', '', { wait, signal: AbortSignal.any([until, late]) });
      if (until.aborted) return;
      channel?.postMessage({ url: flow.url, state });
      told(state);
    } catch (error) {
      if (isFinal(error)) told(null);
      if (!until.aborted) isBehind = true;
      throw error;
    }
  };

  const glance = () => look(0, AbortSignal.any([awake, nudge.signal])).catch(() => {});

  /** Gives up whatever question is under way: its connection may not have survived a sleep. */
  const lookNow = () => {
    if (awake.aborted) return;
    isBehind = true;
    nudge.abort();
    nudge = new AbortController();
    if (!isAsking) glance();
  };

  const ask = async (until) => {
    for (let failures = 0; !until.aborted; ) {
      const current = AbortSignal.any([until, nudge.signal]);
      const [since, before, wait] = [Date.now(), flow.state, isBehind ? 0 : WAIT];
      let rest = 0;
      if (!locks && page?.hidden) rest = Infinity;
      else {
        try {
          await look(wait, current);
          failures = 0;
          // One that does not hold a question, or what is on the way, is not asked at once again.
          const isHasty = wait && before && !isNews(before, flow.state);
          if (isHasty) rest = (flow.state.interval ?? 2) * 1000 - (Date.now() - since);
        } catch (error) {
          if (current.aborted) continue;
          rest = Math.max(backOff(failures), 1000 * (error.retryAfter ?? 0));
          failures += 1;
        }
      }
      if (rest > 0) await pause(rest, current);
    }
  };

  const lead = async (until) => {
    const work = async () => {
      isAsking = true;
      await ask(until);
      isAsking = false;
    };
    try {
      await (locks ? locks.request(`flexsecure ${flow.url}`, { signal: until }, work) : work());
    } catch {
      // Not every document has locks, whatever it says.
      if (!until.aborted) await work();
    }
  };

  const begin = () => {
    asleep = new AbortController();
    const until = (awake = AbortSignal.any([stop, asleep.signal]));
    if (page) {
      const own = (channel = new BroadcastChannel('flexsecure'));
      on(until, 'abort', () => own.close());
      own.onmessage = ({ data }) => {
        if (data?.url === flow.url && data.state?.state) told((flow.state = data.state));
      };
    }
    isBehind = true;
    glance().finally(() => lead(until));
  };

  if (!stop.aborted) begin();
  on(page, 'visibilitychange', () => page.hidden || lookNow(), stop);
  on(globalThis, 'online', lookNow, stop);
  // A page in the back-forward cache may hold neither a lock nor a connection.
  on(globalThis, 'pagehide', () => asleep.abort(), stop);
  on(globalThis, 'pageshow', ({ persisted }) => persisted && begin(), stop);
  if (page) {
    // The tab that asks may be frozen.
    const isDue = () => isBehind || Date.now() - heard > 1000 * (WAIT + PATIENCE);
    every(10_000, () => !isAsking && !page.hidden && isDue() && lookNow(), stop);
  }
  return lookNow;
}

/** What of a step-up page is shown, on the page itself as in the dialog, and kept up to date. */
class View {
  #posts = 0;
  #isPosting = false;
  #isDigesting = false;
  #isStale = false;
  #pending;
  #known;
  #deadlines = {};
  #stop = new AbortController();

  /**
   * `place` has the `root` to listen at, the `status` region, `settle(state, main)` that says
   * whether it has dealt with what the flow came to, `swapped(content)`, and `fail(state)` for when
   * the server renders nothing, which says whether that is the end of it.
   */
  constructor(main, flow, place, signal) {
    Object.assign(this, { main, flow, place });
    const stop = (this.signal = AbortSignal.any([signal, this.#stop.signal]));
    this.#decorate();
    on(place.root, 'submit', (event) => this.#submit(event), stop);
    for (const type of ['input', 'compositionend']) {
      on(place.root, type, ({ target, isComposing }) => {
        if (target === this.main.querySelector('#pin') && !isComposing) group(target);
      }, stop);
    }
    every(250, () => this.#count(), stop);
    on(page, 'visibilitychange', () => this.#count(), stop);
    this.lookNow = watch(flow, stop, (state) => this.#hear(state));
  }

  #hear(state) {
    this.#pending = { state };
    this.#expireIn(state?.expires_in);
    this.#digest();
  }

  async #digest() {
    if (this.#isDigesting) return;
    this.#isDigesting = true;
    while (this.#pending && !this.#isPosting && !this.signal.aborted) {
      const { state } = this.#pending;
      this.#pending = undefined;
      if (state && this.place.settle(state, this.main)) break;
      const isNew = !state || (this.#known ? isNews(this.#known, state) : !shows(this.main, state));
      if (isNew || this.#isStale) await this.#renew(state);
      else this.#known = state;
    }
    this.#isDigesting = false;
  }

  /** Has the server render what `state` says, until it has or something newer is to be shown. */
  async #renew(state) {
    const { signal } = this;
    const posts = this.#posts;
    for (let failures = 0; ; failures += 1) {
      let content;
      try {
        content = await this.flow.page({ ...checkOf(this.main, this.flow), signal });
        // What cannot be had now is no reason to take away what is there.
        if (content.status >= 500 || content.status === 429) throw new StepUpError(content.status);
      } catch (error) {
        if (signal.aborted || posts !== this.#posts) return this.#putOff(state);
        if (isFinal(error)) return this.#fail();
        await pause(backOff(failures), signal);
      }
      if (signal.aborted || posts !== this.#posts) return this.#putOff(state);
      if (content) return this.#renewed(state, content);
      if (this.#pending) return;
    }
  }

  #renewed(state, content) {
    const isAsked = this.#isStale;
    [this.#known, this.#isStale] = [state ?? undefined, false];
    if (!content.main) return this.#fail(state);
    if (!state || !this.place.settle(state, content.main)) this.#swap(content, isAsked);
  }

  /** The user was quicker: what they did is rendered by now, unless the flow has ended. */
  #putOff(state) {
    this.#pending ??= { state };
  }

  #fail(state) {
    if (this.place.fail(state)) this.#stop.abort();
  }

  #submit(event) {
    const form = event.target;
    const id = attribute(form, 'id');
    if (!FORMS.includes(id) || !this.main.contains(form)) return;
    event.preventDefault();
    const url = new URL(attribute(form, 'action') ?? '', this.flow.url).href;
    const isEarly = id === 'resend' && this.#deadlines.resend > Date.now();
    // One after the other: a double click is no second attempt.
    if (this.#isPosting || isEarly || !`${url}/`.startsWith(`${this.flow.url}/`)) return;
    this.#post(id, url, fieldsOf(form, event.submitter));
  }

  async #post(id, url, fields) {
    this.#isPosting = true;
    this.#posts += 1;
    this.main.ariaBusy = 'true';
    try {
      // Not given up with the dialog: the server would not know.
      const content = await this.flow.page({ url, fields });
      if (this.signal.aborted) return;
      this.#known = undefined;
      const { isElsewhere, status, main } = content;
      // Without a flow, a problem is told above what is there; but not that there is none.
      const isAside = status >= 400 && status !== 404 && !main?.dataset.url;
      if (isElsewhere) this.#isStale = true;
      else if (isAside) this.#complain(main?.querySelector('#problem'));
      else this.#swap(content, id);
    } catch {
      this.#isStale = true;
      this.#complain();
    } finally {
      this.#isPosting = false;
      this.main.ariaBusy = null;
    }
    // What was heard meanwhile is older than what was answered, but for an end.
    if (this.#pending?.state && !isOver(this.#pending.state)) this.#pending = undefined;
    this.#digest();
    this.lookNow();
  }

  /** Says in the server's words what is wrong, above what is there. */
  #complain(problem) {
    const { offline } = this.main.dataset;
    if (!problem && !offline) return;
    problem ??= make('p', { id: 'problem', className: 'problem', role: 'alert' }, offline);
    this.main.querySelector('#problem')?.remove();
    this.main.querySelector('h1')?.after(problem);
  }

  #swap(content, postedBy) {
    const { main: before, place } = this;
    const { main } = content;
    const active = place.root.activeElement;
    const isInside = before.contains(active);
    const isElsewhere = active && active !== page.body && !isInside;
    const spot = isInside ? spotOf(active) : undefined;
    const [typed, pin] = [before.querySelector('#pin'), main.querySelector('#pin')];
    const [from, to] = [typed?.selectionStart, typed?.selectionEnd];
    before.replaceWith(main);
    this.main = main;
    this.#decorate();
    place.swapped(content);
    // A wrong PIN is not worth keeping; one with a digit too few is.
    if (typed?.value && pin && !(postedBy === 'pin-form' && content.status === 403)) {
      pin.value = typed.value;
      if (from !== null) pin.setSelectionRange(from, to);
    }
    place.status.replaceChildren(main.dataset.announce ?? '');
    if (!isElsewhere || postedBy) focusIn(main, place.root, postedBy ? undefined : spot);
  }

  #decorate() {
    const { main } = this;
    const check = main.querySelector('#check');
    if (check) check.hidden = true;
    // What is pasted may be longer than what is left of it.
    main.querySelector('#pin')?.removeAttribute('maxlength');
    const resend = main.querySelector('#resend')?.dataset.resendIn;
    this.#deadlines = { resend: resend ? Date.now() + 1000 * resend : 0 };
    this.#expireIn(main.dataset.expiresIn);
    this.#count();
  }

  /** Seconds are rounded: a difference of one is none. */
  #expireIn(seconds) {
    if (seconds === undefined) return;
    const end = Date.now() + 1000 * seconds;
    if (!(Math.abs(end - this.#deadlines.left) < 1500)) this.#deadlines.left = end;
  }

  #count() {
    const until = (deadline = 0) => Math.max(0, Math.ceil((deadline - Date.now()) / 1000));
    const [seconds, rest] = [until(this.#deadlines.left), until(this.#deadlines.resend)];
    const time = this.main.querySelector('#left');
    if (time && this.#deadlines.left) {
      const text = `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, '0')}`;
      if (time.textContent !== text) {
        time.textContent = text;
        if (seconds === 0) this.lookNow?.();
      }
    }
    const button = this.main.querySelector('#resend button');
    if (!button) return;
    if (rest > 0) {
      button.ariaDisabled = 'true';
      button.dataset.left = rest;
    } else if (button.ariaDisabled) {
      button.ariaDisabled = null;
      delete button.dataset.left;
    }
  }

  /** Leaves all to the browser, as if there were no script. */
  release() {
    this.#stop.abort();
    const check = this.main.querySelector('#check');
    if (check) check.hidden = false;
  }
}

/** Those that lead to a flow endpoint; any other is the user's own to send. */
const FORMS = ['pin-form', 'start', 'resend', 'check', 'cancel'];

const fieldsOf = (form, submitter) => new URLSearchParams(new FormData(form, submitter));

/** The form by which a page asks for itself with all that it carries. */
function checkOf(main, { url }) {
  const form = main.querySelector('#check');
  return form ? { url, fields: fieldsOf(form) } : { url };
}

/** Whether the HTML is of about this state; what it does not tell is taken to be right. */
function shows(main, { state, match, method, attempts_left: attempts }) {
  const { state: shown, attempts: left } = main.dataset;
  return (
    phase(shown) === phase(state) &&
    (main.querySelector('#match')?.textContent ?? '') === (match ?? '') &&
    (phase(state) !== 'started' || method !== 'pin' || main.querySelector('#pin') !== null) &&
    (left === undefined || attempts === undefined || Number(left) === attempts)
  );
}

/** Where the user was, as a selector, unless that is just where they were led to. */
function spotOf(element) {
  if (element.localName === 'h1') return undefined;
  if (element.id) return `#${CSS.escape(element.id)}`;
  const form = element.closest('form')?.id;
  return form && `#${CSS.escape(form)} ${element.localName}`;
}

function focusIn(main, root, spot) {
  const places = [spot, '#pin', '#again button', '#start button', '#go-on', 'h1'];
  for (const place of places) {
    const element = place ? main.querySelector(place) : null;
    element?.focus();
    if (element && root.activeElement === element) return;
  }
}

/** `1234 5678`, with the caret where it was among the digits. */
function group(input) {
  const { value, selectionStart } = input;
  const grouped = digits(value).replace(/.{4}(?=.)/g, '$& ');
  if (grouped === value) return;
  const before = digits(value.slice(0, selectionStart)).length;
  input.value = grouped;
  const caret = before + Math.max(0, Math.floor((before - 1) / 4));
  input.setSelectionRange(caret, caret);
}

/** The digits of a PIN in any script, alone or in the message that it came with. */
function digits(text) {
  const plain = text.normalize('NFKC').replace(/\p{Nd}/gu, decimal);
  const found = /\p{L}/u.test(plain) && plain.match(/(?<!\d)(\d{4})\D?(\d{4})(?!\d)/);
  return found ? found[1] + found[2] : plain.replace(/\D/g, '');
}

/** The digits of each script follow each other, beginning with zero. */
function decimal(digit) {
  const before = (places) => String.fromCodePoint(digit.codePointAt(0) - places);
  let value = 0;
  while (value < 9 && /\p{Nd}/u.test(before(value + 1))) value += 1;
  return value;
}

/** Shows the flow's page in a dialog; resolves with whether the flow was authenticated. */
async function showDialog(refusal, flow, signal) {
  if (!page?.body) {
    console.warn('FlexSecure: there is no document to show a dialog in; use `render`');
    return false;
  }
  let content = await flow.page({ signal }).catch(() => undefined);
  const { state } = content?.main?.dataset ?? {};
  if (!state || state === 'authenticated' || state === 'expired') {
    const now = await flow.call('GET', '', { signal }).catch(() => flow.state);
    if (now.state === 'authenticated') return true;
    if (now.over === 'cancelled') return false;
  }
  if (signal.aborted) return false;
  if (!content?.main) content = { main: outline(refusal, flow) };
  await stage.prepare(flow.url);
  if (signal.aborted) return false;
  return new Promise((resolve) => {
    const stop = new AbortController();
    const finish = (isProved) => {
      // A form of a flow that nobody looks after any more would leave the app.
      if (stage.main) stage.main.inert = true;
      stop.abort();
      resolve(isProved);
      return true;
    };
    const end = AbortSignal.any([signal, stop.signal]);
    on(signal, 'abort', () => finish(false), end);
    const place = {
      ...stage.show(content, () => finish(false), end),
      settle({ state, over }) {
        if (state === 'authenticated') return finish(true);
        return over === 'cancelled' && finish(false);
      },
      fail: (now) => (!now || isOver(now)) && finish(false),
    };
    new View(content.main, flow, place, end);
    focusIn(content.main, place.root);
  });
}

/** What can be shown without the page, with the way there: the server's words of the refusal. */
function outline({ title = '', detail, operation }, { url }) {
  const link = make('a', { href: url, target: '_blank', rel: 'noopener' }, detail ?? url);
  return make(
    'section',
    { id: 'step-up' },
    make('h1', { tabIndex: -1 }, title),
    ...(operation ? [make('p', { className: 'operation' }, make('bdi', {}, operation))] : []),
    make('p', { id: 'page' }, link),
  );
}

function make(name, properties, ...inside) {
  const made = Object.assign(page.createElement(name), properties);
  made.append(...inside);
  return made;
}

/** The one dialog of this document, open as long as there is something to prove. */
const stage = {
  async prepare(url) {
    if (!this.host?.isConnected) {
      this.status = statusRegion();
      this.exit = make('button', { type: 'button', className: 'close' }, '\u00d7');
      on(this.exit, 'click', () => this.dialog.close());
      this.dialog = make('dialog', {}, this.status, this.exit);
      this.host = make('flexsecure-dialog');
      this.root = this.host.attachShadow({ mode: 'open' });
      this.root.append(this.dialog);
      // What happens in here is none of the app's shortcuts, focus traps or clicks outside.
      for (const type of PRIVATE) on(this.host, type, (event) => event.stopPropagation());
      page.body.append(this.host);
    }
    const href = url.replace(/\/flows\/\w+$/, '/step-up.css');
    if (this.link?.isConnected && this.link.href === href) return;
    this.link?.remove();
    this.link = make('link', { rel: 'stylesheet', href });
    const loaded = new AbortController();
    for (const type of ['load', 'error']) on(this.link, type, () => loaded.abort());
    this.root.prepend(this.link);
    await pause(3000, loaded.signal);
  },

  /** Puts `content` in, and calls `leave` when the user has had enough. */
  show(content, leave, signal) {
    const { root, dialog, status } = this;
    this.main?.remove();
    dialog.prepend(content.main);
    this.swapped(content);
    on(dialog, 'close', leave, signal);
    // Some apps replace the whole body.
    const removal = new MutationObserver(() => this.host?.isConnected || leave());
    removal.observe(page.documentElement, { childList: true });
    removal.observe(page.body, { childList: true });
    on(signal, 'abort', () => removal.disconnect());
    // The page leads away from an ended flow; here, what it leads to is still there.
    on(root, 'click', (event) => {
      if (!event.target.closest('#go-on')) return;
      event.preventDefault();
      dialog.close();
    }, signal);
    if (!dialog.open) {
      this.opener = page.activeElement;
      dialog.showModal();
    }
    return { root, status, swapped: (newer) => this.swapped(newer) };
  },

  swapped({ main, lang, dir }) {
    const { dialog, exit } = this;
    this.main = main;
    const name = (attribute, selector, id) => {
      const element = main.querySelector(selector);
      if (element) dialog.setAttribute(attribute, (element.id ||= id));
      else dialog.removeAttribute(attribute);
    };
    name('aria-labelledby', 'h1', 'step-up-title');
    name('aria-describedby', '.operation', 'step-up-operation');
    if (lang) dialog.lang = lang;
    if (dir) dialog.dir = dir;
    exit.ariaLabel = main.dataset.close ?? null;
  },

  close() {
    if (!this.host) return;
    const { host, dialog, opener } = this;
    this.host = this.main = this.link = undefined;
    dialog.close();
    host.remove();
    if (page.activeElement === page.body && opener?.isConnected) opener.focus();
  },
};

const PRIVATE = [
  ...['keydown', 'keypress', 'keyup', 'click', 'focusin', 'focusout'],
  ...['pointerdown', 'pointerup', 'mousedown', 'mouseup', 'touchstart', 'touchend'],
];

/** For those who listen alone. Its style is set in a way that no policy is against. */
function statusRegion() {
  const region = make('div', { id: 'step-up-status', role: 'status' });
  const small = { position: 'absolute', top: 0, width: '1px', height: '1px', overflow: 'hidden' };
  Object.assign(region.style, small, { clipPath: 'inset(50%)', whiteSpace: 'nowrap' });
  return region;
}

const READER = Symbol.for('flexsecure.read');

/**
 * `main#step-up` of a page and what else of it matters; undefined where the document's policy does
 * not let it be read. Two copies of this module share one, as a policy can be created once only; it
 * hands out nothing that could run, so that whoever finds it has found nothing.
 */
const read = (html, base) => (globalThis[READER] ??= reader())(html, base);

function reader() {
  let policy = { createHTML: (html) => html };
  try {
    policy = globalThis.trustedTypes?.createPolicy('flexsecure', policy) ?? policy;
  } catch {
    // It still goes well where the types are named but not required.
  }
  let isForbidden = false;
  return (html, base) => {
    if (isForbidden) return undefined;
    let content;
    try {
      content = new DOMParser().parseFromString(policy.createHTML(html), 'text/html');
    } catch {
      isForbidden = true;
      console.error(
        'FlexSecure: the Content-Security-Policy of this page forbids the Trusted Types policy ' +
          '"flexsecure", so that a dialog can only link to the page of a flow. ' +
          'Allow it: trusted-types flexsecure',
      );
      return undefined;
    }
    let main = content.querySelector('main#step-up');
    if (main) clean(main, base);
    // A document has one main part; in a dialog, this is none.
    if (main && !page.querySelector('main#step-up')) main = renamed(main, 'section');
    const { lang, dir } = content.documentElement;
    return { main, title: content.title, lang, dir };
  };
}

const HARMLESS =
  'h1,h2,h3,p,div,span,section,header,footer,bdi,bdo,b,i,em,strong,small,code,pre,br,hr,ul,ol,li,' +
  'dl,dt,dd,img,time,form,fieldset,legend,label,input,button,output,a,details,summary';

/** Leaves nothing that runs, whatever fields a form has: they can hide its own methods. */
function clean(main, base) {
  const { removeAttribute, setAttribute, getAttributeNames } = Element.prototype;
  for (const element of main.querySelectorAll(`:not(${HARMLESS})`)) element.remove();
  for (const element of [main, ...main.querySelectorAll('*')]) {
    for (const name of getAttributeNames.call(element)) {
      if (['href', 'src', 'action'].includes(name)) {
        const url = parsed(attribute(element, name), base);
        if (/^https?:$/.test(url?.protocol)) setAttribute.call(element, name, url.href);
        else removeAttribute.call(element, name);
      } else if (/^on|^(style|srcset|formaction|ping|background|xlink:href)$/.test(name)) {
        removeAttribute.call(element, name);
      }
    }
  }
}

function renamed(element, name) {
  const other = page.createElement(name);
  for (const { name, value } of element.attributes) other.setAttribute(name, value);
  other.append(...element.childNodes);
  return other;
}

const attribute = (element, name) => Element.prototype.getAttribute.call(element, name);

/** Between two attempts that fail, in milliseconds. */
const backOff = (failures) => 1000 * 2 ** Math.min(failures, 3);

function every(milliseconds, act, signal) {
  const timer = setInterval(act, milliseconds);
  on(signal, 'abort', () => clearInterval(timer));
}

const on = (target, type, listener, signal) =>
  target?.addEventListener?.(type, listener, signal && { signal });

/** Resolves after so many milliseconds, and earlier if `signal` says so or it may go better now. */
function pause(milliseconds, signal) {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve();
    const ended = new AbortController();
    const end = () => {
      clearTimeout(timer);
      ended.abort();
      resolve();
    };
    const timer = milliseconds === Infinity ? undefined : setTimeout(end, milliseconds);
    on(signal, 'abort', end, ended.signal);
    on(globalThis, 'online', end, ended.signal);
    on(page, 'visibilitychange', end, ended.signal);
  });
}

function unlessAborted(promise, signal) {
  if (!signal) return promise;
  return new Promise((resolve, reject) => {
    const abort = () => reject(signal.reason);
    if (signal.aborted) return abort();
    signal.addEventListener('abort', abort);
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort));
  });
}

/** The step-up page itself. */
function enhance(main) {
  const url = absolute(main.dataset.url);
  if (parsed(url)?.origin !== location.origin || !read('', url)) return;
  const flow = new Flow(url, { send: fetch.bind(globalThis) });
  const status = statusRegion();
  page.body.append(status);
  let { back } = main.dataset;
  let view;
  const place = {
    root: page,
    status,
    settle({ state }, shown) {
      back = shown.dataset.back ?? back;
      // A form that is carried is shown before the user sends it again.
      const isCarried = shown.querySelector('#again, input[name="form"]') !== null;
      return state === 'authenticated' && back !== undefined && !isCarried && goTo(back);
    },
    swapped({ title, lang, dir }) {
      if (title) page.title = title;
      Object.assign(page.documentElement, { ...(lang && { lang }), ...(dir && { dir }) });
    },
    fail(state) {
      const check = view.main.querySelector('#check');
      view.release();
      if (state?.state !== 'authenticated') return true;
      if (back) return goTo(back);
      // The server leads on from here.
      if (check) HTMLFormElement.prototype.submit.call(check);
      else location.replace(url);
      return true;
    },
  };
  view = new View(main, flow, place, new AbortController().signal);
}

function goTo(path) {
  const url = parsed(path, location.href);
  location.replace(url?.origin === location.origin ? url.href : '/');
  return true;
}

const standard = createStepUp();

/** Like `fetch`, and sees to the proof where one is needed. */
export const stepUpFetch = standard.fetch;
export const { prove } = standard;

// For pages without a bundler, and for what they call from a console.
const whole = { createStepUp, fetch: stepUpFetch, stepUpFetch, prove, StepUpError };
globalThis.flexsecure ??= Object.freeze(whole);

const shown = page?.querySelector('main#step-up[data-url]');
if (shown && !globalThis[READER]) enhance(shown);
