// Makes every outgoing network request: allow-listed hosts only, no private addresses, redirects never followed.
import { isHostAllowed } from "../core/config/check.ts";
import { isPrivateHost } from "../core/guard/address.ts";

/** One outgoing request. `service` sends it through a binding instead of the network. */
export interface EgressRequest {
  readonly url: string;
  readonly method: string;
  readonly headers: Headers;
  readonly body: string | null;
  readonly allowedHosts: readonly string[];
  readonly service: string | undefined;
  readonly signal: AbortSignal;
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

/** An egress bound to the deployment's services and rules. */
export function createEgress(settings: EgressSettings): Egress {
  const verdicts = new Verdicts(settings.allowPrivate);
  return async (request) => {
    const init: RequestInit = {
      method: request.method,
      headers: request.headers,
      body: request.body,
      redirect: "manual",
      signal: request.signal,
    };
    if (request.service !== undefined) {
      const service = settings.services.get(request.service);
      if (service === undefined) return { sent: false, reason: `no service binding "${request.service}"` };
      return { sent: true, response: await service.fetch(new Request(request.url, init)) };
    }
    const reason = verdicts.of(request.url, request.allowedHosts);
    return reason === undefined ? { sent: true, response: await fetch(request.url, init) } : { sent: false, reason };
  };
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
