// Decides what the events and links of an agent's span are, as its attributes keep them.
import * as z from "zod/mini";
import { OTEL, type SpanEvent, type SpanLink } from "./otlp-span.ts";
import type { Attributes } from "./record.ts";

const attributes = z.record(z.string(), z.union([z.string(), z.number(), z.boolean(), z.array(z.string())]));
const Event = z.object({ name: z.string(), time_ms: z.number(), attributes });
const Link = z.object({
  trace_hex: z.string().check(z.regex(/^[0-9a-f]{32}$/)),
  span_id: z.string().check(z.regex(/^[0-9a-f]{16}$/)),
  attributes,
});

/** The events of a span, in order; what cannot be read of them any more is left out. */
export function eventsIn(given: Attributes): readonly SpanEvent[] {
  return textsIn(given[OTEL.events]).flatMap((text) => Event.safeParse(parsed(text)).data ?? []);
}

/** The links of a span, likewise. */
export function linksIn(given: Attributes): readonly SpanLink[] {
  return textsIn(given[OTEL.links]).flatMap((text) => Link.safeParse(parsed(text)).data ?? []);
}

/** Attributes without those that stand for other members of the span. */
export function withoutDetails(given: Attributes): Attributes {
  return Object.fromEntries(Object.entries(given).filter(([key]) => !DETAILS.has(key)));
}

const DETAILS: ReadonlySet<string> = new Set(Object.values(OTEL));

function textsIn(value: Attributes[string]): readonly string[] {
  return typeof value === "object" ? value : [];
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
