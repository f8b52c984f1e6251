// Decides whether a grader can do its work: its schema, its patterns, its expression, the tools it names.
import { RE2JS } from "@bufbuild/re2";
import ZSchema from "z-schema";
import type { ConfigDocument } from "../../config/document.ts";
import type { GraderEntry } from "../../config/grader-document.ts";
import { didYouMean } from "../../config/mistakes.ts";
import type { Mistake } from "../../errors.ts";
import { compileGrader } from "./cel.ts";

/** Every mistake in a grader of a suite. */
export function graderMistakes(
  path: string,
  grader: GraderEntry,
  { tools, evals }: Pick<ConfigDocument, "tools" | "evals">,
): readonly Mistake[] {
  switch (grader.kind) {
    case "json_schema":
      return schemaMistakes(`${path}.schema`, grader.schema);
    case "regex":
      return patternMistakes(`${path}.pattern`, grader.pattern);
    case "cel": {
      const compiled = compileGrader(grader);
      return compiled.ok ? [] : [{ path: `${path}.expression`, message: compiled.message }];
    }
    case "forbidden":
      return grader.tools.flatMap((tool, at) => unknownTool(`${path}.tools.${at}`, tool, Object.keys(tools)));
    case "judge":
      return Object.hasOwn(evals.judges, grader.judge)
        ? []
        : [
            {
              path: `${path}.judge`,
              message: `no judge "${grader.judge}"${didYouMean(grader.judge, Object.keys(evals.judges))}`,
            },
          ];
    default:
      return [];
  }
}

function schemaMistakes(path: string, schema: Readonly<Record<string, unknown>>): readonly Mistake[] {
  const answer = ZSchema.create({ version: "draft2020-12", safe: true }).validateSchema({ ...schema });
  return answer.valid ? [] : [{ path, message: "is no JSON Schema of draft 2020-12" }];
}

function patternMistakes(path: string, pattern: string): readonly Mistake[] {
  try {
    RE2JS.compile(pattern);
    return [];
  } catch (error) {
    return [{ path, message: `no RE2 pattern: ${error instanceof Error ? error.message : "it cannot be read"}` }];
  }
}

function unknownTool(path: string, tool: string, known: readonly string[]): readonly Mistake[] {
  const isPattern = tool === "*" || tool.endsWith(".*");
  return isPattern || known.includes(tool) ? [] : [{ path, message: `no tool "${tool}"${didYouMean(tool, known)}` }];
}
