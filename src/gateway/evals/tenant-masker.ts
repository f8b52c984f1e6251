// Masks texts of a tenant that are kept but are no records: under the same rules and the same key as its records.
import { maskJson } from "../../core/guard/mask-json.ts";
import { TextMasker } from "../../core/guard/mask-text.ts";
import { sivTokens } from "../../core/guard/mask-tokens.ts";
import { tracePolicyOf } from "../../core/trace/trace-policy.ts";
import type { Ports } from "../ports.ts";

/** A text as it may be kept; JSON stays JSON. What cannot be masked is withheld. */
export type MaskText = (text: string) => string;

const WITHHELD = "[withheld]";

/** The masker of a tenant. Throws where its rules or its key cannot be had: nothing is kept then. */
export async function tenantMasker(ports: Pick<Ports, "configs" | "masking">, tenant: string): Promise<MaskText> {
  const [config, keys] = await Promise.all([ports.configs.recent(tenant), ports.masking.keysOf(tenant)]);
  const { masking } = tracePolicyOf(config);
  const tokens = sivTokens(keys);
  return (text) => {
    if (text === "") return text;
    try {
      // A text within JSON is looked into where it is JSON itself.
      const masked: unknown = JSON.parse(
        maskJson(new TextMasker(masking, tokens), JSON.stringify([text]), (path) => path),
      );
      return Array.isArray(masked) && typeof masked[0] === "string" ? masked[0] : WITHHELD;
    } catch {
      return WITHHELD;
    }
  };
}
