// Touches `audit verify`: a chain verified by the gateway, or an export or a proof on disk, without any network.
import { readFileSync } from "node:fs";
import type { Command } from "commander";
import type { AuditKey, SignedCheckpoint } from "../core/audit/chain.ts";
import { SignedCheckpointShape } from "../core/audit/lines.ts";
import { verifyProof } from "../core/audit/proof.ts";
import { verifyExport } from "../core/audit/verify-export.ts";
import { isSignedBy, keysOf } from "./audit-signatures.ts";
import { outputOf, report, toolsOf, type CommandTools, type Output } from "./command-line.ts";
import { CommandFailure, EXIT } from "./exit-codes.ts";
import { AuditVerification } from "./received.ts";
import type { Terminal } from "./terminal.ts";

interface VerifyOptions {
  readonly file?: string;
  readonly proof?: string;
  readonly keys?: string;
  readonly pin?: string;
}

const HELP = `
Without a file the gateway verifies its own chain. An export is verified here, without the network:
it is as good as the keys that are believed (--keys), and as long as a checkpoint kept elsewhere says (--pin).
Exit codes: 0 as it was written, 1 problems, each with its entry, 3 could not be read.`;

/** Adds `audit verify`. */
export function addAuditVerify(audit: Command, terminal: Terminal): void {
  audit
    .command("verify")
    .description("verify the chain: every hash and every signature")
    .option("--file <export.ndjson>", "verify this export")
    .option("--proof <proof.json>", "verify this inclusion proof")
    .option("--keys <jwks.json>", "believe only these keys, as `/v1/audit/keys` published them")
    .option("--pin <checkpoint.json>", "the chain must reach this checkpoint, and agree with it")
    .addHelpText("after", HELP)
    .action((options: VerifyOptions, command: Command) => {
      if (options.proof !== undefined) return verifyProofFile(outputOf(command, terminal), options.proof, options.keys);
      if (options.file !== undefined) return verifyFile(outputOf(command, terminal), options.file, options);
      return verifyThere(toolsOf(command, terminal));
    });
}

function verifyFile(output: Output, file: string, { keys, pin }: VerifyOptions): void {
  const lines = textOf(file).split("\n");
  if (lines.at(-1) === "") lines.pop();
  if (lines.length === 0) throw unread(`${file} is empty`);
  const pins = pin === undefined ? [] : [pinOf(pin)];
  const result = verifyExport(lines, {
    isSigned: isSignedBy,
    pins,
    ...(keys === undefined ? {} : { keys: keySetOf(keys) }),
  });
  const { events, from_seq, head, problems, signed_by, tenant } = result;
  const believed =
    keys === undefined
      ? [`signed by ${signed_by.join(", ") || "nobody"}: keys from the file itself, --keys pins them`]
      : [`signed by ${signed_by.join(", ") || "nobody"}, of ${keys}`];
  const range = events === 0 ? "no events" : `${events} events, entries ${from_seq} to ${head.seq}`;
  end(output, result, problems, [`tenant ${tenant ?? "unknown"}: ${range}, hash ${head.hash}`, ...believed]);
}

function verifyProofFile(output: Output, file: string, keys: string | undefined): void {
  if (keys === undefined) throw unread("--proof needs --keys: a proof is as good as the keys that are believed");
  const known = keySetOf(keys);
  const problems = verifyProof(jsonIn(file), (signed) => isSignedBy(signed, known));
  end(output, { ok: problems.length === 0, problems }, problems, [
    "the event is in the chain that the checkpoint signs",
  ]);
}

/** Has the gateway verify stretch after stretch. */
async function verifyThere(tools: CommandTools): Promise<void> {
  const problems: AuditVerification["problems"][number][] = [];
  let events = 0;
  let first: number | undefined;
  let next: number | null = 1;
  let last: AuditVerification | undefined;
  while (next !== null) {
    const asked: { readonly method: "GET"; readonly path: string } = {
      method: "GET",
      path: `/v1/audit/verify?from_seq=${next}`,
    };
    last = await tools.gateway.get(asked, AuditVerification);
    problems.push(...last.problems);
    events += last.events;
    first ??= last.from_seq;
    next = last.next;
  }
  const head = last?.head ?? { seq: 0, hash: "" };
  const result = {
    ok: problems.length === 0,
    events,
    from_seq: first ?? 1,
    head,
    checkpoint: last?.checkpoint,
    problems,
  };
  const range = events === 0 ? "no events" : `${events} events, entries ${first ?? 1} to ${head.seq}`;
  end(tools, result, problems, [`${range}, hash ${head.hash}`]);
}

function end(
  output: Output,
  result: unknown,
  problems: readonly { readonly seq: number; readonly kind: string; readonly detail: string }[],
  lines: readonly string[],
): void {
  const told = problems.map(({ seq, kind, detail }) => `  entry ${seq}: ${kind}: ${detail}`);
  if (problems.length === 0) return report(output, result, [`ok: ${lines[0] ?? ""}`, ...lines.slice(1)]);
  if (output.isJson) output.terminal.printJson(result);
  const count = `${problems.length} problem${problems.length === 1 ? "" : "s"}: the chain is not as it was written`;
  throw new CommandFailure(EXIT.refused, [count, ...told]);
}

function keySetOf(file: string): readonly AuditKey[] {
  const keys = keysOf(jsonIn(file));
  if (keys === undefined || keys.length === 0) throw unread(`${file} is no JWK set with an Ed25519 key`);
  return keys;
}

/** A checkpoint kept elsewhere: on its own, or in the answer of `/v1/audit/verify`. */
function pinOf(file: string): SignedCheckpoint {
  const value = jsonIn(file);
  const inside =
    typeof value === "object" && value !== null && "signature" in value ? value : membersOf(value)["checkpoint"];
  const parsed = SignedCheckpointShape.safeParse(inside);
  if (!parsed.success) throw unread(`${file} is no signed checkpoint`);
  return parsed.data;
}

function membersOf(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null ? { ...value } : {};
}

function jsonIn(file: string): unknown {
  const text = textOf(file);
  try {
    return JSON.parse(text);
  } catch {
    throw unread(`${file} is no JSON`);
  }
}

function textOf(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    throw unread(`could not read ${file}: ${error instanceof Error ? error.message : "it failed"}`);
  }
}

function unread(line: string): CommandFailure {
  return new CommandFailure(EXIT.couldNotRun, [line]);
}
