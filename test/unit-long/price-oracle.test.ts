// Proves what calls cost against an independent price table, over many models and shapes of usage; every difference has a name and a reason.
import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { listPricesAt } from "../../src/adapters/prices.ts";
import { costPico, NO_USAGE, type Price, type Usage } from "../../src/core/budget/price.ts";
import type { ProviderEntry } from "../../src/core/config/document.ts";
import { DIFFERENCES } from "./price-differences.ts";

interface Row {
  readonly input: number;
  readonly output: number;
  readonly cache_read?: number;
  readonly cache_write?: number;
}

const { providers } = JSON.parse(readFileSync(new URL("../corpus/pricing.json", import.meta.url), "utf8")) as {
  readonly providers: Readonly<Record<string, Readonly<Record<string, Row>>>>;
};

const compatible = (base_url: string): ProviderEntry => ({ kind: "openai-compatible", base_url });
const ENTRIES: Readonly<Record<string, ProviderEntry>> = {
  openai: { kind: "openai" },
  anthropic: { kind: "anthropic" },
  google: { kind: "gemini" },
  groq: compatible("https://api.groq.com/openai/v1"),
  "mistral-ai": compatible("https://api.mistral.ai/v1"),
  deepseek: compatible("https://api.deepseek.com/v1"),
};

/** The day of the independent table. */
const book = listPricesAt(new Date("2026-08-21T12:00:00Z"));

/** The table has one row for short prompts of Google's models and one for long ones. */
const SIZED = /-(lte|gt)-(?:128|200)k$/;

interface Shape {
  readonly name: string;
  readonly usage: Usage;
  /** Cents by the independent table, as pico-dollars; `undefined` where it has no figure for this. */
  readonly theirs: (row: Row) => bigint | undefined;
}

/** Cents per token are at most so many decimals: pico-dollars per token are whole. */
function pico(cents: number | undefined): bigint | undefined {
  return cents === undefined ? undefined : BigInt(Math.round(cents * 1e10));
}

/** A price of nothing stands there for "not told": no provider gives a cache away. */
function told(cents: number | undefined): bigint | undefined {
  const found = pico(cents);
  return found === 0n ? undefined : found;
}

function sum(...parts: readonly (readonly [number, bigint | undefined])[]): bigint | undefined {
  return parts.reduce<bigint | undefined>(
    (total, [tokens, price]) =>
      total === undefined || price === undefined ? undefined : total + BigInt(tokens) * price,
    0n,
  );
}

function shapesOf(prompt: number): readonly Shape[] {
  const usage = (more: Partial<Usage>): Usage => ({ ...NO_USAGE, output: 777, ...more });
  const part = Math.floor(prompt / 3);
  const out = (row: Row): readonly [number, bigint | undefined] => [777, pico(row.output)];
  return [
    { name: "plain", usage: usage({ input: prompt }), theirs: (row) => sum([prompt, pico(row.input)], out(row)) },
    {
      name: "reasoning",
      usage: usage({ input: prompt, output: 4_321, reasoning: 4_000 }),
      theirs: (row) => sum([prompt, pico(row.input)], [4_321, pico(row.output)]),
    },
    {
      name: "cached",
      usage: usage({ input: prompt - part, cacheRead: part }),
      theirs: (row) => sum([prompt - part, pico(row.input)], [part, told(row.cache_read)], out(row)),
    },
    {
      name: "written",
      usage: usage({ input: prompt - part, cacheWrite: part }),
      theirs: (row) => sum([prompt - part, pico(row.input)], [part, told(row.cache_write)], out(row)),
    },
  ];
}

interface Compared {
  readonly name: string;
  readonly shapes: number;
  readonly differing: readonly string[];
}

function compare(provider: string, model: string, row: Row): Compared | undefined {
  const entry = ENTRIES[provider];
  const price: Price | undefined = entry === undefined ? undefined : book(entry, model.replace(SIZED, ""));
  if (price === undefined) return undefined;
  const shapes = shapesOf(SIZED.exec(model)?.[1] === "gt" ? 250_000 : 30_000);
  const both = shapes.flatMap(({ name, usage, theirs }) => {
    const figure = theirs(row);
    return figure === undefined ? [] : [{ name, agrees: BigInt(costPico(price, usage)) === figure }];
  });
  const differing = both.filter(({ agrees }) => !agrees).map(({ name }) => name);
  return { name: `${provider}/${model}`, shapes: both.length, differing };
}

it("agrees to the pico-dollar with the independent table, but for what is listed with its reason", () => {
  const rows = Object.entries(providers).flatMap(([provider, models]) =>
    Object.entries(models).map(([model, row]) => ({ provider, model, row })),
  );
  const compared = rows.flatMap(({ provider, model, row }) => compare(provider, model, row) ?? []);
  const differing = compared.filter((each) => each.differing.length > 0);
  const shapes = compared.reduce((total, each) => total + each.shapes, 0);
  const agreeing = shapes - differing.reduce((total, each) => total + each.differing.length, 0);
  console.log(
    `prices: ${compared.length} of ${rows.length} models known to both, ${agreeing} of ${shapes} costs the same, ${differing.length} models differ`,
  );
  for (const { name, differing: those } of differing)
    console.log(`  ${name}: ${those.join(", ")}: ${DIFFERENCES.get(name)}`);
  expect(compared.length).toBeGreaterThanOrEqual(300);
  expect(compared.length - differing.length).toBeGreaterThanOrEqual(270);
  expect(differing.map(({ name }) => name).toSorted()).toEqual([...DIFFERENCES.keys()].toSorted());
});
