// Routes of approvals: the inbox, what exactly is to be decided, and a person's decision.
import * as z from "zod/mini";
import { accept, type Outcome } from "../../core/errors.ts";
import { explainTo, isAgentOnly } from "../../core/policy/disclosure.ts";
import { mayActAs, type Principal } from "../../core/principal.ts";
import { APPROVAL_STATUSES, approverRoles, type Vote } from "../../core/state/approval.ts";
import type { ToolCallRecord } from "../../core/state/tool-call-record.ts";
import { decideApproval, readApproval, withdrawApproval } from "../../gateway/decide-approval.ts";
import type { Recorder } from "../../gateway/ports.ts";
import type { ApprovalInbox, InboxLine } from "../../gateway/ports/approvals.ts";
import { deferOf, type HttpContext } from "../context.ts";
import { notFound, problem } from "./errors.ts";
import { readPageQuery } from "./page-query.ts";
import { pathParameter, readOptionalBody, readWait, WAIT, type ApiRoute, type Parameter } from "./route.ts";
import { tenantOf } from "./tenant.ts";
import { ToolCallView, refusalFor, viewOf } from "./tool-call-view.ts";

const Line = z.object({
  id: z.string(),
  tool_call_id: z.string(),
  status: z.enum(APPROVAL_STATUSES),
  kind: z.enum(["approval", "draft"]),
  actor: z.string(),
  tool: z.string(),
  session_id: z.string(),
  requested_by: z.string(),
  requested_at: z.string(),
  expires_at: z.string(),
  resolved_at: z.nullable(z.string()),
});
const Requirement = z.object({ rule_id: z.string(), roles: z.array(z.string()), count: z.int() });
const GivenVote = z.object({
  by: z.string(),
  verdict: z.enum(["approve", "deny"]),
  comment: z.nullable(z.string()),
  at: z.string(),
  via: z.enum(["api", "link"]),
  roles: z.array(z.string()),
});
const ApprovalView = z.object({
  ...Line.shape,
  digest: z.string(),
  requirements: z.array(Requirement),
  votes: z.array(GivenVote),
  /** Who the call is made for, as its caller says. */
  user: z.nullable(z.string()),
  confidence: z.nullable(z.number()),
  args: z.record(z.string(), z.unknown()),
  tool_call: ToolCallView,
});

const comment = z.string().check(z.trim(), z.minLength(1, "expected a reason"), z.maxLength(2_000));
const digest = z
  .string()
  .check(z.regex(/^[0-9a-f]{64}$/), z.describe("The digest that was looked at: anything else is `approval_stale`"));
const Approve = z.strictObject({ comment: z.optional(comment), digest: z.optional(digest) });
const Deny = z.strictObject({ comment, digest: z.optional(digest) });
const Withdraw = z.strictObject({});

const ID: Parameter = { name: "id", in: "path", description: "The approval id, `ap_…`", required: true };
const DECIDED = {
  200: {
    description: "The call after the decision: executed, denied, or waiting for more people",
    schema: ToolCallView,
  },
  400: { description: "The body is not valid; a denial needs a comment" },
  403: { description: "`approval_expired`, `approver_is_requester`, `approver_not_addressed`, `halted`" },
  404: { description: "No such approval" },
  409: { description: "`approval_resolved`, `approval_repeated`, `approval_stale`, `writes_disabled`" },
} as const;

/** The routes. */
export const approvalRoutes: readonly ApiRoute[] = [
  {
    method: "GET",
    path: "/v1/approvals",
    operationId: "listApprovals",
    summary: "List approvals and drafts, newest first",
    tag: "approvals",
    permission: "approvals.read",
    parameters: [
      { name: "status", in: "query", description: `Only those with this status: ${APPROVAL_STATUSES.join(", ")}` },
      { name: "limit", in: "query", description: "1 to 200, 50 when left out" },
      { name: "cursor", in: "query", description: "`next_cursor` of the page before" },
    ],
    responses: {
      200: {
        description: "One page of approvals",
        schema: z.object({ data: z.array(Line), next_cursor: z.nullable(z.string()) }),
      },
    },
    answer: async (c) => {
      const tenant = await tenantOf(c);
      if (!tenant.ok) return problem(tenant);
      const filter = readFilter(c);
      if (!filter.ok) return problem(filter);
      const { lines, nextCursor } = await c.var.runtime.ports.inbox.list(tenant.value, filter.value);
      return Response.json({ data: lines.map(shownLine), next_cursor: nextCursor });
    },
  },
  {
    method: "GET",
    path: "/v1/approvals/:id",
    operationId: "getApproval",
    summary: "Read an approval: exactly what it binds, who has to decide, and who has",
    tag: "approvals",
    permission: "approvals.read",
    parameters: [ID, WAIT],
    responses: { 200: { description: "The approval", schema: ApprovalView }, 404: { description: "No such approval" } },
    answer: async (c) => {
      const tenant = await tenantOf(c);
      if (!tenant.ok) return problem(tenant);
      const wait = readWait(c);
      if (!wait.ok) return problem(wait);
      const found = await readApproval(c.var.runtime.ports, tenant.value, pathParameter(c, "id"), wait.value);
      return found.ok ? Response.json(shownApproval(found.value)) : problem(found);
    },
  },
  {
    method: "POST",
    path: "/v1/approvals/:id/approve",
    operationId: "approve",
    summary: "Approve exactly one call; the last approval needed executes it",
    tag: "approvals",
    permission: "approvals.decide",
    parameters: [ID],
    body: Approve,
    responses: DECIDED,
    answer: async (c) => {
      const body = await readOptionalBody(c, Approve);
      return body.ok ? decide(c, "approve", body.value) : problem(body);
    },
  },
  {
    method: "POST",
    path: "/v1/approvals/:id/deny",
    operationId: "deny",
    summary: "Deny a call; the comment goes to its agent",
    tag: "approvals",
    permission: "approvals.decide",
    parameters: [ID],
    body: Deny,
    responses: DECIDED,
    answer: async (c) => {
      const body = await readOptionalBody(c, Deny);
      return body.ok ? decide(c, "deny", body.value) : problem(body);
    },
  },
  {
    method: "POST",
    path: "/v1/approvals/:id/withdraw",
    operationId: "withdrawApproval",
    summary: "Take a waiting call back; an agent's key only its own",
    tag: "approvals",
    permission: "approvals.withdraw",
    parameters: [ID],
    body: Withdraw,
    responses: {
      200: { description: "The call, withdrawn", schema: ToolCallView },
      403: { description: "`approval_expired`" },
      404: { description: "No such approval, or not this key's" },
      409: { description: "`approval_resolved`" },
    },
    answer: (c) => withdraw(c),
  },
];

