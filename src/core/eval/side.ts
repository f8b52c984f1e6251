// Decides what one side of a comparison is: a release as it stands, or one with another model, prompt, tools or policy, ready to answer.
import { EVAL_ACTORS } from "../config/check-evals.ts";
import type { ConfigDocument } from "../config/document.ts";
import type { SuiteEntry } from "../config/eval-document.ts";
import { didYouMean } from "../config/mistakes.ts";
import type { PublishedConfig } from "../config/published.ts";
import type { ReleaseEntry } from "../config/release-document.ts";
import { accept, refuse, type Mistake, type Outcome } from "../errors.ts";
import { digestOf } from "../json/digest.ts";
import { policyDigest, resolveEntry } from "../release/release.ts";
import type { ReleasePointer } from "../release/pointer.ts";

/** What somebody wants compared. Without any member: the live release. */
export interface SideAsk {
  /** A release of the suite's agent, or `live` or `canary`. */
  readonly release?: string | undefined;
  /** In place of what the release has. */
  readonly model?: string | undefined;
  readonly route?: string | undefined;
  /** A version of a prompt, as `prompt@version`. */
  readonly prompt?: string | undefined;
  /** A system text that no config has yet. */
  readonly prompt_text?: string | undefined;
  readonly tools?: readonly string[] | undefined;
}

/** A side that answers. */
export interface EvalSide {
  /** For people: the release's id, and what stands in its place. */
  readonly label: string;
  readonly agent: string;
  readonly release: string;
  /** The release's digest where nothing but releases differ; else one over the policy too, which no release has. */
  readonly digest: string;
  /** The config with the release in it, and the actors that runs act as. */
  readonly published: PublishedConfig;
}

/** What a side rests on. */
export interface SideGround {
  readonly published: PublishedConfig;
  /** Whether this is the tenant's active version: what promotions are decided on. */
  readonly isActive: boolean;
  readonly pointer: ReleasePointer | undefined;
}

const AD_HOC_PROMPT = "interlock-eval";

/**
 * The side that an ask comes to, deterministically. Refuses `invalid_request` for a release, model, route, prompt or tool
 * that the config has not, naming the member, and for a canary where none runs.
 */
export function sideOf(
  { published, isActive, pointer }: SideGround,
  suite: Pick<SuiteEntry, "agent" | "budgets">,
  { path, ask }: { readonly path: string; readonly ask: SideAsk },
): Outcome<EvalSide> {
  const { document } = published;
  const { agent } = suite;
  const releases = document.agents[agent]?.releases ?? {};
  const named = ask.release ?? "live";
  const id = namedRelease(named, pointer) ?? "";
  const entry = Object.hasOwn(releases, id) ? releases[id] : undefined;
  if (entry === undefined) return unknownRelease(path, named, Object.keys(releases));
  const changed = changedEntry(entry, ask);
  const isChanged = changed !== entry;
  const release = isChanged ? `eval-${digestOf(changed).slice(0, 12)}-${id}`.slice(0, 64) : id;
  const dressed = dressedDocument(document, suite, { ask, release, entry: changed });
  const wrong = refusedParts(partMistakes(path, ask, dressed));
  if (wrong !== undefined) return wrong;
  const resolved = resolveEntry({ document: dressed, prices: published.prices }, agent, release);
  if (resolved === undefined) return unknownRelease(path, release, Object.keys(releases));
  const digest = isActive ? resolved.digest : digestOf({ release: resolved.digest, policy: policyDigest(document) });
  return accept({
    label: isChanged ? `${id} with ${changes(ask)}` : id,
    agent,
    release,
    digest,
    published: { ...published, document: dressed },
  });
}

function refusedParts(mistakes: readonly Mistake[]): ReturnType<typeof refuse> | undefined {
  if (mistakes.length === 0) return undefined;
  return refuse("invalid_request", mistakes.map((each) => `${each.path}: ${each.message}`).join("; "), { mistakes });
}

function namedRelease(named: string, pointer: ReleasePointer | undefined): string | undefined {
  if (named === "live") return pointer?.live.release;
  return named === "canary" ? pointer?.canary?.release : named;
}

