// Touches what is asked before a config changes: `config test`, `config diff`, `config replay`; and the way back: `config rollback`.
import { Option, type Command } from "commander";
import { diffConfigs } from "../core/config/diff.ts";
import { readDocument } from "../core/config/read-document.ts";
import { previewConfig } from "../core/config/preview.ts";
import { unpublished } from "../core/config/published.ts";
import { diffBoundaries } from "../core/policy/analysis/boundary-diff.ts";
import { readDuration } from "../core/units/window.ts";
import { outputOf, report, toolsOf, type CommandTools, type Output } from "./command-line.ts";
import { mistakeLine } from "./config-file.ts";
import { countOf, replayLines, reviewLines, type ShownReview } from "./config-review-lines.ts";
import { countOf as mistakesIn, documentOf, readActive, readConfigFile, versionOf } from "./config-source.ts";
import { CommandFailure, EXIT, usageFailure } from "./exit-codes.ts";
import { refusalFailure } from "./gateway-client.ts";
import { PublishedVersion, ReplayReport, RolledBackVersion } from "./received.ts";
import type { Terminal } from "./terminal.ts";

/** Adds the commands under `config`. */
export function addConfigReviewCommands(config: Command, terminal: Terminal): void {
  config
    .command("test <file>")
    .description("check a document and run its policy tests here, without a gateway")
    .action((file: string, _: unknown, command: Command) => test(outputOf(command, terminal), file));
  config
    .command("diff <file-or-version> [file-or-version]")
    .description("what changes from the first to the second; a file alone is compared with the active version")
    .action((first: string, second: string | undefined, _: unknown, command: Command) =>
      diff(toolsOf(command, terminal), first, second),
    );
  config
    .command("replay <file-or-version>")
    .description("decide recorded calls again under this policy: what would have changed")
    .option("--from <time>", "RFC 3339 time, or how long ago, such as 7d (24h before --to when left out)")
    .option("--to <time>", "RFC 3339 time, or how long ago (now when left out)")
    .option("--actor <actor>", "only calls of this actor")
    .option("--tool <tool>", "only calls of this tool")
    .option("--limit <n>", "calls read at most, the newest first")
    .addOption(
      new Option("--fail-on <what>", "exit 1 when a write is newly allowed, or when any decision changes").choices([
        "newly_allowed",
        "any",
      ]),
    )
    .action((source: string, options: ReplayOptions, command: Command) =>
      replay(toolsOf(command, terminal), source, options),
    );
  config
    .command("rollback <version>")
    .description("publish an earlier version's document as the next version")
    .option("--reason <text>", "why, for whoever asks later")
    .action((version: string, { reason }: { readonly reason?: string }, command: Command) =>
      rollback(toolsOf(command, terminal), version, reason),
    );
}

function test(output: Output, file: string): void {
  const read = readConfigFile(file);
  const preview = read.ok ? previewConfig(read.document) : undefined;
  const mistakes = !read.ok
    ? read.mistakes
    : preview?.check.ok === false
      ? preview.check.mistakes.map(read.locate)
      : [];
  if (mistakes.length > 0) {
    report(output, { ok: false, mistakes }, mistakes.map(mistakeLine));
    throw new CommandFailure(EXIT.refused, [mistakesIn(mistakes, file)]);
  }
  const warnings = read.ok && preview?.check.ok === true ? preview.check.warnings.map(read.locate) : [];
  const { tests = 0, unchecked = [] } = preview ?? {};
  report(output, { ok: true, tests, warnings, unchecked }, [
    `ok: ${countOf(tests, "policy test")} passed in ${file}`,
    ...warnings.map((each) => `warning: ${mistakeLine(each)}`),
    ...unchecked.map((each) => `not checked without a gateway: ${each}`),
  ]);
}

async function diff(tools: CommandTools, first: string, second: string | undefined): Promise<void> {
  const isVersion = versionOf(first) !== undefined;
  const active = second === undefined ? ((await readActive(tools))?.document ?? {}) : undefined;
  const named = await load(tools, first);
  const [before, after] =
    second === undefined ? (isVersion ? [named, active] : [active, named]) : [named, await load(tools, second)];
  const review = reviewOf(before, after);
  report(tools, review, reviewLines(review));
}

