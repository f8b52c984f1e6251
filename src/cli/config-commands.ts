// Touches the tenant's config: `config check`, `config apply`, `config get`; and adds the commands that look at changes.
import { writeFileSync } from "node:fs";
import type { Command } from "commander";
import { stringify } from "yaml";
import { report, toolsOf, type CommandTools } from "./command-line.ts";
import { changeLines } from "./config-changes.ts";
import { mistakeLine } from "./config-file.ts";
import { addConfigReviewCommands } from "./config-review-commands.ts";
import { reviewLines } from "./config-review-lines.ts";
import { checkFile, readActive, reasonOf, type Active } from "./config-source.ts";
import { CommandFailure, EXIT, usageFailure } from "./exit-codes.ts";
import { refusalFailure } from "./gateway-client.ts";
import { ConfigVersion, ConfigVersions, PublishedVersion } from "./received.ts";
import type { Terminal } from "./terminal.ts";
import { tableLines } from "./visible-text.ts";

/** Adds the `config` commands. */
export function addConfigCommands(program: Command, terminal: Terminal): void {
  const config = program.command("config").description("the tenant's config document");
  config
    .command("check <file>")
    .description("check a YAML or JSON document without publishing it: every mistake, or what publishing would change")
    .action((file: string, _: unknown, command: Command) => check(toolsOf(command, terminal), file));
  config
    .command("apply <file>")
    .description("publish a YAML or JSON document, unless it is what is active already")
    .option("--dry-run", "say what would change, and publish nothing")
    .action((file: string, { dryRun = false }: { readonly dryRun?: boolean }, command: Command) =>
      apply(toolsOf(command, terminal), file, dryRun),
    );
  config
    .command("get")
    .description("print the active document, as YAML (or JSON with --json)")
    .option("--version <n>", "this version instead of the active one")
    .option("-o, --output <file>", "write it to a file")
    .action((options: GetOptions, command: Command) => get(toolsOf(command, terminal), options));
  config
    .command("versions")
    .description("list every published version, the active one last")
    .action((_: unknown, command: Command) => versions(toolsOf(command, terminal)));
  addConfigReviewCommands(config, terminal);
}

async function versions(tools: CommandTools): Promise<void> {
  const { data } = await tools.gateway.get({ method: "GET", path: "/v1/config/versions" }, ConfigVersions);
  const rows = data.map(({ version, policy_version, published_at, published_by, rolled_back_to }) => [
    String(version),
    policy_version,
    published_at,
    published_by,
    rolled_back_to === undefined ? "" : `rolls back to ${rolled_back_to}`,
  ]);
  report(tools, { data }, tableLines(["version", "policy version", "published", "by", ""], rows));
}

interface GetOptions {
  readonly version?: string;
  readonly output?: string;
}

async function check(tools: CommandTools, file: string): Promise<void> {
  const checked = await checkFile(tools, file);
  if (checked.ok) {
    const { digest, warnings, review } = checked;
    report(tools, { ok: true, digest, warnings, ...review }, [
      `ok: ${file} can be published`,
      ...warnings.map((each) => `warning: ${mistakeLine(each)}`),
      ...reviewLines(review),
    ]);
    return;
  }
  report(tools, { ok: false, mistakes: checked.mistakes }, checked.mistakes.map(mistakeLine));
  throw new CommandFailure(EXIT.refused, [checked.summary]);
}

async function apply(tools: CommandTools, file: string, isDryRun: boolean): Promise<void> {
  const checked = await checkFile(tools, file);
  if (!checked.ok) throw new CommandFailure(EXIT.refused, [...checked.mistakes.map(mistakeLine), checked.summary]);
  const active = await readActive(tools);
  if (active?.digest === checked.digest) {
    const { version, policy_version, digest } = active;
    report(tools, { status: "unchanged", version, policy_version, digest }, [
      `unchanged: version ${version} (${policy_version}) is active already`,
    ]);
    return;
  }
  const changes = changeLines(active?.document, checked.document);
  if (isDryRun) {
    const version = (active?.version ?? 0) + 1;
    report(tools, { status: "would_publish", version, digest: checked.digest, changes }, [
      `would publish version ${version}:`,
      ...changes.map((change) => `  ${change}`),
    ]);
    return;
  }
  const published = await publish(tools, checked.document, active);
  report(tools, { status: "published", ...published }, [
    `published version ${published.version} (policy version ${published.policy_version})`,
  ]);
}

async function publish(
  { gateway }: CommandTools,
  document: unknown,
  active: Active | undefined,
): Promise<{ readonly version: number; readonly policy_version: string; readonly digest: string }> {
  // Version 0 is the one before the first: also a first publication loses to one that came in between.
  const ifMatch = active?.etag ?? '"0"';
  const answer = await gateway.ask({ method: "PUT", path: "/v1/config", body: document, ifMatch }, ConfigVersion);
  if (answer.ok) return answer.value;
  if (answer.problem.code !== "precondition_failed") throw refusalFailure(answer);
  throw new CommandFailure(EXIT.refused, [
    `${answer.problem.code}: someone published another version while this one was being applied; nothing was changed`,
    "read it with `interlock config get`, take its changes into your file, and apply again",
  ]);
}

async function get(tools: CommandTools, { version, output }: GetOptions): Promise<void> {
  if (version !== undefined && !/^[1-9]\d{0,8}$/.test(version))
    throw usageFailure("--version: expected a whole number of at least 1");
  const path = version === undefined ? "/v1/config" : `/v1/config?version=${version}`;
  const found = await tools.gateway.get({ method: "GET", path }, PublishedVersion);
  const head = `# version ${found.version} (${found.policy_version}), published ${found.published_at} by ${found.published_by}\n`;
  const text = tools.isJson
    ? `${JSON.stringify(found.document, null, 2)}\n`
    : head + stringify(found.document, { lineWidth: 0, aliasDuplicateObjects: false });
  if (output === undefined) {
    tools.terminal.raw(text);
    return;
  }
  try {
    writeFileSync(output, text);
  } catch (error) {
    throw usageFailure(`${output}: ${reasonOf(error)}`);
  }
  tools.terminal.warn(`wrote version ${found.version} to ${output}`);
}
