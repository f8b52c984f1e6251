// Routes of an agent's releases: what there is, promote one, send some sessions to one, roll back.
import * as z from "zod/mini";
import { versionName } from "../../core/config/release-document.ts";
import { accept, refuse, type Outcome } from "../../core/errors.ts";
import type { JudgedEvidence } from "../../core/release/evidence.ts";
import type { Pinned, ReleasePointer } from "../../core/release/pointer.ts";
import type { ResolvedRelease } from "../../core/release/release.ts";
import type { ReleaseChange, ReleaseOrder } from "../../core/state/tenant-releases.ts";
import { moveRelease } from "../../gateway/move-release.ts";
import type { ReleaseMove } from "../../gateway/ports/releases.ts";
import { readReleases, type AgentReleases } from "../../gateway/read-releases.ts";
import { deferOf, type HttpContext } from "../context.ts";
import { problem } from "./errors.ts";
import { pathParameter, readBody, readOptionalBody, refusedFor, type ApiRoute, type Parameter } from "./route.ts";
import { tenantOf } from "./tenant.ts";

const MAX_REASON = 500;
const reason = z.optional(z.string().check(z.maxLength(MAX_REASON)));
const WEIGHT = "expected whole percent of sessions, from 1 to 100, or 0 to end the canary";

/** Goes through without the evidence that the config asks for; needs a reason. */
const breakGlass = z.optional(z.boolean());

const Promotion = z.strictObject({ release: versionName, reason, break_glass: breakGlass });
const CanaryOrder = z.strictObject({
  /** The canary that runs, when left out. */
  release: z.optional(versionName),
  weight: z.int(WEIGHT).check(z.gte(0, WEIGHT), z.lte(100, WEIGHT)),
  reason,
  break_glass: breakGlass,
});
/** Without a release: ends the canary if there is one, else goes back to what was live before. */
const Rollback = z.strictObject({ release: z.optional(versionName), reason });

const PinnedView = z.object({ release: z.string(), digest: z.string() });
const CanaryView = z.object({ ...PinnedView.shape, weight: z.int() });
const MoveView = z.object({
  agent: z.string(),
  generation: z.int(),
  live: PinnedView,
  canary: z.nullable(CanaryView),
  /** `unchanged`: it stood like this already. */
  status: z.string(),
});
const EvidenceView = z.object({
  suite: z.string(),
  /** Whether it counts. */
  met: z.boolean(),
  /** What there is in its place: `no_run`, `not_ship`, `too_old` or `other_suite`; `null` where it counts. */
  gap: z.nullable(z.string()),
  verdict: z.nullable(z.string()),
  run: z.nullable(z.string()),
  at: z.nullable(z.string()),
  cases: z.nullable(z.int()),
  counts: z.nullable(z.record(z.string(), z.number())),
});
const ReleaseView = z.object({
  release: z.string(),
  digest: z.string(),
  status: z.enum(["live", "canary", "earlier", "idle"]),
  prompt: z.nullable(z.string()),
  model: z.nullable(z.string()),
  route: z.nullable(z.string()),
  tools: z.nullable(z.array(z.string())),
  policy: z.nullable(z.object({ digest: z.string(), mode: z.string(), holds: z.boolean() })),
  /** Of the suites that the config asks for, each on this very digest. */
  evidence: z.array(EvidenceView),
});
const ChangeView = z.object({
  generation: z.int(),
  status: z.string(),
  live: PinnedView,
  canary: z.nullable(CanaryView),
  previous: z.nullable(PinnedView),
  by: z.string(),
  at: z.string(),
  reason: z.nullable(z.string()),
  /** The runs that it rests on, as `suite run`. */
  evidence: z.array(z.string()),
  /** Whether it went through although evidence was missing. */
  break_glass: z.boolean(),
});
const Listing = z.object({
  agent: z.string(),
  generation: z.int(),
  /** Whether what it resolves to has changed since it was made live. */
  live: z.object({ ...PinnedView.shape, drifted: z.boolean() }),
  canary: z.nullable(z.object({ ...CanaryView.shape, drifted: z.boolean() })),
  policy_digest: z.string(),
  data: z.array(ReleaseView),
  differs: z.array(z.object({ path: z.string(), live: z.unknown(), canary: z.unknown() })),
  history: z.array(ChangeView),
});

