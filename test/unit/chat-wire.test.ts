// Proves what a chat-completions request may not ask for on any provider, passed through or translated.
import { describe, expect, it } from "vitest";
import { chatWire } from "../../src/core/dialect/chat/wire.ts";
import { locateMembers, type ObjectText } from "../../src/core/json/members.ts";

function bodyOf(more: Record<string, unknown>): ObjectText {
  const body = locateMembers(JSON.stringify({ model: "m", messages: [{ role: "user", content: "hi" }], ...more }));
  if (body === undefined) throw new Error("no object");
  return body;
}

const FUNCTION = { type: "function", function: { name: "f", parameters: { type: "object" } } };

describe("what acts or costs elsewhere", () => {
  it.each<[Record<string, unknown>, readonly string[]]>([
    [{ tools: [FUNCTION, { type: "web_search" }, { type: "mcp" }] }, ["tools.1", "tools.2"]],
    [{ tools: [{ type: "openrouter:web_search", function: { name: "f" } }] }, ["tools.0"]],
    [{ tools: [{ googleSearch: {} }, 7] }, ["tools.0", "tools.1"]],
    [{ tools: { type: "code_interpreter" } }, ["tools.0"]],
    [{ tool_choice: { type: "web_search" } }, ["tool_choice"]],
    [
      { tool_choice: { type: "allowed_tools", allowed_tools: { mode: "auto", tools: [{ type: "x_search" }] } } },
      ["tool_choice.allowed_tools.tools.0"],
    ],
    [{ web_search_options: {} }, ["web_search_options"]],
    [{ search_parameters: { mode: "on" }, plugins: [{ id: "web" }] }, ["search_parameters", "plugins"]],
    [{ data_sources: [{ type: "azure_search" }] }, ["data_sources"]],
    [{ models: ["dear"] }, ["models"]],
    [{ best_of: 20 }, ["best_of"]],
    [{ service_tier: "priority" }, ["service_tier"]],
    [{ service_tier: "scale" }, ["service_tier"]],
    [{ service_tier: 1 }, ["service_tier"]],
  ])("is refused by name: %j", (more, paths) => {
    const read = chatWire.readFields(bodyOf(more), {});
    expect(read).toMatchObject({ ok: false, code: "unsupported", mistakes: paths.map((path) => ({ path })) });
    expect(read.ok ? "" : read.detail).toContain(`${paths.at(-1) ?? ""}: `);
  });

  it("is found under an escaped key", () => {
    const body = locateMembers(String.raw`{"model":"m","messages":[],"web\u005fsearch_options":{}}`);
    expect(body === undefined ? undefined : chatWire.readFields(body, {})).toMatchObject({ code: "unsupported" });
  });

  it.each<[Record<string, unknown>]>([
    [{ tools: [FUNCTION, { type: "custom", custom: { name: "c" } }], tool_choice: "required", store: true }],
    [{ tools: null, tool_choice: { type: "function", function: { name: "f" } }, functions: [{ name: "g" }] }],
    [{ tool_choice: { type: "custom", custom: { name: "c" } }, plugins: [], models: null, web_search_options: null }],
    [{ tool_choice: { type: "allowed_tools", allowed_tools: { mode: "auto", tools: [FUNCTION] } } }],
    [{ service_tier: "flex", best_of: 1 }],
    [{ service_tier: null, metadata: { plugins: "x" } }],
  ])("is not what the caller runs itself: %j", (more) => {
    expect(chatWire.readFields(bodyOf(more), {})).toMatchObject({ ok: true, value: { model: "m" } });
  });
});