function unknownRelease(path: string, named: string, known: readonly string[]): ReturnType<typeof refuse> {
  const message =
    named === "canary" ? "the agent has no canary" : `the agent has no release "${named}"${didYouMean(named, known)}`;
  return refuse("invalid_request", `${path}.release: ${message}`, { mistakes: [{ path: `${path}.release`, message }] });
}

function changedEntry(entry: ReleaseEntry, ask: SideAsk): ReleaseEntry {
  const { model, route, prompt, prompt_text: text, tools } = ask;
  if ([model, route, prompt, text, tools].every((each) => each === undefined)) return entry;
  const { model: _model, route: _route, ...rest } = entry;
  const target = model === undefined && route === undefined ? { model: _model, route: _route } : { model, route };
  return {
    ...rest,
    ...(target.model === undefined ? {} : { model: target.model }),
    ...(target.route === undefined ? {} : { route: target.route }),
    ...(prompt === undefined ? {} : { prompt }),
    ...(text === undefined ? {} : { prompt: `${AD_HOC_PROMPT}@${digestOf(text).slice(0, 12)}` }),
    ...(tools === undefined ? {} : { tools: [...tools] }),
  };
}

function changes({ model, route, prompt, prompt_text: text, tools }: SideAsk): string {
  return [
    model === undefined ? [] : [`model ${model}`],
    route === undefined ? [] : [`route ${route}`],
    prompt === undefined ? [] : [`prompt ${prompt}`],
    text === undefined ? [] : ["another prompt"],
    tools === undefined ? [] : ["other tools"],
  ]
    .flat()
    .join(", ");
}

/** The document with the release in it, and with the actors that runs act as: each session of theirs has one case's budget. */
function dressedDocument(
  document: ConfigDocument,
  { agent, budgets }: Pick<SuiteEntry, "agent" | "budgets">,
  { ask, release, entry }: { readonly ask: SideAsk; readonly release: string; readonly entry: ReleaseEntry },
): ConfigDocument {
  const text = ask.prompt_text;
  const adHoc = text === undefined ? {} : { [digestOf(text).slice(0, 12)]: { system: text, variables: {} } };
  const before = document.agents[agent];
  return {
    ...document,
    prompts: text === undefined ? document.prompts : { ...document.prompts, [AD_HOC_PROMPT]: { versions: adHoc } },
    agents: {
      ...document.agents,
      [agent]: { ...before, live: before?.live ?? release, releases: { ...before?.releases, [release]: entry } },
    },
    actors: {
      ...document.actors,
      [EVAL_ACTORS.runner]: { models: ["*"], budgets: { session: { usd: budgets.case_usd } } },
    },
  };
}

function partMistakes(
  path: string,
  ask: SideAsk,
  { models, routes, tools, prompts }: ConfigDocument,
): readonly Mistake[] {
  const missing = (field: string, named: string | undefined, known: readonly string[]): readonly Mistake[] =>
    named === undefined || known.includes(named)
      ? []
      : [{ path: `${path}.${field}`, message: `no such ${field}${didYouMean(named, known)}` }];
  const versions = Object.entries(prompts).flatMap(([prompt, each]) =>
    Object.keys(each.versions).map((version) => `${prompt}@${version}`),
  );
  const listed = (ask.tools ?? []).filter((tool) => tool !== "*" && !tool.endsWith(".*"));
  return [
    ...(ask.model !== undefined && ask.route !== undefined
      ? [{ path: `${path}.route`, message: "expected either a model or a route" }]
      : []),
    ...(ask.prompt !== undefined && ask.prompt_text !== undefined
      ? [{ path: `${path}.prompt_text`, message: "expected either a version of a prompt or a text" }]
      : []),
    ...missing("model", ask.model, Object.keys(models)),
    ...missing("route", ask.route, [...Object.keys(routes), "auto"]),
    ...missing("prompt", ask.prompt, versions),
    ...listed.flatMap((tool) => missing("tools", tool, Object.keys(tools))),
  ];
}