async function decide(
  c: HttpContext,
  verdict: Vote["verdict"],
  { comment, digest }: z.infer<typeof Approve>,
): Promise<Response> {
  const tenant = await tenantOf(c);
  if (!tenant.ok) return problem(tenant);
  const { ports } = c.var.runtime;
  const { keyId, roles, scopes } = c.var.principal;
  const by = { by: keyId, via: "api", roles: approverRoles(roles, scopes) } as const;
  const vote = { ...by, verdict, comment: comment ?? null };
  const approval = pathParameter(c, "id");
  return answerWith(c, (recorder) => decideApproval(ports, { tenant: tenant.value, approval, vote, digest }, recorder));
}

async function withdraw(c: HttpContext): Promise<Response> {
  const tenant = await tenantOf(c);
  if (!tenant.ok) return problem(tenant);
  const body = await readOptionalBody(c, Withdraw);
  if (!body.ok) return problem(body);
  const { ports } = c.var.runtime;
  const approval = pathParameter(c, "id");
  const found = await readApproval(ports, tenant.value, approval);
  if (!found.ok) return problem(found);
  const { principal } = c.var;
  if (!mayWithdraw(principal, found.value)) return notFound(`approval "${approval}"`);
  const by = principal.keyId;
  return answerWith(c, (recorder) => withdrawApproval(ports, { tenant: tenant.value, approval, by }, recorder));
}

function mayWithdraw(principal: Principal, { request }: ToolCallRecord): boolean {
  return (
    !isAgentOnly(principal) ||
    request.ask.principal.key_id === principal.keyId ||
    mayActAs(principal, request.ask.actor)
  );
}

async function answerWith(
  c: HttpContext,
  act: (recorder: Recorder) => Promise<Outcome<ToolCallRecord>>,
): Promise<Response> {
  const defer = deferOf(c);
  const acting = act(c.var.runtime.recorder(defer));
  // Who leaves does not cancel an effect that has begun.
  defer(acting.catch(() => undefined));
  const outcome = await acting;
  const { principal, runtime } = c.var;
  const config = isAgentOnly(principal) ? await runtime.ports.configs.active(principal.tenant) : undefined;
  const explain = explainTo(principal, config);
  return outcome.ok ? Response.json(viewOf(outcome.value, false, explain)) : problem(refusalFor(outcome, explain));
}

const QUERY = ["status", "limit", "cursor", "tenant"];

function readFilter(c: HttpContext): Outcome<Parameters<ApprovalInbox["list"]>[1]> {
  const page = readPageQuery(c, { known: QUERY, statuses: APPROVAL_STATUSES });
  if (!page.ok) return page;
  const { cursor } = c.req.query();
  return accept({
    ...page.value,
    now: c.var.runtime.ports.system.now(),
    ...(cursor === undefined ? {} : { cursor }),
  });
}

function shownLine(line: InboxLine): z.infer<typeof Line> {
  return {
    ...line,
    requested_at: iso(line.requested_at),
    expires_at: iso(line.expires_at),
    resolved_at: line.resolved_at === null ? null : iso(line.resolved_at),
  };
}

function shownApproval(record: ToolCallRecord): z.infer<typeof ApprovalView> | null {
  const { approval, request } = record;
  if (approval === null) return null;
  const { ask } = request;
  return {
    id: approval.id,
    tool_call_id: request.id,
    status: approval.status,
    kind: approval.kind,
    actor: ask.actor,
    tool: ask.tool,
    session_id: ask.session,
    requested_by: ask.principal.key_id,
    requested_at: iso(approval.requestedAt),
    expires_at: iso(approval.expiresAt),
    resolved_at: approval.resolvedAt === null ? null : iso(approval.resolvedAt),
    digest: approval.digest,
    requirements: approval.requirements.map((each) => ({ ...each, roles: [...each.roles] })),
    votes: approval.votes.map((vote) => ({ ...vote, at: iso(vote.at), roles: [...vote.roles] })),
    user: ask.user,
    confidence: ask.confidence,
    args: ask.args,
    tool_call: viewOf(record, false),
  };
}

function iso(ms: number): string {
  return new Date(ms).toISOString();
}
