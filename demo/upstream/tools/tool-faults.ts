// Decides how a tool request goes wrong: before its effect, after it, or in what it answers.
import type { Context, MiddlewareHandler } from "hono";
import { stallForever } from "../stall.ts";
import { toolError, type ToolHost } from "./context.ts";

const BEFORE_EFFECT = ["500", "503", "429", "hang-before", "redirect-private"] as const;
const AFTER_EFFECT = ["hang-after", "reset-after", "slow", "garbage", "half-body", "huge"] as const;

type BeforeEffect = (typeof BEFORE_EFFECT)[number];
type AfterEffect = (typeof AFTER_EFFECT)[number];

const HUGE_CHUNKS = 64;
const CHUNK_BYTES = 1_048_576;

/** Long enough for the headers to leave before the connection is torn down under them. */
const FLUSH_MS = 20;

/** Whether a text names a fault: one of the fixed names, or `slow:<ms>` up to ten minutes. */
export function isToolFault(fault: string): boolean {
  if (fault.startsWith("slow:")) return slowMs(fault) !== undefined;
  return BEFORE_EFFECT.some((name) => name === fault) || AFTER_EFFECT.some((name) => name === fault && name !== "slow");
}

/**
 * Applies the fault a request asks for by header or query `fault`, else the oldest one armed for its
 * path. `slow` has its effect first and answers late, so a caller that gives up is in doubt.
 */
export const injectFault: MiddlewareHandler<ToolHost> = async (c, next) => {
  const fault = c.req.header("fault") ?? c.req.query("fault") ?? (await c.var.state.takeFault(c.req.path));
  if (fault === undefined) return next();
  if (!isToolFault(fault)) return toolError(c, 422, "unknown_fault", `There is no fault '${fault}'.`);
  const before = BEFORE_EFFECT.find((name) => name === fault);
  if (before !== undefined) return failBefore(c, before);
  await next();
  const after = AFTER_EFFECT.find((name) => fault.startsWith(name)) ?? "garbage";
  const honest = c.res;
  c.res = undefined;
  c.res = await spoil(after, honest, slowMs(fault) ?? 0);
  return undefined;
};

async function failBefore(c: Context<ToolHost>, fault: BeforeEffect): Promise<Response> {
  switch (fault) {
    case "500":
      return toolError(c, 500, "internal", "Something broke.");
    case "503":
      c.header("retry-after", "1");
      return toolError(c, 503, "unavailable", "Try again later.");
    case "429":
      c.header("retry-after", "1");
      return toolError(c, 429, "rate_limited", "Too many requests.");
    case "hang-before":
      return stallForever();
    case "redirect-private":
      return c.redirect("http://169.254.169.254/latest/meta-data/", 302);
  }
}

async function spoil(fault: AfterEffect, honest: Response, delayMs: number): Promise<Response> {
  const { status } = honest;
  const headers = { "content-type": "application/json" };
  switch (fault) {
    case "hang-after":
      return stallForever();
    case "slow":
      await scheduler.wait(delayMs);
      return honest;
    case "reset-after":
      // NOTE: identity keeps a local compressing proxy from holding the headers back until the body fails.
      return new Response(brokenBody(await honest.text()), {
        status,
        headers: { ...headers, "content-encoding": "identity" },
      });
    case "garbage":
      return new Response("<<< not json >>>", { status, headers });
    case "half-body": {
      const text = await honest.text();
      return new Response(text.slice(0, Math.floor(text.length / 2)), { status, headers });
    }
    case "huge":
      return new Response(hugeBody(), { status, headers });
  }
}

/** Sends half of the text, then tears the connection down. */
function brokenBody(text: string): ReadableStream<Uint8Array> {
  let isStarted = false;
  return new ReadableStream<Uint8Array>({
    async pull(controller) {
      if (!isStarted) controller.enqueue(new TextEncoder().encode(text.slice(0, Math.ceil(text.length / 2))));
      if (isStarted) {
        await scheduler.wait(FLUSH_MS);
        controller.error(new Error("The demo tool reset this answer."));
      }
      isStarted = true;
    },
  });
}

/** A valid JSON text of 64 MiB, made while it is read. */
function hugeBody(): ReadableStream<Uint8Array> {
  const encoder = new TextEncoder();
  const filler = encoder.encode("x".repeat(CHUNK_BYTES));
  let sent = 0;
  return new ReadableStream<Uint8Array>({
    pull(controller) {
      if (sent === 0) controller.enqueue(encoder.encode('{"padding":"'));
      sent += 1;
      controller.enqueue(filler.slice());
      if (sent < HUGE_CHUNKS) return;
      controller.enqueue(encoder.encode('"}'));
      controller.close();
    },
  });
}

function slowMs(fault: string): number | undefined {
  const digits = /^slow:(\d{1,6})$/.exec(fault)?.[1];
  return digits === undefined || Number(digits) > 600_000 ? undefined : Number(digits);
}
