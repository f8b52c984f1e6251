// Decides which governed tool a model means by the name it calls: models take no dots, so that `billing.refund` is offered as `billing_refund`.
import { safeName } from "../../dialect/tool-names.ts";

/** The governed tool behind a model's name, `undefined` for none. An exact name wins. */
export function governedTool(tools: readonly string[], name: string): string | undefined {
  if (tools.includes(name)) return name;
  return tools.find((tool) => safeName(tool) === name) ?? tools.find((tool) => underscored(tool) === name);
}

function underscored(tool: string): string {
  return tool.replaceAll(/[^A-Za-z0-9_-]/g, "_");
}
