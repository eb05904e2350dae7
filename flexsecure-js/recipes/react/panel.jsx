import { useEffect, useState, useSyncExternalStore } from 'react';

import { createStepUp } from 'flexsecure-js';

// What there is to prove, if anything: it comes from a fetch, and not from a component.
let asked = null;
const listeners = new Set();

function ask(next) {
  asked = next;
  for (const listener of listeners) listener();
}

function subscribe(listener) {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

/** A `fetch` for the whole app; what it asks for is shown wherever `StepUpPanel` is. */
export const { fetch: fetchWithPanel } = createStepUp({
  render: (step) =>
    new Promise((done, giveUp) => {
      step.signal.addEventListener('abort', giveUp);
      ask({ step, done, giveUp });
    }).finally(() => ask(null)),
});

const isOver = ({ state }) => state === 'authenticated' || state === 'expired';

export function StepUpPanel() {
  const now = useSyncExternalStore(subscribe, () => asked);
  return now && <Panel key={now.step.flow.id} {...now} />;
}

function Panel({ step, done, giveUp }) {
  const [flow, setFlow] = useState(step.flow);
  const [problem, setProblem] = useState('');

  useEffect(() => {
    let isHere = true;
    const follow = async () => {
      while (isHere && !isOver(step.flow)) setFlow(await step.changed());
    };
    follow().catch(giveUp);
    return () => (isHere = false);
  }, [step, giveUp]);

  useEffect(() => {
    if (flow.state === 'authenticated') done();
  }, [flow, done]);

  const act = async (action) => {
    setProblem('');
    await action().catch((error) => setProblem(error.message));
    setFlow(step.flow);
  };
  const submit = (event) => {
    event.preventDefault();
    const pin = new FormData(event.currentTarget).get('pin');
    act(() => step.submitPin(pin));
  };

  return (
    <dialog id="panel" ref={(dialog) => dialog?.open === false && dialog.showModal()} onClose={giveUp}>
      <h2>{step.refusal.operation ?? 'Is it you?'}</h2>
      <p id="panel-problem" role="alert">
        {problem}
      </p>
      {flow.over && <p id="panel-over">It came to nothing: {flow.over}.</p>}
      {flow.match && <p>Open the link that was sent to you, and type {flow.match} there.</p>}
      {flow.method === 'pin' && !flow.over && (
        <form onSubmit={submit}>
          <label>
            PIN <input name="pin" inputMode="numeric" autoComplete="one-time-code" autoFocus required />
          </label>{' '}
          <button>Confirm</button> <span>{flow.attempts_left} attempts left</span>
        </form>
      )}
      {!flow.over && <button onClick={() => act(step.resend)}>Send a message</button>}
      {!flow.over && <button onClick={() => act(step.cancel)}>It was not me</button>}
      <button onClick={giveUp}>Close</button>
    </dialog>
  );
}
