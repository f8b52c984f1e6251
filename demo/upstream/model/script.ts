// Decides the scripted model's next turn in a support-refund conversation: which tool to call, or what to say.
import { dollarsNumber, formatDollars, parseCents } from "../money.ts";
import type { Message, ModelRequest } from "./model-request.ts";
import { readToolResult, type ToolResult } from "./tool-result.ts";

/** What the model does next. `args` is the JSON text of the arguments. */
export type Turn =
  | { readonly kind: "say"; readonly text: string }
  | { readonly kind: "call"; readonly tool: string; readonly args: string };

/** What the user asked for, as far as the last user message says it. */
interface Task {
  readonly customer: string;
  readonly cents: number | undefined;
}

type Step = "lookup" | "refund" | "note";

/**
 * The next turn: look the customer up, refund, leave a note, then say what happened. Steps whose
 * tool is not offered are skipped; a failed lookup ends in an escalation without a refund. A system
 * prompt with the word "worse-prompt" asks for ten times the amount.
 */
export function nextTurn(request: ModelRequest): Turn {
  const lastUser = request.messages.findLastIndex((message) => message.role === "user");
  const asked = request.messages[lastUser]?.text ?? "";
  if (request.tools.length === 0) return { kind: "say", text: plainAnswer(asked) };
  const task = readTask(asked, isWorsePrompt(request.messages));
  if (task === undefined) {
    return {
      kind: "say",
      text: "Please tell me the customer id, for example cus_123, and the amount to refund.",
    };
  }
  return continueScript(
    task,
    request.tools.map(({ name }) => name),
    resultsSince(request.messages, lastUser),
  );
}

function continueScript(task: Task, tools: readonly string[], results: ReadonlyMap<Step, ToolResult>): Turn {
  const lookup = pickTool(tools, "lookup");
  if (lookup !== undefined && !results.has("lookup")) return call(lookup, { customer_id: task.customer });
  const found = results.get("lookup");
  if (found !== undefined && found.kind !== "done") return escalate(`I could not look up ${task.customer}`, found);
  const refund = pickTool(tools, "refund");
  if (refund !== undefined && task.cents !== undefined && !results.has("refund")) {
    return call(refund, { customer_id: task.customer, amount_usd: dollarsNumber(task.cents) });
  }
  const note = pickTool(tools, "note");
  if (note !== undefined && !results.has("note")) {
    return call(note, { customer_id: task.customer, text: noteText(task, results.get("refund")) });
  }
  return conclude(task, results);
}

function conclude(task: Task, results: ReadonlyMap<Step, ToolResult>): Turn {
  const refund = results.get("refund");
  const note = results.get("note");
  if (refund === undefined || task.cents === undefined) {
    return {
      kind: "say",
      text: `I looked at ${task.customer}; no refund was asked for that I could make.`,
    };
  }
  const wanted = `the refund of $${formatDollars(task.cents)} to ${task.customer}`;
  if (refund.kind === "pending") {
    return {
      kind: "say",
      text: `I asked for ${wanted}; it is waiting for a person's approval and has not been done yet.`,
    };
  }
  if (refund.kind === "refused") return escalate(`I did not make ${wanted}`, refund);
  const receipt = refund.id === undefined ? "" : ` (${refund.id})`;
  const aside =
    note === undefined || note.kind === "done" ? "" : " The note could not be written; I am escalating that.";
  return { kind: "say", text: `Done: I made ${wanted}${receipt}.${aside}` };
}

function escalate(what: string, result: ToolResult): Turn {
  const why = result.reason === undefined ? "" : `: ${result.reason}`;
  return { kind: "say", text: `${what}; it was not done${why}. I am escalating this to a person.` };
}

function noteText(task: Task, refund: ToolResult | undefined): string {
  if (refund === undefined || task.cents === undefined) return "Customer record reviewed.";
  const amount = `$${formatDollars(task.cents)}`;
  if (refund.kind === "done") return `Refunded ${amount}.`;
  return refund.kind === "pending"
    ? `Refund of ${amount} waits for approval.`
    : `Refund of ${amount} was not done; escalated.`;
}

function call(tool: string, args: Readonly<Record<string, string | number>>): Turn {
  return { kind: "call", tool, args: JSON.stringify(args) };
}

function plainAnswer(asked: string): string {
  const quoted = asked.replaceAll(/\s+/g, " ").trim().slice(0, 120);
  return quoted === "" ? "Hello from the demo model." : `This is the demo model. You said: "${quoted}"`;
}

function readTask(asked: string, isTenfold: boolean): Task | undefined {
  const customer = /\bcus_\w+/.exec(asked)?.[0];
  if (customer === undefined) return undefined;
  const amount = /\$\s?(\d[\d,]*(?:\.\d+)?)|(\d[\d,]*(?:\.\d+)?)\s?(?:usd|dollars?)\b/i.exec(asked);
  const cents = parseCents((amount?.[1] ?? amount?.[2] ?? "").replaceAll(",", ""));
  return { customer, cents: cents !== undefined && isTenfold ? cents * 10 : cents };
}

function isWorsePrompt(messages: readonly Message[]): boolean {
  return messages.some(
    ({ role, text }) => (role === "system" || role === "developer") && text.includes("worse-prompt"),
  );
}

function resultsSince(messages: readonly Message[], lastUser: number): ReadonlyMap<Step, ToolResult> {
  const turn = messages.slice(lastUser + 1);
  const toolOfCall = new Map(turn.flatMap(({ calls }) => calls.map(({ id, tool }) => [id, tool] as const)));
  const results = new Map<Step, ToolResult>();
  for (const message of turn) {
    const tool = message.answersCall === undefined ? undefined : toolOfCall.get(message.answersCall);
    const step = tool === undefined ? undefined : stepOf(tool);
    if (step !== undefined) results.set(step, readToolResult(message.text));
  }
  return results;
}

function stepOf(tool: string): Step | undefined {
  const name = tool.toLowerCase();
  if (name.includes("refund")) return "refund";
  if (name.includes("note")) return "note";
  return name.includes("customer") ? "lookup" : undefined;
}

/** Tools that undo or only read must not be mistaken for the step itself: `reverse_refund`, `list_notes`. */
function pickTool(tools: readonly string[], step: Step): string | undefined {
  const sideways = /revers|cancel|delet|remov|status|search|(?:^|[^a-z])(?:get|list|find)/i;
  const candidates = tools.filter((tool) => stepOf(tool) === step);
  return step === "lookup" ? candidates[0] : candidates.find((tool) => !sideways.test(tool));
}
