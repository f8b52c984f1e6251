// Decides how much of a decision a caller is told: all of it, or the effect and which rules spoke.
import type { ActiveConfig } from "../config/published.ts";
import type { Refusal } from "../errors.ts";
import { isJsonObject } from "../json/canonical.ts";
import type { Principal } from "../principal.ts";
import type { Decision, Effect, Reason } from "./decision.ts";

/** How much of a decision its reader is told: all of it, or the effect and which rules spoke. */
export type Explain = "full" | "effect";

/**
 * What a caller is told: everything, unless its key is an agent's alone and the tenant keeps amounts, thresholds and
 * its rules' words from agents (`policy.explain_to_agents: effect`), who could otherwise search for the limit.
 */
export function explainTo(principal: Principal, config: ActiveConfig | undefined): Explain {
  return isAgentOnly(principal) ? (config?.published.document.policy.explain_to_agents ?? "full") : "full";
}

/** Whether a key is an agent's and nobody else's. */
export function isAgentOnly({ roles, isRoot }: Principal): boolean {
  return !isRoot && roles.every((role) => role === "agent");
}

/** Reasons whose words hold no figure of the tenant's policy: names, scopes, a person's switch, the caller's own constraints. */
const TELLS_NO_FIGURE =
  /^(actor\.(known|allowed_tools|pii_write_allowed)|envelope\..*|scopes|switch\..*|tier\..*|default|tool\..*)$/;

const SAYS_EFFECT: Readonly<Record<Effect, string>> = {
  allow: "it allows this call",
  draft: "it keeps this call as a draft",
  require_approval: "it asks for a person's approval",
  deny: "it denies this call",
};

function withoutFigures({ rule_id, effect, message, stop_and_ask }: Reason): Reason {
  const shown = TELLS_NO_FIGURE.test(rule_id) ? message : SAYS_EFFECT[effect];
  return { rule_id, effect, message: shown, ...(stop_and_ask === undefined ? {} : { stop_and_ask }) };
}

/** A decision as far as its reader may know. */
export function toldDecision(decision: Decision, explain: Explain): Decision {
  return explain === "full" ? decision : { ...decision, reasons: decision.reasons.map(withoutFigures) };
}

/** A refusal as far as its caller may know: without figures its sentence names the rules that spoke, and no threshold. */
export function toldRefusal(refusal: Refusal, explain: Explain): Refusal {
  if (explain === "full") return refusal;
  const { decision, ...rest } = refusal.extensions ?? {};
  const known = isDecision(decision) ? decision : undefined;
  const told = known === undefined ? rest : { ...rest, decision: toldDecision(known, explain) };
  const { detail, extensions } = withoutThreshold(refusal, told, known);
  const { extensions: _, ...kept } = refusal;
  return { ...kept, detail, ...(Object.keys(extensions).length === 0 ? {} : { extensions }) };
}

/** Codes whose sentence is made of the decision's reasons. */
const SAYS_REASONS: ReadonlySet<string> = new Set(["policy_denied", "scope_missing", "approval_required", "halted"]);

type Extensions = Readonly<Record<string, unknown>>;

interface Told {
  readonly detail: string;
  readonly extensions: Extensions;
}

function withoutThreshold(refusal: Refusal, told: Extensions, decision: Decision | undefined): Told {
  if (decision !== undefined && SAYS_REASONS.has(refusal.code)) {
    const against = decision.reasons.filter((reason) => reason.effect === decision.effect).map(withoutFigures);
    return { detail: against.map(({ rule_id, message }) => `${rule_id}: ${message}`).join("; "), extensions: told };
  }
  const { limit, pause, budget, ...rest } = told;
  const shown = ledgerWords(refusal, { limit, pause, budget });
  return shown === undefined
    ? { detail: refusal.detail, extensions: told }
    : { detail: shown.detail, extensions: { ...rest, ...shown.extensions } };
}

/** What the session's or the tenant's ledger refused, without its figures; `undefined` for any other refusal. */
function ledgerWords({ code }: Refusal, { limit, pause, budget }: Extensions): Told | undefined {
  if (code === "limit_exceeded" && isJsonObject(limit)) {
    const { id, reset_at } = limit;
    return {
      detail: `limit "${wordOf(id)}" cannot cover this call now`,
      extensions: { limit: { id, ...(reset_at === undefined ? {} : { reset_at }) } },
    };
  }
  if (code === "budget_exceeded" && isJsonObject(budget)) {
    const { scope, dimension } = budget;
    return {
      detail: `the ${wordOf(scope)}'s ${wordOf(dimension)} budget cannot cover this call`,
      extensions: { budget: { scope, dimension } },
    };
  }
  if ((code === "session_paused" || code === "session_ended") && isJsonObject(pause)) {
    const { kind, rule_id, at } = pause;
    const how = code === "session_paused" ? "waits for a person" : "was ended by a person; start another one";
    return { detail: `the session ${how}`, extensions: { pause: { kind, rule_id, at } } };
  }
  return undefined;
}

function wordOf(value: unknown): string {
  return typeof value === "string" ? value : "";
}

/** Whether a member of a refusal is the decision behind it. */
export function isDecision(value: unknown): value is Decision {
  return isJsonObject(value) && Array.isArray(value["reasons"]) && typeof value["effect"] === "string";
}
