// Touches the audit chain: `audit list`, `audit export`, `audit proof`, and `audit verify`, which asks nobody where a file is given.
import { writeFileSync } from "node:fs";
import { Option, type Command } from "commander";
import { AUDIT_KINDS } from "../core/audit/event.ts";
import { verifyProof } from "../core/audit/proof.ts";
import * as z from "zod/mini";
import { addAuditVerify } from "./audit-verify.ts";
import { isSignedBy, keysOf } from "./audit-signatures.ts";
import { report, toolsOf, type CommandTools } from "./command-line.ts";
import { CommandFailure, EXIT, usageFailure } from "./exit-codes.ts";
import { AuditKeySet, AuditListing } from "./received.ts";
import type { Terminal } from "./terminal.ts";
import { tableLines } from "./visible-text.ts";

interface ListOptions {
  readonly kind?: string;
  readonly who?: string;
  readonly from?: string;
  readonly to?: string;
  readonly limit?: string;
}

interface ExportOptions {
  readonly from?: string;
  readonly to?: string;
  readonly out?: string;
}

/** Adds the `audit` commands. */
export function addAuditCommands(program: Command, terminal: Terminal): void {
  const audit = program.command("audit").description("the tamper-evident chain of decisions and acts");
  audit
    .command("list")
    .description("list events, newest first")
    .addOption(new Option("--kind <kind>", "only events of this kind").choices(AUDIT_KINDS))
    .option("--who <id>", "only what this key or approver did")
    .option("--from <time>", "only since: an RFC 3339 time")
    .option("--to <time>", "only until: an RFC 3339 time")
    .option("--limit <n>", "1 to 200")
    .action((options: ListOptions, command: Command) => list(toolsOf(command, terminal), options));
  addAuditVerify(audit, terminal);
  audit
    .command("export")
    .description("export entries, signed checkpoints and keys as NDJSON")
    .option("--from <time>", "only segments appended since: an RFC 3339 time")
    .option("--to <time>", "only segments appended until: an RFC 3339 time")
    .option("--out <file>", "write to this file instead of stdout")
    .action((options: ExportOptions, command: Command) => exportTo(toolsOf(command, terminal), options));
  audit
    .command("proof <seq>")
    .description("prove that one event is in the chain, and print the proof once it holds")
    .action((seq: string, _options: unknown, command: Command) => prove(toolsOf(command, terminal), seq));
}

function queryOf(options: Readonly<Record<string, string | undefined>>): string {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(options)) if (value !== undefined) query.set(name, value);
  return query.size === 0 ? "" : `?${query.toString()}`;
}

async function list(tools: CommandTools, { kind, who, from, to, limit }: ListOptions): Promise<void> {
  const path = `/v1/audit${queryOf({ kind, who, from, to, limit })}`;
  const found = await tools.gateway.get({ method: "GET", path }, AuditListing);
  report(tools, found, auditTable(found));
}

function auditTable({ data, next_cursor }: AuditListing): readonly string[] {
  if (data.length === 0 && next_cursor === null) return ["no events"];
  const rows = data.map(({ event: { seq, at, kind, who, on, what } }) => [
    String(seq),
    new Date(at).toISOString(),
    kind,
    who,
    on["subject"] ?? "-",
    typeof what["status"] === "string" ? what["status"] : "-",
    on["trace"] ?? "-",
  ]);
  const more = next_cursor === null ? [] : ["there are more: narrow it with --from, --to, --kind or --who"];
  return [...tableLines(["SEQ", "AT", "KIND", "WHO", "SUBJECT", "STATUS", "TRACE"], rows), ...more];
}

async function exportTo(tools: CommandTools, { from, to, out }: ExportOptions): Promise<void> {
  const pieces = tools.gateway.pieces(`/v1/audit/export${queryOf({ from, to })}`);
  if (out === undefined) {
    const decoder = new TextDecoder();
    for await (const piece of pieces) tools.terminal.raw(decoder.decode(piece, { stream: true }));
    return;
  }
  let bytes = 0;
  for await (const piece of pieces) {
    written(out, piece, bytes === 0 ? "w" : "a");
    bytes += piece.byteLength;
  }
  report(tools, { file: out, bytes }, [`wrote ${bytes} bytes to ${out}`]);
}

function written(file: string, piece: Uint8Array, flag: "w" | "a"): void {
  try {
    writeFileSync(file, piece, { flag });
  } catch (error) {
    throw usageFailure(`could not write ${file}: ${error instanceof Error ? error.message : "it failed"}`);
  }
}

async function prove(tools: CommandTools, seq: string): Promise<void> {
  if (!/^[1-9]\d{0,14}$/.test(seq)) throw usageFailure("expected the number of an entry, as `audit list` shows it");
  const { gateway, terminal } = tools;
  const proof = await gateway.get({ method: "GET", path: `/v1/audit/${seq}/proof` }, z.unknown());
  const keys = keysOf(await gateway.get({ method: "GET", path: "/v1/audit/keys" }, AuditKeySet)) ?? [];
  const problems = verifyProof(proof, (signed) => isSignedBy(signed, keys));
  if (problems.length > 0)
    throw new CommandFailure(EXIT.refused, [
      `the proof of entry ${seq} does not hold:`,
      ...problems.map(({ kind, detail }) => `  ${kind}: ${detail}`),
    ]);
  terminal.printJson(proof);
}
