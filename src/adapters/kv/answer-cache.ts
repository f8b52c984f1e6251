// Touches kept answers in KV: sealed under a key of their tenant, each under the digest of what it rests on.
import * as z from "zod/mini";
import { DIALECTS } from "../../core/dialect/names.ts";
import type { AnswerCache, KeptAnswer } from "../../gateway/ports/answer-cache.ts";
import type { MaskingKeys } from "../../gateway/ports/masking.ts";
import { keyFrom, open, seal, utf8 } from "./sealed.ts";

/** KV keeps nothing for a shorter time; what an entry says of its end counts. */
const MIN_TTL_S = 60;

const Kept = z.object({
  dialect: z.enum(DIALECTS),
  model: z.string(),
  contentType: z.string(),
  isStream: z.boolean(),
  text: z.string(),
  keptAt: z.number(),
  expiresAt: z.number(),
});

/** Kept answers under `answer/<tenant>/<digest>`. */
export function kvAnswerCache(kv: KVNamespace, masking: MaskingKeys): AnswerCache {
  const keyOf = async (tenant: string): Promise<CryptoKey> => {
    const [bytes] = await masking.keysOf(tenant);
    if (bytes === undefined) throw new TypeError("the tenant has no key");
    return keyFrom(bytes, `interlock kept answers v1\n${tenant}`);
  };
  return {
    find: async (tenant, digest, now) => {
      const at = addressOf(tenant, digest);
      try {
        const sealed = await kv.get(at, "arrayBuffer");
        if (sealed === null) return undefined;
        const bytes = await open(await keyOf(tenant), at, new Uint8Array(sealed));
        const kept: KeptAnswer = Kept.parse(JSON.parse(new TextDecoder().decode(bytes)));
        return kept.expiresAt > now ? kept : undefined;
      } catch {
        return undefined;
      }
    },
    keep: async (tenant, digest, answer) => {
      const at = addressOf(tenant, digest);
      const ttlS = Math.ceil((answer.expiresAt - answer.keptAt) / 1000);
      try {
        const sealed = await seal(await keyOf(tenant), at, utf8(JSON.stringify(answer)));
        await kv.put(at, sealed, { expirationTtl: Math.max(MIN_TTL_S, ttlS) });
      } catch {
        // Asked for again.
      }
    },
  };
}

function addressOf(tenant: string, digest: string): string {
  return `answer/${tenant}/${digest}`;
}
