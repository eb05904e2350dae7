import { useEffect, useState } from 'react';

import { stepUpFetch } from 'flexsecure-js';

export function Statements({ fetch = stepUpFetch }) {
  const [shown, setShown] = useState('One moment.');
  useEffect(() => {
    const left = new AbortController();
    const load = async () => {
      const response = await fetch('/statements', { signal: left.signal });
      const answer = await response.json();
      setShown(response.ok ? answer.statements.map(({ month }) => month).join(', ') : answer.detail);
    };
    load().catch((error) => left.signal.aborted || setShown(error.message));
    // Whoever leaves does not want to prove anything any more.
    return () => left.abort();
  }, [fetch]);
  return <p id="statements">{shown}</p>;
}

export function Transfer({ fetch = stepUpFetch }) {
  const [shown, setShown] = useState('');
  async function send(event) {
    event.preventDefault();
    const body = JSON.stringify(Object.fromEntries(new FormData(event.currentTarget)));
    const headers = { 'content-type': 'application/json' };
    const response = await fetch('/transfers', { method: 'POST', headers, body });
    const answer = await response.json();
    setShown(response.ok ? `Sent ${answer.amount} to ${answer.to}.` : answer.detail);
  }
  return (
    <form onSubmit={(event) => send(event).catch((error) => setShown(error.message))}>
      <label>
        To <input name="to" defaultValue="bob" required />
      </label>{' '}
      <label>
        EUR <input name="amount" defaultValue="250" inputMode="decimal" required />
      </label>{' '}
      <button id="send">Send</button>
      <p id="sent" role="status">
        {shown}
      </p>
    </form>
  );
}

export function Bank({ fetch }) {
  const [isOpen, setIsOpen] = useState(false);
  return (
    <main>
      <h1>Bank</h1>
      <button id="show" onClick={() => setIsOpen(!isOpen)}>
        {isOpen ? 'Hide statements' : 'Show statements'}
      </button>
      {isOpen && <Statements fetch={fetch} />}
      <Transfer fetch={fetch} />
    </main>
  );
}
