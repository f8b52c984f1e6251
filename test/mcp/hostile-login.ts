// Decides whom the hostile upstream lets in: nobody without its bearer token, or a token of its own token endpoint.
import { randomUUID } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";

/** A token that is known, or one that client credentials are exchanged for. */
export type Demand =
  | { readonly kind: "bearer"; readonly token: string }
  | { readonly kind: "oauth"; readonly clientId: string; readonly clientSecret: string };

/** What the token endpoint has issued: the tokens that are good now, and all there ever were. */
export interface Issued {
  readonly tokens: Set<string>;
  readonly all: string[];
}

/** One request at the door. */
export interface Visit {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly text: string;
  readonly path: string;
  readonly origin: string;
}

/** Answers a request about logging in, or of somebody who may not enter; whether it did. */
export function authorize(visit: Visit, demand: Demand | null, issued: Issued): boolean {
  if (demand === null) return false;
  const { request, response, path, origin } = visit;
  if (path === "/token") {
    issue(visit, demand, issued);
    return true;
  }
  if (path.startsWith("/.well-known/")) {
    tellOf(visit);
    return true;
  }
  const token = request.headers.authorization?.replace(/^Bearer /i, "") ?? "";
  if (demand.kind === "bearer" ? token === demand.token : issued.tokens.has(token)) return false;
  const metadata = `${origin}/.well-known/oauth-protected-resource/mcp`;
  const challenge = `Bearer error="invalid_token", resource_metadata="${metadata}"`;
  response.writeHead(401, { "www-authenticate": challenge, "content-type": "application/json" });
  response.end(JSON.stringify({ error: "invalid_token" }));
  return true;
}

/** RFC 9728 and RFC 8414. */
function tellOf({ response, path, origin }: Visit): void {
  const document = path.startsWith("/.well-known/oauth-protected-resource")
    ? { resource: `${origin}/mcp`, authorization_servers: [origin] }
    : {
        issuer: origin,
        authorization_endpoint: `${origin}/authorize`,
        token_endpoint: `${origin}/token`,
        response_types_supported: ["code"],
        grant_types_supported: ["client_credentials"],
        token_endpoint_auth_methods_supported: ["client_secret_basic", "client_secret_post"],
      };
  response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(document));
}

/** RFC 6749, 4.4; the client proves itself in the header or in the form. */
function issue({ request, response, text }: Visit, demand: Demand, issued: Issued): void {
  const form = new URLSearchParams(text);
  const basic = /^Basic (.+)$/i.exec(request.headers.authorization ?? "")?.[1];
  const [id = "", secret = ""] =
    basic === undefined
      ? [form.get("client_id") ?? "", form.get("client_secret") ?? ""]
      : Buffer.from(basic, "base64").toString().split(":").map(decodeURIComponent);
  const isKnown = demand.kind === "oauth" && id === demand.clientId && secret === demand.clientSecret;
  const isAsked = form.get("grant_type") === "client_credentials";
  const json = { "content-type": "application/json", "cache-control": "no-store" };
  if (!isKnown || !isAsked) {
    const error = isKnown ? "unsupported_grant_type" : "invalid_client";
    response.writeHead(isKnown ? 400 : 401, json).end(JSON.stringify({ error }));
    return;
  }
  const access_token = randomUUID();
  issued.tokens.add(access_token);
  issued.all.push(access_token);
  response.writeHead(200, json).end(JSON.stringify({ access_token, token_type: "Bearer", expires_in: 3_600 }));
}
