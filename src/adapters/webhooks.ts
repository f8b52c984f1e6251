// Sends signed notices to people outside: Standard Webhooks 1.0 signatures, through the egress guard, one attempt each.
import { signingKeyText } from "../core/guard/signing-key.ts";
import type { Secrets, System } from "../gateway/ports.ts";
import type { Webhooks } from "../gateway/ports/approvals.ts";
import type { Egress } from "./egress.ts";
import { runtimeSystem } from "./system.ts";

/** How long a receiver may take. */
const TIMEOUT_MS = 10_000;
/** The largest notice that is sent. */
const MAX_BODY_BYTES = 256 * 1024;

type Message = Parameters<Webhooks["deliver"]>[0];

/** What kept a notice from being delivered; never the secret, the body or the URL, which may hold a secret itself. */
type Failure =
  | "secret_unreadable"
  | "secret_missing"
  | "secret_malformed"
  | "body_too_large"
  | "blocked"
  | "unreachable"
  | `status_${number}`;

/**
 * Webhooks through `egress`. A 2xx answer is a delivery; redirects are not followed, and nothing is read of the answer.
 * A secret that is missing or no base64 of 16 to 128 bytes delivers nothing. What fails is logged by message id.
 */
export function createWebhooks(
  egress: Egress,
  secrets: Pick<Secrets, "reveal">,
  system: Pick<System, "now"> = runtimeSystem,
): Webhooks {
  return {
    deliver: async (message) => {
      const failure = await send({ egress, secrets, now: system.now() }, message);
      if (failure === undefined) return true;
      console.error(
        JSON.stringify({
          event: "webhook_not_delivered",
          tenant: message.tenant,
          webhook_id: message.id,
          secret: message.secret,
          reason: failure,
        }),
      );
      return false;
    },
  };
}

interface Sending {
  readonly egress: Egress;
  readonly secrets: Pick<Secrets, "reveal">;
  readonly now: number;
}

async function send({ egress, secrets, now }: Sending, message: Message): Promise<Failure | undefined> {
  const body = JSON.stringify(message.body);
  if (new TextEncoder().encode(body).byteLength > MAX_BODY_BYTES) return "body_too_large";
  let secret: string | undefined;
  try {
    secret = await secrets.reveal(message.tenant, message.secret);
  } catch {
    return "secret_unreadable";
  }
  if (secret === undefined) return "secret_missing";
  const key = keyOf(secret);
  if (key === undefined) return "secret_malformed";
  const timestamp = String(Math.floor(now / 1000));
  const headers = new Headers({
    "content-type": "application/json",
    "webhook-id": message.id,
    "webhook-timestamp": timestamp,
    "webhook-signature": `v1,${await signatureOf(key, `${message.id}.${timestamp}.${body}`)}`,
  });
  try {
    const answer = await egress({
      url: message.url,
      method: "POST",
      headers,
      body,
      allowedHosts: message.allowedHosts,
      service: undefined,
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
    if (!answer.sent) return "blocked";
    const { ok, status } = answer.response;
    await answer.response.body?.cancel();
    return ok ? undefined : `status_${status}`;
  } catch {
    return "unreachable";
  }
}

/** The bytes of a signing key; `undefined` for a text that is none. */
function keyOf(secret: string): Uint8Array<ArrayBuffer> | undefined {
  const text = signingKeyText(secret);
  return text === undefined ? undefined : Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
}

async function signatureOf(bytes: Uint8Array<ArrayBuffer>, signed: string): Promise<string> {
  const key = await crypto.subtle.importKey("raw", bytes, { name: "HMAC", hash: "SHA-256" }, false, ["sign"]);
  const mac = await crypto.subtle.sign("HMAC", key, new TextEncoder().encode(signed));
  return btoa(String.fromCharCode(...new Uint8Array(mac)));
}