const AGENT: Parameter = { name: "agent", in: "path", description: "An agent of the config", required: true };
const IF_MATCH: Parameter = {
  name: "if-match",
  in: "header",
  description: "The generation that was read, as its `ETag`; whichever stands when left out",
};
const MOVED = {
  200: { description: "How it stands now, durably; everywhere within two seconds", schema: MoveView },
  404: { description: "No such agent or release" },
  409: {
    description:
      "The release is pinned to another policy, lacks evidence that the config asks for, is live already, or nothing was live before",
  },
  412: { description: "Somebody changed it since it was read" },
} as const;

/** The routes. */
export const releaseRoutes: readonly ApiRoute[] = [
  {
    method: "GET",
    path: "/v1/agents/:agent/releases",
    operationId: "listReleases",
    summary: "List an agent's releases with their digests: which is live, which is the canary, and what was changed",
    tag: "releases",
    permission: "releases.read",
    parameters: [AGENT],
    responses: {
      200: { description: "The releases", schema: Listing },
      404: { description: "No such agent" },
    },
    answer: async (c) => {
      const tenant = await tenantOf(c);
      if (!tenant.ok) return problem(tenant);
      const found = await readReleases(c.var.runtime.ports, tenant.value, pathParameter(c, "agent"));
      return found.ok ? Response.json(listing(found.value), { headers: etag(found.value.pointer) }) : problem(found);
    },
  },
  {
    method: "POST",
    path: "/v1/agents/:agent/promote",
    operationId: "promoteRelease",
    summary: "Make a release live for every session; a canary ends",
    tag: "releases",
    permission: "releases.write",
    parameters: [AGENT, IF_MATCH],
    body: Promotion,
    responses: MOVED,
    answer: (c) => answerMove(c, "promote", readBody(c, Promotion)),
  },
  {
    method: "POST",
    path: "/v1/agents/:agent/canary",
    operationId: "setCanary",
    summary: "Send a percentage of an agent's sessions to a release; 0 ends the canary",
    tag: "releases",
    permission: "releases.write",
    parameters: [AGENT, IF_MATCH],
    body: CanaryOrder,
    responses: MOVED,
    answer: (c) => answerMove(c, "canary", readBody(c, CanaryOrder)),
  },
  {
    method: "POST",
    path: "/v1/agents/:agent/rollback",
    operationId: "rollBackRelease",
    summary: "End the canary or, without one, make live what was live before; or go back to the release that is named",
    tag: "releases",
    permission: "releases.write",
    parameters: [AGENT, IF_MATCH],
    body: Rollback,
    responses: MOVED,
    answer: (c) => answerMove(c, "rollback", readOptionalBody(c, Rollback)),
  },
];

interface MoveBody {
  readonly release?: string | undefined;
  readonly weight?: number;
  readonly reason?: string | undefined;
  readonly break_glass?: boolean | undefined;
}

async function answerMove(
  c: HttpContext,
  type: ReleaseOrder["type"],
  reading: Promise<Outcome<MoveBody>>,
): Promise<Response> {
  const body = await reading;
  const tenant = await tenantOf(c);
  if (!tenant.ok) return problem(tenant);
  if (!body.ok) return problem(body);
  const expected = expectedGeneration(c);
  if (!expected.ok) return problem(expected);
  const { release = null, weight = null, reason: why = "", break_glass = false } = body.value;
  if (break_glass && why.trim() === "")
    return problem(
      refusedFor([{ path: "reason", message: "expected why no evidence is needed: `break_glass` is set" }]),
    );
  const order: Omit<ReleaseOrder, "evidence"> = {
    agent: pathParameter(c, "agent"),
    type,
    release,
    weight,
    expected: expected.value,
    by: c.var.principal.keyId,
    reason: why.trim() === "" ? null : why.trim(),
    breakGlass: break_glass,
  };
  const moved = await moveRelease(c.var.runtime.ports, tenant.value, order, c.var.runtime.recorder(deferOf(c)));
  if (!moved.ok) return problem(moved);
  return Response.json(moveView(order.agent, moved.value), { headers: etag(moved.value.pointer) });
}

