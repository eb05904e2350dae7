// A server in the place of `fetch`: one door that takes a proof, and the flow endpoints.

/** Answers each request by `routes`, in the order in which they are written, and keeps what was sent. */
export class Server {
  sent = [];
  flows = new Map();

  constructor(origin = 'https://bank.example') {
    this.origin = origin;
    this.fetch = this.fetch.bind(this);
  }

  /** A flow with what a client sees of it, started. */
  flow(id, rest = {}) {
    const flow = { id, url: `/step-up/flows/${id}`, state: 'started', method: 'pin', attempts_left: 5, ...rest };
    this.flows.set(id, flow);
    return flow;
  }

  /** Changes a flow, and answers whoever is held for it. */
  change(id, rest) {
    Object.assign(this.flows.get(id), rest);
    for (const wake of this.#held.splice(0)) wake();
  }

  /** What was sent to `path`. */
  to(path) {
    return this.sent.filter((sent) => sent.path === path);
  }

  /** What the app answers, apart from the flow endpoints; to be set by the test. */
  door = () => new Response('open');

  async fetch(input, init) {
    const request = new Request(typeof input === 'string' ? new URL(input, this.origin) : input, init);
    const url = new URL(request.url);
    const entry = {
      path: url.pathname,
      method: request.method,
      headers: request.headers,
      credentials: init?.credentials ?? request.credentials,
      redirect: init?.redirect,
      body: '',
    };
    this.sent.push(entry);
    entry.body = await request.text();
    const [, id, verb] = url.pathname.match(/^\/step-up\/flows\/(\w+)(\/\w+)?$/) ?? [];
    const response = id ? await this.#answer(id, verb, entry, request.signal) : await this.door(entry, request);
    request.signal.throwIfAborted();
    if (!response.url) Object.defineProperty(response, 'url', { value: request.url });
    return response;
  }

  #held = [];

  async #answer(id, verb, { method, headers, body }, signal) {
    const flow = this.flows.get(id);
    if (!flow) return problem(404, 'flow-not-found');
    if (method === 'DELETE') this.change(id, { state: 'expired', over: 'cancelled' });
    if (verb === '/pin' && JSON.parse(body).pin !== '12345678') {
      this.change(id, { attempts_left: flow.attempts_left - 1 });
      return problem(403, 'pin-rejected', { detail: 'That is not the PIN that was sent.', flow });
    }
    if (verb === '/pin') this.change(id, { state: 'authenticated' });
    if (verb === '/start' && flow.state === 'started') {
      return problem(429, 'too-soon', { flow }, { 'retry-after': '27' });
    }
    if (verb === '/start') this.change(id, { state: 'started' });
    if (headers.get('prefer') && !['authenticated', 'expired'].includes(flow.state)) {
      await new Promise((resolve, reject) => {
        this.#held.push(resolve);
        signal.addEventListener('abort', () => reject(signal.reason));
      });
    }
    return Response.json(flow);
  }
}

export function problem(status, name, rest = {}, headers = {}) {
  const body = { type: `urn:flexsecure:problem:${name}`, title: name, status, ...rest };
  return new Response(JSON.stringify(body), {
    status,
    headers: { 'content-type': 'application/problem+json', ...headers },
  });
}

/** A refusal that names `flow`. */
export const refusal = (flow, rest = {}) =>
  problem(401, 'step-up-required', { reason: 'missing', system: 'bank', flow: { ...flow }, ...rest });

/** Resolves once `holds` does, looked at after each turn of the loop. */
export async function until(holds) {
  while (!holds()) await new Promise((resolve) => setImmediate(resolve));
}

/** Long enough for anything that would happen without waiting for a timer or for the test. */
export async function settled() {
  for (let turn = 0; turn < 50; turn += 1) await new Promise((resolve) => setImmediate(resolve));
}
