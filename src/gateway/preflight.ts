// Answers what would become of a tool call, without an effect: nothing is reserved or sent; that it was asked is recorded.
import type { ToolCall } from "../core/call.ts";
import type { ActiveConfig } from "../core/config/published.ts";
import { accept, refuse, type Outcome, type Refusal } from "../core/errors.ts";
import { amounts, DIMENSIONS, type Amounts, type Dimension } from "../core/budget/amounts.ts";
import { amountOf } from "../core/policy/built-in.ts";
import {
  smallestChanges,
  variantsOf,
  type Counterfactual,
  type Judged,
} from "../core/policy/analysis/counterfactual.ts";
import { decide, stopOf, type Decision } from "../core/policy/decision.ts";
import { decideAtEdge } from "../core/policy/evaluate.ts";
import type { MeterNeed } from "../core/policy/limits.ts";
import type { PolicyFacts } from "../core/policy/policy-facts.ts";
import { headroom, type Account } from "../core/state/account.ts";
import { grantIn, open, type Books } from "../core/state/session-books.ts";
import type { SessionRefusal } from "../core/state/session-messages.ts";
import { formatUsd } from "../core/units/money.ts";
import { ledgerRefusal, pausedRefusal, refOf, refusalOf } from "./enforce.ts";
import { readFacts } from "./facts.ts";
import type { LedgerAsk, Ports, Recorder, SessionView } from "./ports.ts";
import { recordToolCall } from "./record-tool-call.ts";
import { askOf, ledgerAsk, prepareCall, type PreparedCall } from "./tool-ask.ts";

/** A tool as it would be called. */
export interface PreflightTool {
  readonly name: string;
  readonly definition_digest: string;
}

/** Whether one budget would cover the call, in its own unit; `remaining` is before the call. */
export interface BudgetCheck {
  readonly scope: "session" | "task";
  readonly dimension: Dimension;
  readonly remaining: number;
  readonly needed: number;
  readonly fits: boolean;
}

/** Whether a limit across sessions would. What other sessions were granted and have not used counts as used. */
export interface LimitCheck {
  readonly limit: string;
  readonly max: number;
  readonly used: number;
  readonly needed: number;
  readonly unit: MeterNeed["unit"];
  readonly fits: boolean;
}

/** What would become of a call. */
export interface Preflight {
  readonly tool: PreflightTool;
  readonly decision: Decision;
  readonly would: "execute" | "draft" | "wait_for_approval" | "refuse";
  /** Why a live call would be refused. */
  readonly refusal: Refusal | null;
  readonly budgets: readonly BudgetCheck[];
  readonly limits: readonly LimitCheck[];
  /** Rates that a live call takes a turn at; whether one is free now is known only when it is taken. */
  readonly rates: readonly {
    readonly limit: string;
    readonly requests: number;
    readonly per_ms: number;
    readonly burst: number;
  }[];
  readonly counterfactuals: readonly Counterfactual[];
}

interface Asked {
  readonly config: ActiveConfig;
  readonly prepared: PreparedCall;
  readonly ask: LedgerAsk;
  readonly view: SessionView;
  readonly decision: Decision;
  readonly now: number;
}

/**
 * What the policy would say to a call, its session's rules included. Refuses what a live call would be refused for
 * before any rule: `not_configured`, `unknown_tool`, `invalid_arguments`, a session of another actor, a paused one.
 */
export async function decideTool(
  ports: Ports,
  call: ToolCall,
  recorder: Recorder,
): Promise<Outcome<{ readonly tool: PreflightTool; readonly decision: Decision }>> {
  const asked = await consult(ports, call);
  if (!asked.ok) return asked;
  const { decision, view, prepared } = asked.value;
  const isDenied = decision.effect === "deny" && stopOf(decision.reasons) === undefined;
  const paused = view.state.pause !== null && !isDenied ? pausedRefusal(view.state.pause) : undefined;
  const would = paused === undefined ? WOULD[decision.effect] : "refuse";
  recordForeseen(ports, recorder, { call, asked: asked.value }, { would, refusal: paused ?? null });
  return paused ?? accept({ decision, tool: toolOf(prepared) });
}

function recordForeseen(
  ports: Ports,
  recorder: Recorder,
  { call, asked: { prepared, decision, now } }: { readonly call: ToolCall; readonly asked: Asked },
  foreseen: { readonly would: Preflight["would"]; readonly refusal: Refusal | null },
): void {
  const { tool, facts } = prepared;
  const spanId = ports.system.randomHex(8);
  const happened = { call, ask: facts.ask, tool, decision, spanId, callId: null, startedAt: now };
  recordToolCall(ports, recorder, happened, { type: "foreseen", ...foreseen });
}

/**
 * What would become of a live call at this instant: decision, session, budgets, limits, in the order in which a live
 * call meets them; and the smallest changes that would help it. Not foreseen: that this very call would be one repeat
 * too many, the state of a rate, and what an idempotency key was used for before.
 */
