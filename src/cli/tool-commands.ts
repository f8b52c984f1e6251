// Decides which tools an OpenAPI document becomes, for a person to review: `tools import`. Asks no gateway.
import type { Command } from "commander";
import { stringify } from "yaml";
import { notesOf, skippedText } from "../core/config/read-document.ts";
import { importOpenApi, type ImportTerms, type OpenApiImport } from "../core/config/openapi-import.ts";
import { outputOf, type Output } from "./command-line.ts";
import { mistakeLine, readConfigText } from "./config-file.ts";
import { documentOf } from "./config-source.ts";
import { CommandFailure, EXIT, usageFailure } from "./exit-codes.ts";
import type { Terminal } from "./terminal.ts";

const TIMEOUT_MS = 30_000;
const MAX_BYTES = 16 * 1024 * 1024;

interface ImportOptions {
  readonly prefix?: string;
  readonly only?: string;
  readonly server?: string;
  readonly service?: string;
  readonly from?: string;
}

/** Adds the `tools` commands. */
export function addToolCommands(program: Command, terminal: Terminal): void {
  const tools = program.command("tools").description("tools of the config, made from what others publish");
  tools
    .command("import [file]")
    .description("print the tools of an OpenAPI 3.0 or 3.1 document, YAML or JSON, for review")
    .option("--from <address>", "fetch the document from this address instead of reading a file")
    .option("--prefix <name>", "stands before the tools' names with a dot")
    .option("--only <operations>", "import only these operations, separated by commas")
    .option("--server <address>", "the address before the paths, instead of the document's first server")
    .option("--service <binding>", "reach the tools through this service binding instead of the network")
    .action((file: string | undefined, options: ImportOptions, command: Command) =>
      importTools(outputOf(command, terminal), file, options),
    );
}

async function importTools(output: Output, file: string | undefined, options: ImportOptions): Promise<void> {
  const document = await documentFrom(file, options);
  const imported = importOpenApi(document, termsOf(options));
  if (!imported.ok) throw new CommandFailure(EXIT.refused, imported.mistakes.map(mistakeLine));
  print(output, imported);
}

async function documentFrom(file: string | undefined, { from }: ImportOptions): Promise<unknown> {
  if (file !== undefined && from === undefined) return documentOf(file);
  if (file === undefined && from !== undefined) return fetched(from);
  throw usageFailure("expected either a file or --from <address>");
}

function termsOf({ prefix, only, server, service }: ImportOptions): ImportTerms {
  if (server !== undefined && !URL.canParse(server)) throw usageFailure("--server: expected an absolute address");
  const listed = only
    ?.split(",")
    .map((each) => each.trim())
    .filter((each) => each !== "");
  return {
    ...(prefix === undefined ? {} : { prefix }),
    ...(listed === undefined ? {} : { only: listed }),
    ...(server === undefined ? {} : { server }),
    ...(service === undefined ? {} : { service }),
  };
}

function print({ terminal, isJson }: Output, { tools, skipped }: Extract<OpenApiImport, { readonly ok: true }>): void {
  const section = { tools: Object.fromEntries(tools.map(({ name, tool }) => [name, tool])) };
  const notes = tools.flatMap(notesOf);
  if (isJson) {
    terminal.printJson({ ...section, notes, skipped });
    return;
  }
  terminal.raw(stringify(section, { lineWidth: 0, aliasDuplicateObjects: false }));
  terminal.warn(
    `${tools.length} tools, ${skipped.length} operations left out; look at each effect before you publish`,
    ...notes.map((note) => `look at ${note}`),
    ...skipped.map(skippedText),
  );
}

async function fetched(address: string): Promise<unknown> {
  if (!URL.canParse(address)) throw usageFailure("--from: expected an absolute address");
  const failed = (why: string): CommandFailure => new CommandFailure(EXIT.couldNotRun, [`${address}: ${why}`]);
  let text: string;
  try {
    const response = await fetch(address, { signal: AbortSignal.timeout(TIMEOUT_MS) });
    if (!response.ok) throw failed(`answered ${response.status}`);
    const bytes = await response.arrayBuffer();
    if (bytes.byteLength > MAX_BYTES) throw failed("is larger than 16 MiB");
    text = new TextDecoder().decode(bytes);
  } catch (error) {
    throw error instanceof CommandFailure ? error : failed("cannot be fetched");
  }
  const read = readConfigText(text);
  if (read.ok) return read.document;
  throw new CommandFailure(EXIT.refused, read.mistakes.map(mistakeLine));
}
