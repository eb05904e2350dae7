import assert from 'node:assert/strict';
import { test } from 'node:test';

import { createStepUp, prove, stepUpFetch } from 'flexsecure-js';

import { Server, problem, refusal, settled, until } from './server.js';

/** A renderer that is told when to go on; `steps` are those that it was asked for. */
function renderer(act = (step) => step.submitPin('1234 5678')) {
  const steps = [];
  const render = async (step) => {
    steps.push(step);
    await act(step);
  };
  return { steps, render };
}

/** A door that is open to whoever has proved it, as the flow of that name says. */
function guarded(server, id = 'f1') {
  const flow = server.flow(id);
  server.door = ({ body }) =>
    flow.state === 'authenticated' ? new Response(`done ${body}`, { status: 201 }) : refusal(flow);
  return flow;
}

test('a refused request is repeated once it is proved', async () => {
  const server = new Server();
  guarded(server);
  const { steps, render } = renderer();
  const { fetch } = createStepUp({ fetch: server.fetch, render });
  const response = await fetch('/transfers', { method: 'POST', body: 'to=bob', headers: { 'x-own': '1' } });
  assert.equal(response.status, 201);
  assert.equal(await response.text(), 'done to=bob');
  assert.equal(steps.length, 1);
  assert.equal(steps[0].refusal.system, 'bank');
  const [first, second] = server.to('/transfers');
  assert.deepEqual([first.body, second.body], ['to=bob', 'to=bob']);
  assert.equal(second.headers.get('x-own'), '1');
  assert.equal(server.to('/transfers').length, 2);
  assert.deepEqual(server.to('/step-up/flows/f1/pin').map(({ body }) => body), ['{"pin":"12345678"}']);
});

test('a response that asks for nothing is handed on as it came', async () => {
  const flow = new Server().flow('f1');
  const answers = [
    () => new Response('fine'),
    () => new Response('who are you?', { status: 401 }),
    () => new Response('{"type":"urn:flexsecure:problem:step-up-required"}', { status: 401 }),
    () => new Response('not json', { status: 401, headers: { 'content-type': 'application/problem+json' } }),
    () => new Response('null', { status: 401, headers: { 'content-type': 'application/problem+json' } }),
    () => problem(401, 'identification-required'),
    () => problem(401, 'identification-required', { flow }),
    () => Response.json({ type: 'urn:flexsecure:problem:step-up-required', flow }, { status: 401 }),
    () => problem(401, 'step-up-required', { reason: 'missing' }),
    () => problem(403, 'step-up-required', { flow }),
    () => refusal(flow, { reason: 'loop' }),
    () => refusal(flow, { reason: 'no-method' }),
    () => refusal({ ...flow, url: 'https://evil.example/step-up/flows/f1' }),
    () => refusal({ ...flow, url: '//evil.example/step-up/flows/f1' }),
    () => refusal({ ...flow, url: '/\\evil.example/step-up/flows/f1' }),
    () => refusal({ ...flow, url: '/accounts/7' }),
    () => refusal({ ...flow, url: '/step-up/flows/f2' }),
    () => refusal({ ...flow, id: undefined }),
    () => refusal({ ...flow, id: '../x' }),
  ];
  for (const answer of answers) {
    const server = new Server();
    const { steps, render } = renderer();
    let sent;
    server.door = () => (sent = answer());
    const response = await createStepUp({ fetch: server.fetch, render }).fetch('/x');
    assert.equal(response, sent);
    assert.equal(response.bodyUsed, false);
    assert.equal(await response.text(), await answer().text());
    assert.equal(server.sent.length, 1, await answer().text());
    assert.equal(steps.length, 0);
  }
});

test('the refusal comes back unread when the user gives up, and when the flow ends', async () => {
  const ways = [
    ['rejects', () => Promise.reject(undefined)],
    ['throws', () => { throw new DOMException('closed', 'AbortError'); }],
    ['leaves it open', () => {}],
    ['cancels', (step) => step.cancel()],
  ];
  for (const [way, act] of ways) {
    const server = new Server();
    const flow = guarded(server);
    const response = await createStepUp({ fetch: server.fetch, render: renderer(act).render }).fetch('/x');
    assert.equal(response.status, 401, way);
    assert.equal((await response.json()).flow.id, 'f1', way);
    assert.equal(server.to('/x').length, 1, way);
    assert.equal(flow.state, way === 'cancels' ? 'expired' : 'started', way);
  }
});

