// Chooses the adapter that reaches a tool by the tool's kind.
import type { Tools } from "../../gateway/ports.ts";

/** Tools of every kind. */
export function toolsByKind(adapters: { readonly http: Tools; readonly mcp: Tools }): Tools {
  return {
    execute: (execution) =>
      execution.tool.entry.kind === "mcp" ? adapters.mcp.execute(execution) : adapters.http.execute(execution),
  };
}