function expectedGeneration(c: HttpContext): Outcome<number | null> {
  const header = c.req.header("if-match")?.trim();
  if (header === undefined || header === "*") return accept(null);
  const match = /^(?:W\/)?"?(\d{1,9})"?$/.exec(header);
  if (match !== null) return accept(Number(match[1]));
  const mistake = { path: "If-Match", message: 'expected a generation such as "3"' };
  return refuse("invalid_request", `${mistake.path}: ${mistake.message}`, { mistakes: [mistake] });
}

function etag({ generation }: ReleasePointer): Readonly<Record<string, string>> {
  return { etag: `"${generation}"` };
}

function moveView(agent: string, { pointer, change }: ReleaseMove): z.infer<typeof MoveView> {
  const { generation, live, canary } = pointer;
  return {
    agent,
    generation,
    live: pinnedView(live),
    canary: canaryView(canary),
    status: change?.status ?? "unchanged",
  };
}

function pinnedView({ release, digest }: Pinned): z.infer<typeof PinnedView> {
  return { release, digest };
}

function canaryView(canary: (Pinned & { readonly weight: number }) | null): z.infer<typeof CanaryView> | null {
  return canary === null ? null : { ...pinnedView(canary), weight: canary.weight };
}

function listing({
  agent,
  pointer,
  policyDigest,
  releases,
  differs,
  evidence,
  history,
}: AgentReleases): z.infer<typeof Listing> {
  const { generation, live, canary } = pointer;
  const drifted = (pinned: Pinned): boolean =>
    releases.find(({ id }) => id === pinned.release)?.digest !== pinned.digest;
  return {
    agent,
    generation,
    live: { ...pinnedView(live), drifted: drifted(live) },
    canary: canary === null ? null : { ...pinnedView(canary), weight: canary.weight, drifted: drifted(canary) },
    policy_digest: policyDigest,
    data: releases.map((release) => releaseView(release, pointer, evidence.get(release.id))),
    differs: [...differs],
    history: history.map(changeView),
  };
}

function releaseView(
  { id, digest, entry, pin }: ResolvedRelease,
  pointer: ReleasePointer,
  evidence: JudgedEvidence | undefined,
): z.infer<typeof ReleaseView> {
  const { prompt = null, model = null, route = null, tools, policy } = entry;
  return {
    release: id,
    digest,
    status: statusOf(id, pointer),
    prompt,
    model,
    route,
    tools: tools === undefined ? null : [...tools],
    policy:
      policy === undefined || pin === null
        ? null
        : { digest: policy.digest, mode: policy.mode ?? "strict", holds: pin.holds },
    evidence: evidence === undefined ? [] : evidenceViews(evidence),
  };
}

function evidenceViews({ met, missing }: JudgedEvidence): z.infer<typeof EvidenceView>[] {
  const judged = [
    ...met.map((run) => ({ suite: run.suite, gap: null, run })),
    ...missing.map(({ suite, gap, run }) => ({ suite, gap, run })),
  ];
  return judged.map(({ suite, gap, run }) => ({
    suite,
    met: gap === null,
    gap,
    verdict: run?.verdict ?? null,
    run: run?.run ?? null,
    at: run === null ? null : new Date(run.at).toISOString(),
    cases: run?.cases ?? null,
    counts: run?.counts ?? null,
  }));
}

function statusOf(id: string, { live, canary, past }: ReleasePointer): z.infer<typeof ReleaseView>["status"] {
  if (id === live.release) return "live";
  if (id === canary?.release) return "canary";
  return past.some(({ release }) => release === id) ? "earlier" : "idle";
}

function changeView(change: ReleaseChange): z.infer<typeof ChangeView> {
  const { generation, status, live, canary, previous, by, at, reason: why, grounds } = change;
  return {
    generation,
    status,
    live: pinnedView(live),
    canary: canaryView(canary),
    previous: previous === null ? null : pinnedView(previous),
    by,
    at: new Date(at).toISOString(),
    reason: why,
    evidence: grounds?.type === "evidence" ? grounds.runs.map(({ suite, run }) => `${suite} ${run}`) : [],
    break_glass: grounds?.type === "break_glass",
  };
}
