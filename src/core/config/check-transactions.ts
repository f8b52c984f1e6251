// Decides whether what a tool says of its probe and its compensation may be published: the tools exist, and their arguments fit.
import type { Mistake } from "../errors.ts";
import { isJsonObject } from "../json/canonical.ts";
import { readMappingPath, type Mapping } from "../policy/argument-mapping.ts";
import type { Schema } from "../policy/cel/schema-walk.ts";
import { findingMistakes } from "../policy/check/check-finding.ts";
import type { ConfigDocument, ToolEntry } from "./document.ts";
import { didYouMean } from "./mistakes.ts";

type Tools = ConfigDocument["tools"];

/** Every mistake in what a tool says of how its calls are settled and undone. */
export function transactionMistakes(path: string, entry: ToolEntry, tools: Tools): readonly Mistake[] {
  return [
    ...settleMistakes(path, entry),
    ...probeMistakes(path, entry, tools),
    ...compensationMistakes(path, entry, tools),
  ];
}

function settleMistakes(path: string, { settle, probe, idempotency, effect, hold_s }: ToolEntry): readonly Mistake[] {
  const unfit = (field: string, message: string): readonly Mistake[] => [{ path: `${path}.${field}`, message }];
  return [
    ...(settle === "probe" && probe === undefined ? unfit("settle", "expected a `probe` beside it") : []),
    ...(settle === "repeat" && idempotency?.header === undefined
      ? unfit("settle", "expected `idempotency.header` beside it: only an upstream that knows the key may see it again")
      : []),
    ...(effect === "read" && (probe !== undefined || hold_s !== undefined)
      ? unfit(probe === undefined ? "hold_s" : "probe", "expected only for a tool that has an effect")
      : []),
  ];
}

function probeMistakes(path: string, { probe, input_schema }: ToolEntry, tools: Tools): readonly Mistake[] {
  if (probe === undefined) return [];
  const conditions = [
    ["succeeded_when", probe.succeeded_when],
    ["failed_when", probe.failed_when],
  ] as const;
  const of = Object.hasOwn(tools, probe.tool) ? tools[probe.tool] : undefined;
  return [
    ...mappingMistakes(`${path}.probe`, probe, { tools, argsSchema: input_schema, hasResult: false }),
    ...(of !== undefined && of.effect !== "read"
      ? [{ path: `${path}.probe.tool`, message: `expected a tool with effect "read", not "${of.effect}"` }]
      : []),
    ...conditions.flatMap(([field, source]) =>
      source === undefined
        ? []
        : findingMistakes(source, input_schema).map(({ message, position }) => ({
            path: `${path}.probe.${field}`,
            message: `${message} at line ${position.line}, column ${position.column}`,
          })),
    ),
  ];
}

function compensationMistakes(path: string, entry: ToolEntry, tools: Tools): readonly Mistake[] {
  const { compensation, input_schema, effect } = entry;
  if (compensation === undefined) return [];
  return [
    ...mappingMistakes(`${path}.compensation`, compensation, { tools, argsSchema: input_schema, hasResult: true }),
    ...(effect === "read" ? [{ path: `${path}.compensation`, message: "a read has nothing to undo" }] : []),
  ];
}

interface MappingContext {
  readonly tools: Tools;
  readonly argsSchema: Schema;
  /** Whether the call has a result by then. */
  readonly hasResult: boolean;
}

function mappingMistakes(
  path: string,
  { tool, args }: { readonly tool: string; readonly args: Mapping },
  { tools, argsSchema, hasResult }: MappingContext,
): readonly Mistake[] {
  const target = Object.hasOwn(tools, tool) ? tools[tool] : undefined;
  if (target === undefined)
    return [{ path: `${path}.tool`, message: `"${tool}" is not in the config${didYouMean(tool, Object.keys(tools))}` }];
  const known = membersOf(target.input_schema);
  const required = target.input_schema["required"];
  const missing = (Array.isArray(required) ? required : []).filter((each) => !Object.hasOwn(args, String(each)));
  const isOpen = target.input_schema["additionalProperties"] !== false;
  return [
    ...missing.map((each) => ({ path: `${path}.args`, message: `expected "${String(each)}": "${tool}" requires it` })),
    ...Object.entries(args).flatMap(([name, value]): readonly Mistake[] => {
      if (!isOpen && !known.includes(name))
        return [{ path: `${path}.args.${name}`, message: `"${tool}" has no such argument${didYouMean(name, known)}` }];
      const message = pathMistake(readMappingPath(value), argsSchema, hasResult);
      return message === undefined ? [] : [{ path: `${path}.args.${name}`, message }];
    }),
  ];
}

function pathMistake(
  read: ReturnType<typeof readMappingPath>,
  argsSchema: Schema,
  hasResult: boolean,
): string | undefined {
  if (read === undefined) return undefined;
  const [first = ""] = read.path;
  if (read.of === "result")
    return hasResult ? undefined : "a call of unknown outcome has no result: expected `args.…` or `call.…`";
  if (read.of === "call")
    return ["id", "idempotency_key"].includes(read.path.join("."))
      ? undefined
      : "expected `call.id` or `call.idempotency_key`";
  const known = membersOf(argsSchema);
  return known.includes(first) || first === ""
    ? undefined
    : `"${first}" is not an argument of the tool${didYouMean(first, known)}`;
}

function membersOf(schema: Schema): readonly string[] {
  return isJsonObject(schema["properties"]) ? Object.keys(schema["properties"]) : [];
}
