// Makes every outgoing network request: allow-listed hosts only, no private or literal addresses, redirects never followed.
import { isHostAllowed } from "../core/config/check.ts";

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
  return allowPrivate || !isPrivateName(name) ? undefined : `host "${url.host}" is an address or a private name`;
}

const PRIVATE_SUFFIXES = ["localhost", "local", "internal", "home.arpa", "lan", "intranet", "corp", "workers.dev"];

/** Whether a host is an IP literal (any family) or a name that only resolves inside a network. */
function isPrivateName(name: string): boolean {
  const isLiteral = name.startsWith("[") || /^\d{1,3}(\.\d{1,3}){3}$/.test(name);
  return (
    isLiteral ||
    !name.includes(".") ||
    PRIVATE_SUFFIXES.some((suffix) => name === suffix || name.endsWith(`.${suffix}`))
  );
}
