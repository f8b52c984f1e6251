// Touches token endpoints (RFC 6749 s4.4 and s4.5): each token is kept in the isolate until shortly before it ends.
import * as z from "zod/mini";
import type { System } from "../gateway/ports.ts";
import { readBounded } from "./bounded-body.ts";
import type { Egress } from "./egress.ts";

/** Which token is asked for, and how. */
export interface TokenOrder {
  /** What the token is kept under: one name for one tenant, endpoint and credential. */
  readonly name: string;
  readonly url: string;
  readonly allowedHosts: readonly string[];
  readonly signal: AbortSignal;
  /** What the endpoint is sent; a reason where the credential cannot be put into words. Asked only when no token is kept. */
  readonly wording: (nowMs: number) => Promise<TokenWording>;
}

/** What a token endpoint is sent. */
export type TokenWording =
  | { readonly ok: true; readonly form: URLSearchParams; readonly headers?: Readonly<Record<string, string>> }
  | { readonly ok: false; readonly reason: string };

/** A token, or why there is none; no reason repeats what the endpoint said. */
export type TokenAnswer =
  | { readonly ok: true; readonly token: string }
  | { readonly ok: false; readonly reason: string };

interface Kept {
  readonly token: string;
  readonly until: number;
}

const MAX_KEPT = 1_024;
const MAX_ANSWER_BYTES = 64 * 1024;
const ENDPOINT_TIMEOUT_MS = 10_000;
/** Lifetimes: when the endpoint does not say, at most, and how long before the end a token is no longer used. */
const LIFE_MS = { unsaid: 300_000, most: 86_400_000, margin: 60_000 };
/** A refused request for a token is not repeated for so long. */
const REFUSED_MS = 1_000;
const LOOK_MS = 20;

const Answer = z.object({
  access_token: z.string().check(z.regex(/^[\x21-\x7e]{1,8192}$/)),
  token_type: z.optional(z.string()),
  expires_in: z.optional(z.union([z.number(), z.string()])),
});

/** The tokens of an isolate. */
export class AccessTokens {
  readonly #egress: Egress;
  readonly #system: Pick<System, "now">;
  readonly #kept = new Map<string, Kept>();
  readonly #refused = new Map<string, { readonly reason: string; readonly until: number }>();
  /** When the refresh under way began. A promise would not outlive the request that made it. */
  readonly #refreshing = new Map<string, number>();

  constructor(egress: Egress, system: Pick<System, "now">) {
    this.#egress = egress;
    this.#system = system;
  }

  /** The token in use, or a new one. One refresh at a time: others wait for it, and try themselves when it is gone. */
  async of(order: TokenOrder): Promise<TokenAnswer> {
    const at = order.name;
    for (;;) {
      const known = this.#known(at);
      if (known !== undefined) return known;
      if (order.signal.aborted) return { ok: false, reason: "no access token came in time" };
      const since = this.#refreshing.get(at);
      if (since === undefined || this.#system.now() - since > ENDPOINT_TIMEOUT_MS) return this.#refresh(order);
      await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
    }
  }

  /** Forgets a token that was refused, unless another has taken its place. */
  forget({ name: at }: TokenOrder, token: string): void {
    if (this.#kept.get(at)?.token === token) this.#kept.delete(at);
  }

  #known(at: string): TokenAnswer | undefined {
    const now = this.#system.now();
    const kept = this.#kept.get(at);
    if (kept !== undefined && kept.until > now) return { ok: true, token: kept.token };
    const refused = this.#refused.get(at);
    return refused !== undefined && refused.until > now ? { ok: false, reason: refused.reason } : undefined;
  }

  async #refresh(order: TokenOrder): Promise<TokenAnswer> {
    const at = order.name;
    for (const map of [this.#kept, this.#refused, this.#refreshing]) if (map.size >= MAX_KEPT) map.clear();
    const began = this.#system.now();
    this.#refreshing.set(at, began);
    try {
      const answer = await ask(this.#egress, order, began);
      const now = this.#system.now();
      if (!answer.ok) {
        // A caller whose own time is up says nothing about the endpoint.
        if (!order.signal.aborted) this.#refused.set(at, { reason: answer.reason, until: now + REFUSED_MS });
        return answer;
      }
      const { token, lifeMs } = answer;
      this.#kept.set(at, { token, until: now + lifeMs - Math.min(LIFE_MS.margin, lifeMs / 5) });
      return { ok: true, token };
    } finally {
      if (this.#refreshing.get(at) === began) this.#refreshing.delete(at);
    }
  }
}

async function ask(
  egress: Egress,
  { url, allowedHosts, signal, wording }: TokenOrder,
  nowMs: number,
): Promise<
  | { readonly ok: true; readonly token: string; readonly lifeMs: number }
  | { readonly ok: false; readonly reason: string }
> {
  const failed = (what: string): { readonly ok: false; readonly reason: string } => ({
    ok: false,
    reason: `the token endpoint ${what}`,
  });
  try {
    const worded = await wording(nowMs);
    if (!worded.ok) return worded;
    const answer = await egress({
      url,
      method: "POST",
      headers: new Headers({
        accept: "application/json",
        "content-type": "application/x-www-form-urlencoded",
        ...worded.headers,
      }),
      body: worded.form.toString(),
      allowedHosts,
      service: undefined,
      signal: AbortSignal.any([signal, AbortSignal.timeout(ENDPOINT_TIMEOUT_MS)]),
    });
    if (!answer.sent) return failed(`cannot be asked: ${answer.reason}`);
    const { response } = answer;
    const text = await readBounded(response, MAX_ANSWER_BYTES);
    if (!response.ok) return failed(`answered ${response.status}`);
    return tokenOf(text) ?? failed("answered without a bearer token");
  } catch {
    return failed(signal.aborted ? "did not answer in time" : "could not be reached");
  }
}

function tokenOf(
  text: string | undefined,
): { readonly ok: true; readonly token: string; readonly lifeMs: number } | undefined {
  const parsed = Answer.safeParse(jsonOf(text ?? ""));
  if (!parsed.success || (parsed.data.token_type ?? "bearer").toLowerCase() !== "bearer") return undefined;
  const seconds = Number(parsed.data.expires_in);
  const lifeMs = Number.isFinite(seconds) && seconds > 0 ? Math.min(seconds * 1000, LIFE_MS.most) : LIFE_MS.unsaid;
  return { ok: true, token: parsed.data.access_token, lifeMs };
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}