export async function preflight(ports: Ports, call: ToolCall, recorder: Recorder): Promise<Outcome<Preflight>> {
  const consulted = await consult(ports, call);
  if (!consulted.ok) return consulted;
  const asked = consulted.value;
  const { prepared, decision } = asked;
  const { meters, rates } = prepared.policy;
  const used = await usageOf(ports, call, meters);
  const limits = meters.flatMap((need) => limitCheck(need, used, asked) ?? []);
  const refusal = refusalBy(asked, limits);
  const would = refusal === undefined ? WOULD[decision.effect] : "refuse";
  recordForeseen(ports, recorder, { call, asked }, { would, refusal: refusal ?? null });
  return accept({
    tool: toolOf(prepared),
    decision,
    would,
    refusal: refusal ?? null,
    budgets: budgetChecks(asked),
    limits,
    rates: rates.map(({ limit, spec }) => ({ limit, requests: spec.requests, per_ms: spec.per_ms, burst: spec.burst })),
    counterfactuals: await helpfulChanges(ports, asked, used),
  });
}

const WOULD = { allow: "execute", draft: "draft", require_approval: "wait_for_approval", deny: "refuse" } as const;

async function consult(ports: Ports, call: ToolCall): Promise<Outcome<Asked>> {
  const { context } = call;
  const { config: found, switches, breakers } = await readFacts(ports, context);
  if (!found.ok) return found;
  const config = found.value;
  const now = ports.system.now();
  const prepared = prepareCall(config, askOf(call), { switches, breakers, now });
  if (!prepared.ok) return prepared;
  const { tool, policy } = prepared.value;
  const ref = refOf(config, context, { spanId: "0".repeat(16), subject: tool.name });
  const { tenant } = context.principal;
  const [{ reasons }, view] = await Promise.all([
    ports.sessions.consult(tenant, context.session, { policy, ref }),
    ports.sessions.read(tenant, context.session),
  ]);
  if (view.state.actor !== null && view.state.actor !== context.actor)
    return ledgerRefusal({ type: "other_actor" }) ?? refuse("session_forbidden", "the session is another actor's");
  const decision = decide({ reasons: [...policy.reasons, ...reasons], standby: policy.standby }, policy.version);
  return accept({ config, prepared: prepared.value, ask: ledgerAsk(config, prepared.value, ref), view, decision, now });
}

function toolOf({ tool }: PreparedCall): PreflightTool {
  return { name: tool.name, definition_digest: tool.definitionDigest };
}

async function usageOf(
  ports: Ports,
  call: ToolCall,
  meters: readonly MeterNeed[],
): Promise<ReadonlyMap<string, number>> {
  if (meters.length === 0) return new Map();
  return ports.tenants.usage(
    call.context.principal.tenant,
    meters.map(({ key }) => key),
  );
}

/** A limit's figures; what this session itself was granted and has not used is not counted against it. */
function limitCheck(
  { key, limit, spec, need, unit }: MeterNeed,
  used: ReadonlyMap<string, number>,
  { view, now }: Asked,
): LimitCheck | undefined {
  const known = used.get(key);
  if (known === undefined) return undefined;
  const own = Object.values(view.state.leases)
    .filter((lease) => lease.key === key && now < lease.expiresAt)
    .reduce((sum, lease) => sum + lease.amount - lease.used, 0);
  const others = Math.max(0, known - own);
  return { limit, max: spec.max, used: others, needed: need, unit, fits: others + need <= spec.max };
}

/** Why a live call would be refused, in the order in which it would meet these; `undefined` when it would not. */
function refusalBy(asked: Asked, limits: readonly LimitCheck[]): Refusal | undefined {
  const { ask, decision, now } = asked;
  const stop = stopOf(decision.reasons);
  if (decision.effect === "deny" && stop === undefined) return refusalOf(decision);
  const opened = openBooks(asked);
  if ("type" in opened) return ledgerRefusal(opened);
  if (stop !== undefined)
    return pausedRefusal({ kind: "paused", rule_id: stop.rule_id, message: stop.message, at: now });
  if (decision.effect !== "allow") return undefined;
  const { unavailable = null } = asked.prepared.policy.upstream ?? {};
  if (unavailable !== null) return ledgerRefusal(unavailable);
  const short = shortBudget(opened, ask, ask.amounts, now);
  if (short !== undefined) return ledgerRefusal(short);
  const over = limits.find((each) => !each.fits);
  return over === undefined ? undefined : limitRefusal(over);
}

function openBooks({ ask, view, now }: Asked): Omit<Books, "isCommitted"> | SessionRefusal {
  return open(view.state, { scopes: ask.scopes, ref: ask.ref, outboxDepth: view.outboxDepth }, now);
}

