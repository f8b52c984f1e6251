// Touches approvals: `approvals list`, `show`, `approve`, `deny`, `withdraw`.
import type { Command } from "commander";
import { stringify } from "yaml";
import { isJsonObject } from "../core/json/canonical.ts";
import { report, toolsOf, type CommandTools } from "./command-line.ts";
import { usageFailure } from "./exit-codes.ts";
import { ApprovalDecided, ApprovalListing, ApprovalView } from "./received.ts";
import type { Terminal } from "./terminal.ts";
import { tableLines } from "./visible-text.ts";

interface DecideOptions {
  readonly comment?: string;
  readonly digest?: string;
}

/** Adds the `approvals` commands. */
export function addApprovalCommands(program: Command, terminal: Terminal): void {
  const approvals = program.command("approvals").description("calls that wait for people");
  approvals
    .command("list")
    .description("list approvals, newest first")
    .option("--status <status>", "only these: pending, approved, denied, expired, withdrawn, …")
    .action(({ status }: { readonly status?: string }, command: Command) => list(toolsOf(command, terminal), status));
  approvals
    .command("show <id>")
    .description("show exactly what is to be approved")
    .action((id: string, _: unknown, command: Command) => show(toolsOf(command, terminal), id));
  approvals
    .command("approve <id>")
    .description("approve a call: with the last approval it needs, the gateway executes it")
    .option("--comment <text>", "why, for the record")
    .option("--digest <hex>", "only if this is still what is to be approved, as `approvals show` printed it")
    .action((id: string, options: DecideOptions, command: Command) =>
      decide(toolsOf(command, terminal), id, { verb: "approve", ...options }),
    );
  approvals
    .command("deny <id>")
    .description("deny a call")
    .requiredOption("--comment <text>", "why: the agent is told")
    .action((id: string, options: DecideOptions, command: Command) =>
      decide(toolsOf(command, terminal), id, { verb: "deny", ...options }),
    );
  approvals
    .command("withdraw <id>")
    .description("take a waiting call back")
    .action((id: string, _: unknown, command: Command) => decide(toolsOf(command, terminal), id, { verb: "withdraw" }));
}

async function list(tools: CommandTools, status: string | undefined): Promise<void> {
  const query = status === undefined ? "" : `?status=${encodeURIComponent(status)}`;
  const found = await tools.gateway.get({ method: "GET", path: `/v1/approvals${query}` }, ApprovalListing);
  const more = typeof found.next_cursor === "string" ? ["there are older ones"] : [];
  report(tools, found, [...approvalTable(found.data), ...more]);
}

/** The approvals as a table. */
export function approvalTable(approvals: readonly ApprovalView[]): readonly string[] {
  if (approvals.length === 0) return ["no approvals"];
  const rows = approvals.map((each) => [
    each.id,
    each.status,
    each.kind ?? "-",
    each.actor ?? "-",
    toolOf(each),
    each.expires_at ?? "-",
  ]);
  return tableLines(["ID", "STATUS", "KIND", "ACTOR", "TOOL", "EXPIRES"], rows);
}

function toolOf({ tool }: ApprovalView): string {
  if (typeof tool === "string") return tool;
  return isJsonObject(tool) && typeof tool["name"] === "string" ? tool["name"] : "-";
}

async function show(tools: CommandTools, id: string): Promise<void> {
  const found = await tools.gateway.get({ method: "GET", path: pathOf(id) }, ApprovalView);
  report(tools, found, stringify(found, { lineWidth: 0 }).trimEnd().split("\n"));
}

async function decide(
  tools: CommandTools,
  id: string,
  { verb, comment, digest }: DecideOptions & { readonly verb: "approve" | "deny" | "withdraw" },
): Promise<void> {
  if (verb === "deny" && comment?.trim() === "") throw usageFailure("--comment: expected why it is denied");
  const body = { ...(comment === undefined ? {} : { comment }), ...(digest === undefined ? {} : { digest }) };
  const request = { method: "POST", path: `${pathOf(id)}/${verb}`, body } as const;
  const answer = await tools.gateway.get(request, ApprovalDecided);
  report(tools, answer, [`${id}: ${answer.status ?? `${verb} was counted`}`]);
}

function pathOf(id: string): string {
  if (!/^\w{1,80}$/.test(id)) throw usageFailure("expected an approval's id, `ap_…` as `approvals list` shows it");
  return `/v1/approvals/${id}`;
}