test('a second refusal is the answer', async () => {
  const server = new Server();
  const flow = server.flow('f1');
  server.flow('f2');
  server.door = () => refusal(flow.state === 'authenticated' ? server.flows.get('f2') : flow);
  const { steps, render } = renderer();
  const response = await createStepUp({ fetch: server.fetch, render }).fetch('/x');
  assert.equal(response.status, 401);
  assert.equal((await response.json()).flow.id, 'f2');
  assert.equal(server.to('/x').length, 2);
  assert.equal(steps.length, 1);
});

test('twenty refusals of one flow are one proof and twenty repeats', async () => {
  const server = new Server();
  guarded(server);
  const open = deferred();
  const { steps, render } = renderer(async (step) => {
    await open.promise;
    await step.submitPin('12345678');
  });
  const { fetch } = createStepUp({ fetch: server.fetch, render });
  const bodies = Array.from({ length: 20 }, (_, number) => `${number}`);
  const all = Promise.all(bodies.map((body) => fetch('/x', { method: 'POST', body })));
  await until(() => server.to('/x').length === 20);
  await settled();
  assert.equal(steps.length, 1);
  open.resolve();
  const responses = await all;
  assert.deepEqual(await Promise.all(responses.map((response) => response.text())), bodies.map((body) => `done ${body}`));
  assert.equal(steps.length, 1);
  assert.equal(server.to('/x').length, 40);
  assert.equal(server.to('/step-up/flows/f1/pin').length, 1);
});

test('a flow that is proved is not asked for again by a refusal that was late', async () => {
  const server = new Server();
  const flow = guarded(server);
  const late = deferred();
  const door = server.door;
  const stale = { ...flow };
  let isLate = true;
  server.door = async (entry) => {
    if (entry.path === '/late' && isLate) {
      isLate = false;
      await late.promise;
      return refusal(stale);
    }
    return door(entry);
  };
  const { steps, render } = renderer();
  const { fetch } = createStepUp({ fetch: server.fetch, render });
  const second = fetch('/late');
  assert.equal((await fetch('/x')).status, 201);
  late.resolve();
  assert.equal((await second).status, 201);
  assert.equal(steps.length, 1);
});

test('different flows are shown one after the other, whichever wrapper they are of', async () => {
  const server = new Server();
  const flows = { '/a': server.flow('a'), '/b': server.flow('b'), '/c': server.flow('c') };
  server.door = ({ path }) => (flows[path].state === 'authenticated' ? new Response(path) : refusal(flows[path]));
  const shown = [];
  const ends = [];
  const render = (step) => {
    shown.push(step.flow.id);
    return new Promise((resolve) => ends.push(() => step.submitPin('12345678').then(resolve)));
  };
  const [one, other] = [createStepUp({ fetch: server.fetch, render }), createStepUp({ fetch: server.fetch, render })];
  const answers = Promise.all([one.fetch('/a'), other.fetch('/b'), one.fetch('/c')]);
  await until(() => server.sent.length === 3);
  await settled();
  assert.equal(shown.length, 1);
  // A link was approved while another flow was shown: nothing is left to show.
  server.change('c', { state: 'authenticated' });
  ends[0]();
  await until(() => shown.length === 2);
  assert.deepEqual(shown, ['a', 'b']);
  ends[1]();
  assert.deepEqual(await Promise.all((await answers).map((answer) => answer.text())), ['/a', '/b', '/c']);
  assert.equal(shown.length, 2);
});

