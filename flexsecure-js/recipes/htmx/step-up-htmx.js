const REPEAT = 'step-up:repeat';

document.addEventListener('htmx:beforeOnLoad', async (event) => {
  const { elt, xhr, target, requestConfig } = event.detail;
  const { verb, path, formData, headers, triggeringEvent } = requestConfig;
  if (xhr.status !== 401 || triggeringEvent?.type === REPEAT) return;
  const problem = problemIn(xhr);
  if (!problem?.flow) return;
  // Neither swapped in nor told as an error until it is known what comes of it.
  event.preventDefault();
  if (await flexsecure.prove(problem, { url: xhr.responseURL })) {
    const repeat = new CustomEvent(REPEAT);
    htmx.ajax(verb, path, { source: elt, target, values: formData, headers, event: repeat });
  } else {
    htmx.trigger(elt, 'htmx:responseError', event.detail);
  }
});

// Whoever has said yes to `hx-confirm` need not say it again.
document.addEventListener('htmx:confirm', (event) => {
  const { triggeringEvent, issueRequest } = event.detail;
  if (triggeringEvent?.type !== REPEAT) return;
  event.preventDefault();
  issueRequest(true);
});

function problemIn(xhr) {
  try {
    return JSON.parse(xhr.responseText);
  } catch {
    return undefined;
  }
}
