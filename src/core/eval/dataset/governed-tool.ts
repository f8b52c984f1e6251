// Decides which governed tool a model means by the name of a function.
import { safeName } from "../../dialect/tool-names.ts";

/**
 * The governed tool that a function's name stands for, of the config's tools: the same name, else the one whose safe
 * spelling it is, else the only one that reads so with `_` for every sign that functions may not have. `null` where
 * there is none, and where two read the same: a guess would put one tool's results in another's place.
 */
export function governedTool(name: string, tools: readonly string[]): string | null {
  if (tools.includes(name)) return name;
  // Only what begins alike is worth a digest.
  const spelled = tools.find((tool) => name.startsWith(underscored(tool).slice(0, 32)) && safeName(tool) === name);
  if (spelled !== undefined) return spelled;
  const alike = tools.filter((tool) => underscored(tool) === name);
  return alike.length === 1 ? (alike[0] ?? null) : null;
}

function underscored(tool: string): string {
  return tool.replaceAll(/[^A-Za-z0-9_-]/g, "_");
}
