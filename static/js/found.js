// What the server knows of a workflow's names, for fields that complete and for the palette.

// Tickets or agents of a workflow that fit what was typed; none where the server does not answer.
export async function found(workflow, kind, text) {
  try {
    const answer = await fetch(`/tickets/names?${new URLSearchParams({ workflow, kind, q: text })}`, { headers: { Accept: "application/json" } });
    return answer.ok ? (await answer.json()).found : [];
  } catch {
    return [];
  }
}

const known = new Map();

// What a ticket of the workflow may be, who there is, the saved views. Asked for once a minute at most.
export function choices(workflow) {
  const kept = known.get(workflow);
  if (kept && Date.now() - kept.at < 60_000) return kept.answer;
  const answer = fetch(`/tickets/choices?${new URLSearchParams({ workflow })}`, { headers: { Accept: "application/json" } }).then((got) => {
    if (!got.ok) throw Object.assign(new Error(`${got.status}`), { status: got.status });
    return got.json();
  });
  known.set(workflow, { at: Date.now(), answer });
  answer.catch(() => known.delete(workflow));
  return answer;
}