test('an abort rejects at once with its reason, and leaves the flow alone', async () => {
  const server = new Server();
  const flow = guarded(server);
  const { steps, render } = renderer(() => new Promise(() => {}));
  const { fetch } = createStepUp({ fetch: server.fetch, render });
  const [first, second, third] = [new AbortController(), new AbortController(), new AbortController()];
  const requests = [
    fetch('/x', { signal: first.signal }),
    fetch(new Request('https://bank.example/x', { signal: second.signal })),
    fetch('/x', { signal: third.signal }),
  ];
  const ends = Promise.allSettled(requests);
  await until(() => steps.length === 1);
  const reason = new Error('left');
  first.abort(reason);
  await assert.rejects(requests[0], (error) => error === reason);
  second.abort();
  await assert.rejects(requests[1], { name: 'AbortError' });
  assert.equal(steps[0].signal.aborted, false);
  third.abort();
  await ends;
  assert.equal(steps[0].signal.aborted, true);
  assert.equal(flow.state, 'started');
  // The renderer never ends; whoever comes next is shown theirs all the same.
  guarded(server, 'f2');
  const late = new AbortController();
  const next = fetch('/x', { signal: late.signal });
  await until(() => steps.length === 2);
  late.abort();
  await assert.rejects(next, { name: 'AbortError' });
});

test('an abort before, and while the refusal is read', async () => {
  const server = new Server();
  const flow = guarded(server);
  const { steps, render } = renderer();
  const { fetch } = createStepUp({ fetch: server.fetch, render });
  await assert.rejects(fetch('/x', { signal: AbortSignal.abort() }), { name: 'AbortError' });
  const controller = new AbortController();
  server.door = () => {
    const response = refusal(flow);
    queueMicrotask(() => queueMicrotask(() => controller.abort()));
    return response;
  };
  await assert.rejects(fetch('/x', { signal: controller.signal }), { name: 'AbortError' });
  assert.equal(steps.length, 0);
});

test('an aborted flow is shown again to a request that comes later', async () => {
  const server = new Server();
  const flow = guarded(server);
  const body = await refusal(flow).json();
  let isFirst = true;
  const { steps, render } = renderer((step) => {
    if (!isFirst) return step.submitPin('12345678');
    isFirst = false;
    return new Promise(() => {});
  });
  const { fetch, prove } = createStepUp({ fetch: server.fetch, render });
  const controller = new AbortController();
  const given = fetch('/x', { signal: controller.signal });
  await until(() => steps.length === 1);
  controller.abort();
  // In the very moment in which it is given up.
  const again = given.catch(() => prove(body, { url: 'https://bank.example/x' }));
  assert.equal(await again, true);
  assert.equal(steps.length, 2);
});

test('a proof goes on for whoever joins before the last one has left', async () => {
  const server = new Server();
  const body = await refusal(guarded(server)).json();
  const end = deferred();
  const { steps, render } = renderer(async (step) => {
    await end.promise;
    await step.submitPin('12345678');
  });
  const { prove } = createStepUp({ fetch: server.fetch, render });
  const [url, controller] = ['https://bank.example/x', new AbortController()];
  const given = prove(body, { url, signal: controller.signal });
  await until(() => steps.length === 1);
  controller.abort();
  const joined = prove(body, { url });
  await assert.rejects(given);
  end.resolve();
  assert.equal(await joined, true);
  assert.equal(steps.length, 1);
});

test('a stream is refused before anything is sent, with the way out', async () => {
  const server = new Server();
  const { fetch } = createStepUp({ fetch: server.fetch });
  async function* pieces() {
    yield new Uint8Array(1);
  }
  for (const body of [new Blob(['x']).stream(), pieces()]) {
    const sending = fetch('/x', { method: 'POST', body, duplex: 'half' });
    await assert.rejects(sending, (error) => error instanceof TypeError && error.message.includes('body: () => stream'));
  }
  assert.equal(server.sent.length, 0);
});

test('a body is made anew for each attempt', async () => {
  const server = new Server();
  guarded(server);
  const { render } = renderer();
  let made = 0;
  const bodies = [
    () => new Blob([`stream ${(made += 1)}`]).stream(),
    async () => `text ${(made += 1)}`,
  ];
  for (const body of bodies) {
    made = 0;
    server.change('f1', { state: 'started' });
    const response = await createStepUp({ fetch: server.fetch, render }).fetch('/x', { method: 'POST', body });
    assert.match(await response.text(), /^done (stream|text) 2$/);
    assert.equal(made, 2);
  }
});

