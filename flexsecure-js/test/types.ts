// Compiled, never run: what an app may write, and what it may not.
import { createStepUp, prove, stepUpFetch, StepUpError } from 'flexsecure-js';
import type { Flow, Step, StepUpOptions } from 'flexsecure-js';

// It goes wherever a `fetch` goes.
const inPlaceOfFetch: typeof fetch = stepUpFetch;
globalThis.fetch = createStepUp().fetch;

export async function requests(signal: AbortSignal, stream: () => ReadableStream): Promise<unknown> {
  const response: Response = await stepUpFetch('/transfers', { method: 'POST', body: 'to=bob', signal });
  await stepUpFetch(new URL('https://bank.example/'), { body: stream, method: 'PUT' });
  await stepUpFetch(new Request('/x'), { body: async () => new FormData() });
  // @ts-expect-error a body is made by a function without parameters
  await stepUpFetch('/x', { body: (attempt: number) => `${attempt}` });
  // @ts-expect-error and not of a number
  await stepUpFetch('/x', { body: () => 7 });
  const proved: boolean = await prove(await response.json(), { url: response.url, signal });
  return proved && inPlaceOfFetch('/x');
}

export const options: StepUpOptions = {
  fetch: (input, init) => fetch(input, init),
  origins: ['https://api.example'],
  async render(step: Step) {
    const { refusal, signal } = step;
    signal.addEventListener('abort', () => console.log(refusal.operation?.length));
    try {
      const flow: Flow = await step.submitPin('1234 5678');
      if (flow.state === 'authenticated') return;
    } catch (error) {
      if (!(error instanceof StepUpError)) throw error;
      const after: number | undefined = error.retryAfter;
      console.log(error.status, error.problem?.detail, after, error.problem?.flow?.attempts_left);
    }
    await step.resend();
    for (let flow = step.flow; flow.over === undefined; flow = await step.changed()) {
      // @ts-expect-error there is no such state
      if (flow.state === 'done') break;
    }
    await step.cancel();
    // @ts-expect-error what was heard is not the renderer's to change
    step.flow = {};
  },
};

createStepUp(options).prove(null).then((proved) => proved satisfies boolean);
createStepUp({ render: () => undefined });
// @ts-expect-error not an option
createStepUp({ retries: 2 });
globalThis.flexsecure.fetch('/x').then((response) => response.status);
