// Decides which of a provider's headers its caller may see.

/** Headers that tell of the tenant's own account, or that are the gateway's word alone. */
const OWN = /^(?:interlock-|openai-organization$|openai-project$)/;

/** A provider's headers without what is not the caller's to see. */
export function passedBack(given: Headers): Headers {
  const headers = new Headers();
  for (const [name, value] of given) if (!OWN.test(name)) headers.append(name, value);
  return headers;
}
