// Decides what a recording proposes as labels of its case: the tools that did their work, and what the trace came to.
import { objectIn } from "../../json/canonical.ts";
import type { RecordedCall } from "../../policy/replay/recorded-call.ts";
import type { CaseLabels, CaseTool, ToolLabel } from "../case.ts";
import { plainArgs } from "./asked-calls.ts";

/**
 * Labels that a recording proposes; what it did need not have been right, so people look at them. Expected is each tool
 * call that the model asked for and that succeeded: a governed one where its recorded call of the same arguments did
 * (of any arguments, where the caller changed them), another where its result was no error. Each call is named once.
 */
export function proposedLabels(
  tools: readonly CaseTool[],
  asks: readonly RecordedCall[],
  outcome: string | null,
): CaseLabels {
  const expected = new Map(
    tools
      .filter((tool) => succeeded(tool, asks))
      .map((tool) => [`${tool.tool ?? tool.name}\n${plainArgs(tool.args)}`, labelOf(tool)] as const),
  );
  return {
    ...(expected.size === 0 ? {} : { tools: [...expected.values()] }),
    ...(outcome === null ? {} : { outcome }),
  };
}

function labelOf({ name, tool, args }: CaseTool): ToolLabel {
  const given = objectIn(args);
  return { tool: tool ?? name, ...(given === undefined ? {} : { args: given }) };
}

function succeeded({ tool, args, is_error }: CaseTool, asks: readonly RecordedCall[]): boolean {
  if (tool === null) return !is_error;
  const ofTool = asks.filter(({ ask }) => ask.tool === tool);
  const same = ofTool.filter(({ ask }) => plainArgs(JSON.stringify(ask.args)) === plainArgs(args));
  return (same.length > 0 ? same : ofTool).some(({ status }) => status === "succeeded");
}