test('a request is used up as by fetch, and repeated from a clone', async () => {
  const server = new Server();
  guarded(server);
  const { render } = renderer();
  const { fetch } = createStepUp({ fetch: server.fetch, render });
  const request = new Request('https://bank.example/x', { method: 'POST', body: 'to=bob', headers: { 'x-own': '1' } });
  const response = await fetch(request);
  assert.equal(await response.text(), 'done to=bob');
  assert.equal(request.bodyUsed, true);
  assert.equal(server.to('/x')[1].headers.get('x-own'), '1');
  await assert.rejects(fetch(request), TypeError);
  const plain = new Request('https://bank.example/x');
  assert.equal((await fetch(plain)).status, 201);
  assert.equal((await fetch(plain)).status, 201);
});

test('what was sent is what is repeated, whatever the app does with it meanwhile', async () => {
  const form = new FormData();
  form.append('to', 'bob');
  const parameters = new URLSearchParams({ to: 'bob' });
  const bytes = new TextEncoder().encode('to=bob');
  const headers = new Headers({ 'x-own': '1' });
  const cases = [
    [form, () => form.append('to', 'eve')],
    [parameters, () => parameters.append('to', 'eve')],
    [bytes, () => bytes.fill(0)],
    [bytes.slice().buffer, (body) => new Uint8Array(body).fill(0)],
  ];
  for (const [body, change] of cases) {
    const server = new Server();
    guarded(server);
    const init = { method: 'POST', body, headers };
    const { render } = renderer(async (step) => {
      change(body);
      headers.set('x-own', '2');
      init.method = 'PUT';
      await step.submitPin('12345678');
    });
    await createStepUp({ fetch: server.fetch, render }).fetch('/x', init);
    const [first, second] = server.to('/x');
    const withoutBoundary = (text) => text.replaceAll(/-*[\w-]*\d{9,}/g, '-');
    assert.equal(withoutBoundary(second.body), withoutBoundary(first.body));
    assert.ok(first.body.includes('bob'));
    assert.equal(second.headers.get('x-own'), '1');
    assert.equal(second.method, 'POST');
    headers.set('x-own', '1');
  }
});

test('the first request goes out at once, as with fetch', () => {
  const sent = [];
  const fetch = (...request) => {
    sent.push(request);
    return Promise.resolve(new Response());
  };
  const init = { method: 'POST', body: 'x' };
  createStepUp({ fetch }).fetch('/x', init);
  assert.deepEqual(sent, [['/x', init]]);
});

test('a flow is called where its request was answered, in the same way', async () => {
  const server = new Server('https://api.example');
  guarded(server);
  const { steps, render } = renderer();
  const { fetch } = createStepUp({ fetch: server.fetch, render });
  const init = { credentials: 'include', headers: { authorization: 'Bearer x' } };
  assert.equal((await fetch('https://api.example/x', init)).status, 201);
  assert.equal(steps.length, 1);
  const [call] = server.to('/step-up/flows/f1/pin');
  assert.equal(call.credentials, 'include');
  assert.equal(call.redirect, 'manual');
  assert.equal(call.headers.get('authorization'), 'Bearer x');
  assert.equal(call.headers.get('accept'), 'application/json');
});

test('an answer from elsewhere learns no credentials', async () => {
  const server = new Server('https://other.example');
  const flow = guarded(server);
  const { door } = server;
  server.door = async (entry) => {
    const response = await door(entry);
    if (flow.state === 'started') Object.defineProperty(response, 'url', { value: 'https://other.example/x' });
    return response;
  };
  const { render } = renderer();
  const send = (input, init) => server.fetch(new URL(new URL(input).pathname, server.origin).href, init);
  await createStepUp({ fetch: send, render }).fetch('https://bank.example/x', { headers: { authorization: 'Bearer x' } });
  const [call] = server.to('/step-up/flows/f1/pin');
  assert.equal(call.headers.get('authorization'), null);
});