/** The same for a session that a person has let go on: a paused one still has its figures. */
function openUnpaused(asked: Asked): Omit<Books, "isCommitted"> | SessionRefusal {
  const { view } = asked;
  return openBooks({ ...asked, view: { ...view, state: { ...view.state, pause: null } } });
}

function shortBudget(
  books: Omit<Books, "isCommitted">,
  { scopes }: LedgerAsk,
  fixed: Amounts,
  now: number,
): SessionRefusal | undefined {
  const want = { fixed, unitPico: 0, unitTokens: 0, minUnits: 0, maxUnits: 0 };
  const grant = grantIn(books, scopes.task?.id ?? null, want, now);
  return "type" in grant ? grant : undefined;
}

function limitRefusal({ limit, max, used, needed, unit }: LimitCheck): Refusal {
  const shown = (value: number): string => (unit === "amount" ? formatUsd(value) : String(value));
  return refuse(
    "limit_exceeded",
    `limit "${limit}" of ${shown(max)} cannot cover this call now: ${shown(used)} used or held, ${shown(needed)} needed`,
    { extensions: { limit: { id: limit, max: shown(max), used: shown(used), needed: shown(needed) } } },
  );
}

function budgetChecks(asked: Asked): readonly BudgetCheck[] {
  const { ask } = asked;
  const opened = openUnpaused(asked);
  if ("type" in opened) return [];
  const task = ask.scopes.task === null ? undefined : opened.tasks[ask.scopes.task.id];
  const scopes: readonly (readonly [BudgetCheck["scope"], Account])[] = [
    ["session", opened.session],
    ...(task === undefined ? [] : [["task", task] as const]),
  ];
  return scopes.flatMap(([scope, account]) =>
    DIMENSIONS.flatMap((dimension): readonly BudgetCheck[] => {
      const room = headroom(account, dimension);
      const needed = ask.amounts[dimension];
      return room === undefined
        ? []
        : [{ scope, dimension, remaining: Math.max(0, room), needed, fits: needed <= room }];
    }),
  );
}

/** The smallest changes that would help, each decided on as a live call would be, the session's rules included. */
async function helpfulChanges(
  ports: Ports,
  asked: Asked,
  used: ReadonlyMap<string, number>,
): Promise<readonly Counterfactual[]> {
  const { prepared, decision } = asked;
  const { tool, facts } = prepared;
  const isCovered = isCoveredBy(asked, used);
  const judged = await Promise.all(
    variantsOf(facts, ceilingsOf(asked, used), tool.check).map(async (variant): Promise<Judged> => {
      const varied = await decisionOn(ports, asked, variant.facts);
      return { variant, decision: varied, isCovered: isCovered(variant.facts) };
    }),
  );
  return smallestChanges({ decision, isCovered: isCovered(facts) }, judged, tool.entry.amount?.field);
}

async function decisionOn(ports: Ports, { ask, config, prepared }: Asked, facts: PolicyFacts): Promise<Decision> {
  const edge = decideAtEdge(facts);
  if (edge.world === null) return decide(edge, config.policyVersion);
  const policy = { ...prepared.policy, reasons: edge.reasons, standby: edge.standby, world: edge.world };
  const { tenant, session } = ask.ref;
  const { reasons } = await ports.sessions.consult(tenant, session, { policy, ref: ask.ref });
  return decide({ reasons: [...edge.reasons, ...reasons], standby: edge.standby }, config.policyVersion);
}

/** Micro-units of the call's amount that limits and budgets would still cover. */
function ceilingsOf(asked: Asked, used: ReadonlyMap<string, number>): readonly number[] {
  const { prepared } = asked;
  const limits = prepared.policy.meters
    .filter(({ unit }) => unit === "amount")
    .flatMap((need) => limitCheck(need, used, asked) ?? [])
    .map(({ max, used: taken }) => max - taken);
  const budgets = budgetChecks(asked)
    .filter(({ dimension }) => dimension === "tool_usd")
    .map(({ remaining }) => remaining);
  return [...limits, ...budgets].filter((each) => each >= 0).map((each) => each - (each % MICRO_PER_CENT));
}

const MICRO_PER_CENT = 10_000;

/** Whether budgets and limits would cover a changed call; a limit of which nothing is known covers nothing. */
function isCoveredBy(asked: Asked, used: ReadonlyMap<string, number>): (facts: PolicyFacts) => boolean {
  const opened = openUnpaused(asked);
  return (facts) => {
    if ("type" in opened) return false;
    const { tool, ask } = facts;
    const fixed = amounts({ ...asked.ask.amounts, tool_usd: amountOf(tool.entry, ask.args) });
    const { needs } = decideAtEdge(facts);
    const isWithin = needs.meters.every((need) => limitCheck(need, used, asked)?.fits === true);
    return isWithin && shortBudget(opened, asked.ask, fixed, asked.now) === undefined;
  };
}
