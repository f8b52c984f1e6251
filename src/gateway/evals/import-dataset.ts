// Sequences an import of cases: read, and masked under the tenant's own rules and key before anything is kept.
import type { EvalCase } from "../../core/eval/case.ts";
import { importCases, type ImportFormat } from "../../core/eval/dataset/import.ts";
import { accept, refuse, type Outcome } from "../../core/errors.ts";
import { maskJson } from "../../core/guard/mask-json.ts";
import { sivTokens } from "../../core/guard/mask-tokens.ts";
import { TextMasker } from "../../core/guard/mask-text.ts";
import { tracePolicyOf } from "../../core/trace/trace-policy.ts";
import type { Ports } from "../ports.ts";

/** Everything that an import may touch. */
export type ImportPorts = Pick<Ports, "configs" | "masking" | "system">;

/** What is imported. */
export interface ImportQuestion {
  /** JSONL. */
  readonly text: string;
  readonly format: ImportFormat;
  /** The prompt that promptfoo's variables fill; `null` where the only one is the message itself. */
  readonly prompt: string | null;
}

/**
 * The cases of a text, masked. All or none: refuses `invalid_request` with every mistake by line and field
 * (`line 3: messages.0.role`), also for a text without a case. Throws where the tenant's masking key cannot be had:
 * nothing is kept unmasked.
 */
export async function importDataset(
  ports: ImportPorts,
  tenant: string,
  { text, format, prompt }: ImportQuestion,
): Promise<Outcome<readonly EvalCase[]>> {
  const [config, keys] = await Promise.all([ports.configs.active(tenant), ports.masking.keysOf(tenant)]);
  const masker = new TextMasker(tracePolicyOf(config).masking, sivTokens(keys));
  const { cases, mistakes } = importCases(text, {
    format,
    prompt,
    tools: Object.keys(config?.published.document.tools ?? {}),
    mask: (json, where) => maskJson(masker, json, where),
    now: ports.system.now(),
  });
  if (mistakes.length > 0) {
    const told = mistakes.map(({ line, path, message }) => ({
      path: path === "" ? `line ${line}` : `line ${line}: ${path}`,
      message,
    }));
    const count = told.length;
    return refuse("invalid_request", `${count} mistake${count === 1 ? "" : "s"} in the cases`, { mistakes: told });
  }
  if (cases.length === 0) return refuse("invalid_request", "expected at least one case");
  return accept(cases);
}
