// Makes every outgoing network request: allow-listed hosts only, no private addresses, redirects checked like the first address.
import { isHostAllowed } from "../core/config/check.ts";
import { isPrivateHost } from "../core/guard/address.ts";

/** One outgoing request. `service` sends it through a binding instead of the network. */
export interface EgressRequest {
  readonly url: string;
  readonly method: string;
  readonly headers: Headers;
  readonly body: string | Uint8Array<ArrayBuffer> | null;
  readonly allowedHosts: readonly string[];
  readonly service: string | undefined;
  readonly signal: AbortSignal;
  /** Follows up to three redirects, for GET and HEAD; left out, a redirect is the answer. */
  readonly follow?: boolean;
}

/** The answer, or the reason nothing was sent. Network failures throw, as fetch does. */
export type EgressAnswer =
  | { readonly sent: true; readonly response: Response }
  | { readonly sent: false; readonly reason: string };

/** A service binding. */
export interface Service {
  fetch(request: Request): Promise<Response>;
}

/** The one door to the outside. */
export type Egress = (request: EgressRequest) => Promise<EgressAnswer>;

/** What the deployment allows. */
export interface EgressSettings {
  readonly allowPrivate: boolean;
  readonly services: ReadonlyMap<string, Service>;
}

/** URLs remembered per allow-list: templated tool URLs would fill memory otherwise. */
const MAX_VERDICTS = 256;
const MAX_REDIRECTS = 3;
const REDIRECTS = new Set([301, 302, 303, 307, 308]);

/** An egress bound to the deployment's services and rules. */
export function createEgress(settings: EgressSettings): Egress {
  const verdicts = new Verdicts(settings.allowPrivate);
  return async (request) => {
    let hop: Hop = { url: request.url, headers: request.headers, origin: originOf(request.url) };
    for (let redirects = 0; ; redirects += 1) {
      const answer = await sendHop(settings, verdicts, request, hop);
      const location = answer.sent && mayFollow(request) ? redirectOf(answer.response) : undefined;
      if (!answer.sent || location === undefined) return answer;
      await answer.response.body?.cancel();
      if (redirects === MAX_REDIRECTS) return { sent: false, reason: `more than ${MAX_REDIRECTS} redirects` };
      if (!URL.canParse(location, hop.url)) return { sent: false, reason: "a redirect to what is no address" };
      hop = redirected(hop, new URL(location, hop.url));
    }
  };
}

/** One of the addresses of a request, and what goes there. */
interface Hop {
  readonly url: string;
  readonly headers: Headers;
  /** Where the request began. */
  readonly origin: string;
}

async function sendHop(
  settings: EgressSettings,
  verdicts: Verdicts,
  request: EgressRequest,
  { url, headers, origin }: Hop,
): Promise<EgressAnswer> {
  const { method, body, signal } = request;
  const init: RequestInit = { method, headers, body, redirect: "manual", signal };
  // A binding is one upstream: what it redirects elsewhere goes over the network, if it may.
  if (request.service !== undefined && originOf(url) === origin) {
    const service = settings.services.get(request.service);
    if (service === undefined) return { sent: false, reason: `no service binding "${request.service}"` };
    return { sent: true, response: await service.fetch(new Request(url, init)) };
  }
  const reason = verdicts.of(url, request.allowedHosts);
  return reason === undefined ? { sent: true, response: await fetch(url, init) } : { sent: false, reason };
}

function mayFollow({ follow, method }: EgressRequest): boolean {
  return follow === true && (method === "GET" || method === "HEAD");
}

function redirectOf({ status, headers }: Response): string | undefined {
  return REDIRECTS.has(status) ? (headers.get("location") ?? undefined) : undefined;
}

/** The next hop: to another origin goes nothing but what is acceptable, and it never comes back. */
function redirected({ headers, origin }: Hop, to: URL): Hop {
  // The fragment is not sent, and would only make verdicts differ.
  to.hash = "";
  if (to.origin === origin) return { url: to.href, headers, origin };
  return { url: to.href, headers: new Headers({ accept: headers.get("accept") ?? "*/*" }), origin };
}

function originOf(url: string): string {
  return URL.canParse(url) ? new URL(url).origin : "";
}

/** Verdicts remembered per allow-list, which is as old as its config version; a verdict depends on nothing else. */
class Verdicts {
  readonly #byList = new WeakMap<readonly string[], Map<string, string | undefined>>();
  readonly #allowPrivate: boolean;

  constructor(allowPrivate: boolean) {
    this.#allowPrivate = allowPrivate;
  }

  of(url: string, allowedHosts: readonly string[]): string | undefined {
    let known = this.#byList.get(allowedHosts);
    if (known === undefined || known.size >= MAX_VERDICTS) this.#byList.set(allowedHosts, (known = new Map()));
    if (!known.has(url)) known.set(url, whyBlocked(url, allowedHosts, this.#allowPrivate));
    return known.get(url);
  }
}

/** Why a URL may not be fetched, or `undefined` when it may. The URL parser has already resolved encoded addresses. */
export function whyBlocked(text: string, allowedHosts: readonly string[], allowPrivate: boolean): string | undefined {
  if (!URL.canParse(text)) return "the target is not an absolute URL";
  const url = new URL(text);
  if (url.protocol !== "https:" && !(allowPrivate && url.protocol === "http:")) return "the target is not https";
  if (url.username !== "" || url.password !== "") return "the target carries credentials in its URL";
  const name = url.hostname.replace(/\.$/, "").toLowerCase();
  if (!isHostAllowed(allowedHosts, url.host, name)) return `host "${url.host}" is not in egress.allow`;
  return allowPrivate || !isPrivateHost(name) ? undefined : `host "${url.host}" is private`;
}
