// Decides what a tenant's config says of its records: what is masked, which bodies are kept, and for how long unmasked.
import type { ActiveConfig } from "../config/published.ts";
import { customDetector } from "../guard/custom-detector.ts";
import { DEFAULT_MASKING, PII_KINDS, readMaskPath, type MaskingRules } from "../guard/mask-rules.ts";
import { KEEP_ALL, type Sampling } from "./sampling.ts";

/** What a config says of the records made under it. */
export interface TracePolicy {
  readonly masking: MaskingRules;
  readonly sampling: Sampling;
  /** Days for which records are kept unmasked, encrypted; 0 for not at all. */
  readonly rawDays: number;
}

/** Of a tenant without a config: everything is masked, everything kept, nothing unmasked. */
const DEFAULT_POLICY: TracePolicy = { masking: DEFAULT_MASKING, sampling: KEEP_ALL, rawDays: 0 };

const known = new WeakMap<ActiveConfig, TracePolicy>();

/** The policy of a config, compiled once for each. */
export function tracePolicyOf(config: ActiveConfig | undefined): TracePolicy {
  if (config === undefined) return DEFAULT_POLICY;
  const policy = known.get(config) ?? compiled(config);
  known.set(config, policy);
  return policy;
}

function compiled(config: ActiveConfig): TracePolicy {
  const { masking, sampling, raw } = config.published.document.trace;
  return {
    masking: {
      kinds: new Set(PII_KINDS.filter((kind) => masking.detectors[kind] !== false)),
      custom: Object.entries(masking.patterns).map(([kind, pattern]) => customDetector(kind, pattern)),
      always: masking.always.map(readMaskPath),
      never: masking.never.map(readMaskPath),
    },
    sampling,
    rawDays: raw?.days ?? 0,
  };
}
