/** A `fetch` that sees to the proof where a request is refused for want of one. */
export interface StepUp {
  /**
   * Like the global `fetch`. If the answer asks for a step-up, the proof is shown, and once it is
   * given the request is repeated: once at the most, whatever the second answer is.
   *
   * Any other answer is returned as it is. So is the refusal, its body unread, if the user gives up
   * or the flow ends otherwise.
   *
   * Rejects as `fetch` does; as soon as the signal is aborted, with its reason; and with a
   * `TypeError`, before anything is sent, if the body is a stream that could not be sent again.
   */
  fetch(input: RequestInfo | URL, init?: StepUpRequestInit): Promise<Response>;

  /**
   * The proof alone, for any other transport: pass it the body of a 401, and repeat the request if
   * it resolves with `true`.
   *
   * `false` if the user gave up, if the flow ended otherwise, or if there is nothing to prove.
   */
  prove(problem: unknown, options?: ProveOptions): Promise<boolean>;
}

export interface StepUpRequestInit extends Omit<RequestInit, 'body'> {
  /** A function makes the body anew for each attempt, which is how a stream is sent. */
  body?: BodyInit | null | (() => BodyInit | null | Promise<BodyInit | null>);
}

export interface ProveOptions {
  /** The address that refused, by default the document's: the flow's own is relative to it. */
  url?: string | URL;
  /** Gives up when aborted, and rejects with the signal's reason. The flow goes on. */
  signal?: AbortSignal;
  /** How the flow is called, by default `"same-origin"`. */
  credentials?: RequestCredentials;
  /** What each call of the flow says as well, such as `authorization`. */
  headers?: Record<string, string>;
}

export interface StepUpOptions {
  /** What sends the requests and the calls of the flow, by default the global `fetch`. */
  fetch?: typeof fetch;
  /**
   * Shows a flow in place of the dialog. One flow is shown at a time, however many requests wait.
   *
   * Resolves when it is done: the requests are repeated if the flow is authenticated then. Rejects
   * to give up; with an `Error` other than an `AbortError` it is also told on the console.
   */
  render?: (step: Step) => Promise<unknown> | unknown;
  /** The origins besides the page's own whose refusals are believed, such as that of an API. */
  origins?: readonly string[];
}

/** What a renderer has to show, and what the user can do. */
export interface Step {
  /** The refusal that began it. */
  readonly refusal: Refusal;
  /** The flow as it was last heard of. */
  readonly flow: Flow;
  /** Aborted when nobody waits for the proof any more: take down what is shown. */
  readonly signal: AbortSignal;
  /**
   * Tries a PIN, spelt in any way. Resolves with the flow, `authenticated` if it was the right one.
   *
   * Rejects with a {@link StepUpError}: status 403 for a wrong one, 400 for one that is none, which
   * costs no attempt.
   */
  submitPin(pin: string): Promise<Flow>;
  /**
   * Sends a message, or another one. Rejects with a {@link StepUpError} of status 429 and a
   * `retryAfter` if that is too soon.
   */
  resend(): Promise<Flow>;
  /** Ends the flow. */
  cancel(): Promise<Flow>;
  /**
   * Resolves with the flow as soon as there is news that the renderer has not been told by any of
   * these, and at once if the flow is over.
   *
   * Rejects with the reason of `signal`, and with a {@link StepUpError} if the flow is not there any
   * more. What the network does is seen to.
   */
  changed(): Promise<Flow>;
}

/** The body of a 401 that asks for a step-up (RFC 9457). */
export interface Refusal {
  type: 'urn:flexsecure:problem:step-up-required';
  title: string;
  status: 401;
  /** What to do about it, in English. */
  detail: string;
  /** Why what the session holds does not do: `missing`, `stale`, `spent` and others. */
  reason: string;
  system: string;
  /** How old a proof may be, in seconds. */
  max_age?: number;
  /** What the user is asked to approve. */
  operation?: string;
  flow: Flow;
}

/** A flow as the server describes it. What does not apply is absent. */
export interface Flow {
  id: string;
  url: string;
  state: 'idle' | 'started' | 'polling' | 'authenticated' | 'expired';
  /** Absent while it is not known. */
  method?: 'pin' | 'passwordless';
  /** The two digits that the user types where they approve. */
  match?: string;
  /** In seconds. */
  expires_in?: number;
  /** In seconds. */
  interval?: number;
  attempts_left?: number;
  /** Why it has ended, if it is `expired`. */
  over?: 'timeout' | 'attempts' | 'refused' | 'declined' | 'cancelled';
}

/** A flow endpoint did not do as it was asked. */
export class StepUpError extends Error {
  readonly name: 'StepUpError';
  readonly status: number;
  /** What it said (RFC 9457), if it was that. */
  readonly problem: Problem | null | undefined;
  /** After how many seconds it may be asked again. */
  readonly retryAfter: number | undefined;
}

export interface Problem {
  type: string;
  title: string;
  status: number;
  detail?: string;
  attempts_left?: number;
  flow?: Flow;
}

/** Makes a wrapper with options of its own. All of them share one dialog. */
export function createStepUp(options?: StepUpOptions): StepUp;

/** {@link StepUp.fetch} with a dialog, over the `fetch` that was there when this was loaded. */
export const stepUpFetch: StepUp['fetch'];

/** {@link StepUp.prove} with a dialog. */
export const prove: StepUp['prove'];

declare global {
  /** The same for pages without a bundler. */
  // A `var`, as only that becomes a property of `globalThis`.
  var flexsecure: {
    readonly createStepUp: typeof createStepUp;
    readonly fetch: typeof stepUpFetch;
    readonly stepUpFetch: typeof stepUpFetch;
    readonly prove: typeof prove;
    readonly StepUpError: typeof StepUpError;
  };
}
