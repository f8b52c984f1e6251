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

/** An egress bound to the deployment's services and rules. */
export function createEgress(settings: EgressSettings): Egress {
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
    const reason = whyBlocked(request.url, request.allowedHosts, settings.allowPrivate);
    return reason === undefined ? { sent: true, response: await fetch(request.url, init) } : { sent: false, reason };
  };
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
