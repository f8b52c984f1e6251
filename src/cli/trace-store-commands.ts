// Touches all of a tenant's records: `traces export` into a file, `traces reindex` until the last segment is read.
import { open, type FileHandle } from "node:fs/promises";
import { Option, type Command } from "commander";
import * as z from "zod/mini";
import { report, toolsOf, type CommandTools } from "./command-line.ts";
import { CommandFailure, EXIT } from "./exit-codes.ts";
import type { Terminal } from "./terminal.ts";

interface ExportOptions {
  readonly from?: string;
  readonly to?: string;
  readonly format: string;
  readonly output: string;
}

const Trailer = z.object({
  interlock_export: z.object({ records: z.int(), next_cursor: z.nullable(z.string()) }),
});
const Reindexed = z.object({
  segments: z.int(),
  records: z.int(),
  skipped: z.int(),
  next_cursor: z.nullable(z.string()),
});

interface ReindexOptions extends Pick<ExportOptions, "from" | "to"> {
  readonly recent?: boolean;
}

/** Adds the `traces` commands. */
export function addTraceStoreCommands(program: Command, terminal: Terminal): void {
  const traces =
    program.commands.find((each) => each.name() === "traces") ??
    program.command("traces").description("all recorded calls");
  traces
    .command("export")
    .description("write records to a file, newest first, one line of JSON each")
    .option("--from <time>", "RFC 3339 time, inclusive")
    .option("--to <time>", "RFC 3339 time, inclusive")
    .addOption(
      new Option("--format <format>", "whole records, or flat rows").choices(["ndjson", "rows"]).default("ndjson"),
    )
    .requiredOption("--output <file>", "the file; what it holds is replaced")
    .action((options: ExportOptions, command: Command) => exportAll(toolsOf(command, terminal), options));
  traces
    .command("reindex")
    .description("add to the index what it lacks of the stored segments")
    .option("--from <day>", "first day of storing, yyyy-mm-dd")
    .option("--to <day>", "last day of storing, yyyy-mm-dd")
    .option("--recent", "segments of the last fifteen minutes too: once the trace queue is empty")
    .action((options: ReindexOptions, command: Command) => reindexAll(toolsOf(command, terminal), options));
}

async function exportAll(tools: CommandTools, { from, to, format, output }: ExportOptions): Promise<void> {
  const file = await open(output, "w").catch((error: unknown) => {
    throw new CommandFailure(EXIT.couldNotRun, [`could not write ${output}: ${String(error)}`]);
  });
  let records = 0;
  try {
    let cursor: string | null = null;
    do {
      const query = new URLSearchParams({
        format,
        ...(from === undefined ? {} : { from }),
        ...(to === undefined ? {} : { to }),
        ...(cursor === null ? {} : { cursor }),
      });
      const trailer = await writePart(tools, file, `/v1/traces/export?${query}`);
      records += trailer.records;
      cursor = trailer.next_cursor;
    } while (cursor !== null);
  } finally {
    await file.close();
  }
  report(tools, { records, output }, [`${records} records written to ${output}`]);
}

/** Writes one answer's lines as they come, all but its trailer; answers that. */
async function writePart(
  { gateway }: CommandTools,
  file: FileHandle,
  path: string,
): Promise<z.infer<typeof Trailer>["interlock_export"]> {
  let trailer: string | undefined;
  for await (const lines of linesOf(gateway.pieces(path))) {
    const isLast = (line: string): boolean => line.startsWith('{"interlock_export":');
    trailer = lines.find(isLast) ?? trailer;
    const kept = lines.filter((line) => line !== "" && !isLast(line));
    if (kept.length > 0) await file.write(`${kept.join("\n")}\n`);
  }
  const parsed = Trailer.safeParse(JSON.parse(trailer ?? "null"));
  if (parsed.success) return parsed.data.interlock_export;
  throw new CommandFailure(EXIT.couldNotRun, ["the export ended before its last line: what was written is not whole"]);
}

/** Lines as they become whole, some at a time. */
async function* linesOf(pieces: AsyncIterable<Uint8Array>): AsyncGenerator<readonly string[]> {
  const decoder = new TextDecoder();
  let rest = "";
  for await (const piece of pieces) {
    const lines = `${rest}${decoder.decode(piece, { stream: true })}`.split("\n");
    rest = lines.pop() ?? "";
    yield lines;
  }
  yield [rest];
}

async function reindexAll(tools: CommandTools, asked: ReindexOptions): Promise<void> {
  let cursor: string | null = null;
  const total = { segments: 0, records: 0, skipped: 0 };
  do {
    const body: Readonly<Record<string, string | boolean>> = { ...asked, ...(cursor === null ? {} : { cursor }) };
    const done: z.infer<typeof Reindexed> = await tools.gateway.get(
      { method: "POST", path: "/v1/traces/reindex", body },
      Reindexed,
    );
    total.segments += done.segments;
    total.records += done.records;
    total.skipped += done.skipped;
    cursor = done.next_cursor;
  } while (cursor !== null);
  report(tools, total, [
    `${total.records} records in ${total.segments} segments are in the index`,
    ...(total.skipped === 0 ? [] : [`${total.skipped} segments are younger than 15 minutes: run it again later`]),
  ]);
}