test('a page is asked for a proof by its own origin and by those that it names', async (t) => {
  globalThis.location = new URL('https://app.example/');
  t.after(() => delete globalThis.location);
  const warned = t.mock.method(console, 'warn', () => {});
  const server = new Server('https://api.example');
  guarded(server);
  const { steps, render } = renderer();
  const request = 'https://api.example/x';
  assert.equal((await createStepUp({ fetch: server.fetch, render }).fetch(request)).status, 401);
  assert.equal(steps.length, 0);
  assert.match(warned.mock.calls[0].arguments[0], /https:\/\/api\.example .*origins/);
  const trusting = createStepUp({ fetch: server.fetch, render, origins: ['https://api.example'] });
  assert.equal((await trusting.fetch(request)).status, 201);
  const own = new Server('https://app.example');
  guarded(own);
  assert.equal((await createStepUp({ fetch: own.fetch, render }).fetch('/x')).status, 201);
});

test('an own renderer has the whole flow at hand', async () => {
  const server = new Server();
  const flow = guarded(server);
  Object.assign(flow, { state: 'idle', method: undefined, attempts_left: undefined });
  const seen = [];
  const render = async (step) => {
    seen.push(step.flow.state);
    await step.resend();
    seen.push(step.flow.state);
    await assert.rejects(step.resend(), (error) => {
      assert.equal(error.name, 'StepUpError');
      assert.deepEqual([error.status, error.retryAfter], [429, 27]);
      return error.problem.type === 'urn:flexsecure:problem:too-soon';
    });
    const next = step.changed();
    await until(() => server.sent.some(({ headers }) => headers.get('prefer') === 'wait=30'));
    server.change('f1', { method: 'pin', attempts_left: 5 });
    seen.push((await next).method);
    await assert.rejects(step.submitPin('0000 0000'), { name: 'StepUpError', status: 403 });
    seen.push(step.flow.attempts_left);
    assert.equal((await step.submitPin('PIN: ١٢٣٤-٥٦٧٨')).state, 'authenticated');
    assert.equal((await step.changed()).state, 'authenticated');
  };
  assert.equal((await createStepUp({ fetch: server.fetch, render }).fetch('/x')).status, 201);
  assert.deepEqual(seen, ['idle', 'started', 'pin', 4]);
});

test('changed tells of news, of the end, and that a flow is gone', async () => {
  const server = new Server();
  guarded(server);
  const told = [];
  const render = async (step) => {
    for (;;) {
      const flow = await step.changed();
      told.push(flow.over ?? flow.match);
      if (flow.state === 'expired') break;
    }
    server.flows.delete('f1');
    assert.equal((await step.changed()).over, 'declined');
  };
  const request = createStepUp({ fetch: server.fetch, render }).fetch('/x');
  const isHeld = () => server.sent.filter(({ headers }) => headers.has('prefer')).length;
  await until(() => isHeld() === 1);
  await settled();
  server.change('f1', { match: '47' });
  await until(() => isHeld() === 2);
  // To a user, this is none.
  server.change('f1', { state: 'polling' });
  await settled();
  assert.deepEqual(told, ['47']);
  server.change('f1', { state: 'expired', over: 'declined' });
  await until(() => told.length === 2 || server.sent.length > 9);
  assert.equal((await request).status, 401);
  assert.deepEqual(told, ['47', 'declined']);

  guarded(server, 'f2');
  server.flows.delete('f2');
  let error;
  const failing = createStepUp({
    fetch: server.fetch,
    render: (step) => step.changed().catch((thrown) => ((error = thrown), Promise.reject(undefined))),
  });
  assert.equal((await failing.fetch('/x')).status, 401);
  assert.deepEqual([error.name, error.status], ['StepUpError', 404]);
});

test('whoever waits for news is told that nobody waits for the proof any more', async () => {
  const server = new Server();
  guarded(server);
  const controller = new AbortController();
  let ended;
  const render = (step) => {
    const news = step.changed();
    ended = news.catch((error) => error);
    return news;
  };
  const request = createStepUp({ fetch: server.fetch, render }).fetch('/x', { signal: controller.signal });
  await until(() => ended);
  controller.abort();
  await assert.rejects(request);
  assert.equal((await ended).name, 'AbortError');
});