async function load({ gateway }: CommandTools, source: string): Promise<unknown> {
  const version = versionOf(source);
  if (version === undefined) return documentOf(source);
  return (await gateway.get({ method: "GET", path: `/v1/config?version=${version}` }, PublishedVersion)).document;
}

/** Compares two documents here; only those that a release of today would publish are tried at their edges. */
function reviewOf(before: unknown, after: unknown): ShownReview {
  const was = readDocument(before);
  const is = readDocument(after, was.ok ? was.document : undefined);
  const unreadable = !was.ok ? before : after;
  if (!was.ok || !is.ok) {
    const { check } = previewConfig(unreadable);
    throw new CommandFailure(EXIT.refused, check.ok ? [] : check.mistakes.map(mistakeLine));
  }
  const [old, now] = [previewConfig(before).check, previewConfig(after, was.document).check];
  const changes = diffConfigs(was.document, is.document);
  const boundaries =
    old.ok && now.ok
      ? diffBoundaries(unpublished(old.document, old.rules), unpublished(now.document, now.rules))
      : { changes: [], probes: 0, truncated: false };
  return { diff: changes, boundaries };
}

interface ReplayOptions {
  readonly from?: string;
  readonly to?: string;
  readonly actor?: string;
  readonly tool?: string;
  readonly limit?: string;
  readonly failOn?: "newly_allowed" | "any";
}

async function replay(tools: CommandTools, source: string, options: ReplayOptions): Promise<void> {
  const found = await tools.gateway.get(
    { method: "POST", path: "/v1/config/replay", body: questionOf(source, options) },
    ReplayReport,
  );
  report(tools, found, replayLines(found));
  const { count } = found.newly_allowed_writes;
  if (options.failOn !== undefined && found.decided === 0)
    throw new CommandFailure(EXIT.couldNotRun, ["no recorded call was decided again: this proves nothing"]);
  if (options.failOn === "any" && found.changed > 0)
    throw new CommandFailure(EXIT.refused, [`${countOf(found.changed, "decision")} would change`]);
  if (options.failOn === "newly_allowed" && count > 0)
    throw new CommandFailure(EXIT.refused, [`${countOf(count, "write")} would be newly allowed`]);
}

function questionOf(source: string, { from, to, actor, tool, limit }: ReplayOptions): unknown {
  if (limit !== undefined && !/^[1-9]\d{0,4}$/.test(limit))
    throw usageFailure("--limit: expected a whole number from 1 to 10000");
  const version = versionOf(source);
  return {
    ...(version === undefined ? { config: documentOf(source) } : { version }),
    ...(from === undefined ? {} : { from: instantOf("--from", from) }),
    ...(to === undefined ? {} : { to: instantOf("--to", to) }),
    ...(actor === undefined ? {} : { actor }),
    ...(tool === undefined ? {} : { tool }),
    ...(limit === undefined ? {} : { limit: Number(limit) }),
  };
}

function instantOf(option: string, text: string): string {
  const ago = readDuration(text);
  const at = ago === undefined ? Date.parse(text) : Date.now() - ago;
  if (Number.isNaN(at)) throw usageFailure(`${option}: expected an RFC 3339 time, or how long ago, such as 7d`);
  return new Date(at).toISOString();
}

async function rollback(tools: CommandTools, text: string, reason: string | undefined): Promise<void> {
  const version = versionOf(text);
  if (version === undefined) throw usageFailure("version: expected a number such as 3, or v3");
  const active = await readActive(tools);
  const body = { version, ...(reason === undefined ? {} : { reason }) };
  const answer = await tools.gateway.ask(
    { method: "POST", path: "/v1/config/rollback", body, ifMatch: active?.etag ?? '"0"' },
    RolledBackVersion,
  );
  if (!answer.ok) throw refusalFailure(answer);
  const done = answer.value;
  report(tools, done, [
    `published version ${done.version} (policy version ${done.policy_version}): the document of version ${version}`,
    ...done.warnings.map((each) => `warning: ${mistakeLine(each)}`),
  ]);
}
