// `npm run play`: lets the demo tenant's agent do real work against a running gateway, so that there is something to look at.
import { readFileSync } from "node:fs";
import path from "node:path";
import OpenAI from "openai";
import { converse, toolCaller } from "./local/agent.ts";
import type { DemoKeys } from "./local/seed.ts";

const stateDir = path.resolve(process.env["STATE_DIR"] || ".state");
const sessions = Number(process.argv[2] ?? 60);
/** Sessions that are played at the same time. */
const AT_ONCE = 4;

/** The task of a session: every one asks for another amount, so that no two are the same. */
function taskOf(at: number): string {
  const cents = 101 + ((at * 137) % 4_300);
  return `Please refund $${(cents / 100).toFixed(2)} to ${at % 2 === 0 ? "cus_123" : "cus_456"}, order ${at}.`;
}

async function play(keys: DemoKeys, at: number): Promise<void> {
  const session = `play-${process.pid}-${at}`;
  const defaultHeaders = { "Interlock-Session": session };
  const openai = new OpenAI({ apiKey: keys.agent, baseURL: `${keys.url}/v1`, defaultHeaders });
  await converse(openai, toolCaller(keys, session), { model: "support_agent", task: taskOf(at) });
}

if (!Number.isInteger(sessions) || sessions < 1 || sessions > 2_000) {
  console.error(`expected a number of sessions from 1 to 2000, got "${process.argv[2] ?? ""}"`);
  process.exit(1);
}
const keys = JSON.parse(readFileSync(path.join(stateDir, "demo-keys.json"), "utf8")) as DemoKeys;
for (let at = 0; at < sessions; at += AT_ONCE)
  await Promise.all(Array.from({ length: Math.min(AT_ONCE, sessions - at) }, (_, turn) => play(keys, at + turn)));
console.log(`${sessions} sessions of support_agent were played`);