test('a failing network is asked less and less often', async (t) => {
  const server = new Server();
  guarded(server);
  t.mock.timers.enable({ apis: ['setTimeout', 'Date'] });
  let [failures, isDown] = [0, true];
  const send = async (input, init) => {
    if (input === '/x' || !isDown) return server.fetch(input, init);
    failures += 1;
    throw new TypeError('Failed to fetch');
  };
  const render = (step) => step.changed();
  const request = createStepUp({ fetch: send, render }).fetch('/x');
  await until(() => failures === 2);
  for (const [seconds, expected] of [[1, 3], [2, 4], [4, 5], [8, 6], [8, 7]]) {
    t.mock.timers.tick(1000 * seconds - 1);
    await settled();
    assert.equal(failures, expected - 1);
    t.mock.timers.tick(1);
    await until(() => failures === expected);
  }
  await settled();
  server.change('f1', { state: 'authenticated' });
  isDown = false;
  t.mock.timers.tick(8000);
  assert.equal((await request).status, 201);
});

test('a server that holds no question is not asked in a hot loop', async (t) => {
  const server = new Server();
  guarded(server);
  t.mock.timers.enable({ apis: ['setTimeout', 'Date'] });
  let questions = 0;
  const send = (input, init) => {
    const { prefer, ...headers } = init?.headers ?? {};
    if (prefer) questions += 1;
    return server.fetch(input, { ...init, headers });
  };
  const request = createStepUp({ fetch: send, render: (step) => step.changed() }).fetch('/x');
  await until(() => questions === 1);
  await settled();
  assert.equal(questions, 1);
  t.mock.timers.tick(2000);
  await until(() => questions === 2);
  server.change('f1', { state: 'authenticated' });
  t.mock.timers.tick(2000);
  assert.equal((await request).status, 201);
});

test('prove is for any transport', async () => {
  const server = new Server();
  const flow = guarded(server);
  const { steps, render } = renderer();
  const own = createStepUp({ fetch: server.fetch, render });
  const body = await refusal(flow).json();
  const url = 'https://bank.example/x';
  assert.equal(await own.prove(body, { url, headers: { 'x-own': '1' } }), true);
  assert.equal(server.to('/step-up/flows/f1/pin')[0].headers.get('x-own'), '1');
  assert.equal(steps.length, 1);
  assert.equal(await own.prove({ type: 'about:blank' }, { url }), false);
  assert.equal(await own.prove(null, { url }), false);
  assert.equal(await own.prove(undefined), false);
  assert.equal(await own.prove(await refusal(flow, { reason: 'loop' }).json(), { url }), false);
  await assert.rejects(own.prove(body, { url, signal: AbortSignal.abort() }), { name: 'AbortError' });
  const refusing = createStepUp({ fetch: server.fetch, render: () => Promise.reject(undefined) });
  server.change('f1', { state: 'started' });
  assert.equal(await refusing.prove(body, { url }), false);
});

test('a renderer that breaks is told of on the console', async (t) => {
  const warned = t.mock.method(console, 'warn', () => {});
  const server = new Server();
  guarded(server);
  const broken = new RangeError('broken');
  const render = () => {
    throw broken;
  };
  assert.equal((await createStepUp({ fetch: server.fetch, render }).fetch('/x')).status, 401);
  assert.equal(warned.mock.calls[0].arguments[1], broken);
});

test('without a document and a renderer a refusal is handed on', async (t) => {
  const warned = t.mock.method(console, 'warn', () => {});
  const server = new Server();
  guarded(server);
  assert.equal((await createStepUp({ fetch: server.fetch }).fetch('/x')).status, 401);
  assert.match(warned.mock.calls[0].arguments[0], /render/);
});

test('there is one for pages without a bundler', () => {
  assert.equal(globalThis.flexsecure.fetch, stepUpFetch);
  assert.equal(globalThis.flexsecure.prove, prove);
  assert.equal(globalThis.flexsecure.createStepUp, createStepUp);
});

test('it may take the place of fetch itself', async (t) => {
  const own = globalThis.fetch;
  t.after(() => (globalThis.fetch = own));
  const server = new Server();
  guarded(server);
  globalThis.fetch = server.fetch;
  const { render } = renderer();
  globalThis.fetch = createStepUp({ render }).fetch;
  assert.equal((await fetch('/x')).status, 201);
});

function deferred() {
  let resolve;
  const promise = new Promise((then) => (resolve = then));
  return { promise, resolve };
}
