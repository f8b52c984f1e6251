// Touches issuers' metadata and key sets (OpenID Connect Discovery, RFC 8414, RFC 7517): kept in the isolate, asked again for a key that is not there.
import type { JWK } from "jose";
import * as z from "zod/mini";
import type { System } from "../../gateway/ports.ts";
import { readBounded } from "../bounded-body.ts";
import type { Egress } from "../egress.ts";

/** Whose keys are meant, and where egress may go. */
export interface KeyOrder {
  readonly tenant: string;
  readonly issuer: string;
  readonly jwksUrl: string | undefined;
  readonly allowedHosts: readonly string[];
}

/** The keys of an issuer, or why there are none; no reason repeats what the issuer said. */
export type IssuerKeysAnswer =
  | { readonly ok: true; readonly keys: readonly JWK[] }
  | { readonly ok: false; readonly reason: string };

interface Kept {
  readonly keys: readonly JWK[];
  readonly at: number;
}

/** Keys are used so long without a question, and so long while the issuer does not answer. */
const FRESH_MS = 600_000;
const STALE_MS = 3_600_000;
/** An issuer is asked for a key that it did not have, or asked again after it failed, no sooner than this. */
const AGAIN_MS = { unknownKey: 30_000, failed: 5_000 };
/** Metadata and key set together. */
const TIMEOUT_MS = 5_000;
const LOOK_MS = 20;
const NO_ANSWER = "no answer in time";
const MAX_ISSUERS = 256;
const MAX_KEYS = 100;
const MAX_BYTES = 256 * 1024;

const Metadata = z.object({ issuer: z.string(), jwks_uri: z.string().check(z.maxLength(2048)) });
const text = z.optional(z.string().check(z.maxLength(4096)));
/** What a signature is checked with. Certificates, private members and everything else are left out. */
const Key = z.object({
  kty: z.enum(["RSA", "EC", "OKP"]),
  kid: text,
  alg: text,
  use: text,
  key_ops: z.optional(z.array(z.string())),
  crv: text,
  x: text,
  y: text,
  n: text,
  e: text,
});
const KeySet = z.object({ keys: z.array(z.unknown()) });

/** The issuers' keys of an isolate. A tenant's keys are its own, whoever else names the same issuer. */
export class IssuerKeys {
  readonly #egress: Egress;
  readonly #system: Pick<System, "now" | "wait">;
  readonly #kept = new Map<string, Kept>();
  /** When an issuer was last asked, and what went wrong if something did. */
  readonly #asked = new Map<string, { readonly at: number; readonly failure: string | undefined }>();
  /** When the question under way began. A promise would not outlive the request that made it. */
  readonly #asking = new Map<string, number>();

  constructor(egress: Egress, system: Pick<System, "now" | "wait">) {
    this.#egress = egress;
    this.#system = system;
  }

  /** The issuer's keys; asked for anew when none of those that are known `suits`, if it is not too soon. */
  async find(order: KeyOrder, suits: (key: JWK) => boolean): Promise<IssuerKeysAnswer> {
    const at = JSON.stringify([order.tenant, order.issuer, order.jwksUrl ?? null]);
    const began = this.#system.now();
    for (;;) {
      const now = this.#system.now();
      const answer = this.#known(at, suits, now);
      if (answer !== undefined) return answer;
      const since = this.#asking.get(at);
      if (since === undefined || now - since > TIMEOUT_MS) return this.#ask(at, order);
      if (now - began > TIMEOUT_MS) return { ok: false, reason: NO_ANSWER };
      await this.#system.wait(LOOK_MS);
    }
  }

  /** What needs no question; `undefined` where the issuer is to be asked. */
  #known(at: string, suits: (key: JWK) => boolean, now: number): IssuerKeysAnswer | undefined {
    const kept = this.#kept.get(at);
    const asked = this.#asked.get(at);
    if (kept === undefined || now - kept.at >= STALE_MS) {
      const hasFailed = asked !== undefined && now - asked.at < AGAIN_MS.failed;
      return hasFailed ? { ok: false, reason: asked.failure ?? "it has none" } : undefined;
    }
    const answer: IssuerKeysAnswer = { ok: true, keys: kept.keys };
    const hasSuiting = kept.keys.some(suits);
    if (hasSuiting && (now - kept.at < FRESH_MS || this.#isAsking(at, now))) return answer;
    const again = hasSuiting ? AGAIN_MS.failed : AGAIN_MS.unknownKey;
    return asked !== undefined && now - asked.at < again ? answer : undefined;
  }

  #isAsking(at: string, now: number): boolean {
    const since = this.#asking.get(at);
    return since !== undefined && now - since <= TIMEOUT_MS;
  }

  async #ask(at: string, order: KeyOrder): Promise<IssuerKeysAnswer> {
    const began = this.#system.now();
    this.#asking.set(at, began);
    try {
      const answer = await fetchKeys(this.#egress, order);
      const now = this.#system.now();
      this.#remember(this.#asked, at, { at: now, failure: answer.ok ? undefined : answer.reason });
      if (answer.ok) {
        this.#remember(this.#kept, at, { keys: answer.keys, at: now });
        return answer;
      }
      const kept = this.#kept.get(at);
      return kept !== undefined && now - kept.at < STALE_MS ? { ok: true, keys: kept.keys } : answer;
    } finally {
      if (this.#asking.get(at) === began) this.#asking.delete(at);
    }
  }

  /** The least recently asked leaves first. */
  #remember<T>(map: Map<string, T>, at: string, value: T): void {
    map.delete(at);
    map.set(at, value);
    for (const oldest of map.keys()) {
      if (map.size <= MAX_ISSUERS) break;
      map.delete(oldest);
    }
  }
}

async function fetchKeys(egress: Egress, order: KeyOrder): Promise<IssuerKeysAnswer> {
  const signal = AbortSignal.timeout(TIMEOUT_MS);
  try {
    const url =
      order.jwksUrl === undefined ? await discover(egress, order, signal) : { ok: true as const, at: order.jwksUrl };
    if (!url.ok) return url;
    const found = await getJson(egress, url.at, order.allowedHosts, signal);
    if (!found.ok) return { ok: false, reason: `its key set: ${found.reason}` };
    const set = KeySet.safeParse(found.json);
    if (!set.success) return { ok: false, reason: "its key set is no JSON Web Key Set" };
    return { ok: true, keys: set.data.keys.slice(0, MAX_KEYS).flatMap(publicKeyOf) };
  } catch {
    return { ok: false, reason: signal.aborted ? NO_ANSWER : "it could not be reached" };
  }
}

/** A public key that may check signatures; keys with a private half are not for anybody's eyes, and not used. */
function publicKeyOf(candidate: unknown): readonly JWK[] {
  const parsed = Key.safeParse(candidate);
  if (!parsed.success || Object.hasOwn(candidate as object, "d")) return [];
  const { kty, ...members } = parsed.data;
  if (members.use !== undefined && members.use !== "sig") return [];
  const said = Object.entries(members).filter(([, value]) => value !== undefined);
  return [{ kty, ...Object.fromEntries(said) }];
}

/** Where an issuer's keys are, by its own metadata, which must be about exactly this issuer. */
async function discover(
  egress: Egress,
  { issuer, allowedHosts }: KeyOrder,
  signal: AbortSignal,
): Promise<{ readonly ok: true; readonly at: string } | { readonly ok: false; readonly reason: string }> {
  let reason = "it has no metadata";
  for (const url of metadataUrls(issuer)) {
    const found = await getJson(egress, url, allowedHosts, signal);
    const metadata = found.ok ? Metadata.safeParse(found.json) : undefined;
    // RFC 8414 s3.3: metadata of another issuer is not this one's.
    if (metadata?.success === true && metadata.data.issuer === issuer) return { ok: true, at: metadata.data.jwks_uri };
    if (!found.ok) reason = `its metadata: ${found.reason}`;
    else reason = metadata?.success === true ? "its metadata names another issuer" : "its metadata names no keys";
  }
  return { ok: false, reason };
}

function metadataUrls(issuer: string): readonly string[] {
  const { origin, pathname } = new URL(issuer);
  const path = pathname.replace(/\/$/, "");
  return [
    `${origin}${path}/.well-known/openid-configuration`,
    `${origin}/.well-known/oauth-authorization-server${path}`,
  ];
}

async function getJson(
  egress: Egress,
  url: string,
  allowedHosts: readonly string[],
  signal: AbortSignal,
): Promise<{ readonly ok: true; readonly json: unknown } | { readonly ok: false; readonly reason: string }> {
  const answer = await egress({
    url,
    method: "GET",
    headers: new Headers({ accept: "application/json" }),
    body: null,
    allowedHosts,
    service: undefined,
    signal,
  });
  if (!answer.sent) return { ok: false, reason: answer.reason };
  const { response } = answer;
  const body = await readBounded(response, MAX_BYTES);
  if (!response.ok) return { ok: false, reason: `answered ${response.status}` };
  if (body === undefined) return { ok: false, reason: `larger than ${MAX_BYTES} bytes` };
  try {
    return { ok: true, json: JSON.parse(body) as unknown };
  } catch {
    return { ok: false, reason: "no JSON" };
  }
}
