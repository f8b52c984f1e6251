// Decides whether prompts and agents of a config hang together: templates, references of releases, names that mean one thing.
import type { Mistake } from "../errors.ts";
import { telltaleId } from "../guard/caller-id.ts";
import { promptMistakes } from "../release/prompt.ts";
import { policyDigest, promptOf } from "../release/release.ts";
import type { ConfigDocument } from "./document.ts";
import { didYouMean } from "./mistakes.ts";
import type { AgentEntry, ReleaseEntry } from "./release-document.ts";
import { AUTO } from "./routing-document.ts";

/** Every mistake in the `prompts` and `agents` of a document. */
export function releaseMistakes(document: ConfigDocument): readonly Mistake[] {
  const { prompts, agents } = document;
  return [
    ...Object.entries(prompts).flatMap(([prompt, { versions }]) =>
      Object.entries(versions).flatMap(([version, entry]) =>
        promptMistakes(`prompts.${prompt}.versions.${version}`, entry),
      ),
    ),
    ...Object.entries(agents).flatMap(([agent, entry]) => agentMistakes(agent, entry, document)),
    ...sharedIds(document),
  ];
}

/** Releases that are pinned to another policy than the document's: calls of those would be refused. */
export function releaseWarnings(document: ConfigDocument): readonly Mistake[] {
  const pinned = Object.entries(document.agents).flatMap(([agent, { releases }]) =>
    Object.entries(releases).flatMap(([id, { policy }]) =>
      policy === undefined || policy.mode === "loose"
        ? []
        : [{ path: `agents.${agent}.releases.${id}.policy`, policy }],
    ),
  );
  const digest = pinned.length === 0 ? "" : policyDigest(document);
  return pinned
    .filter(({ policy }) => !digest.startsWith(policy.digest))
    .map(({ path, policy }) => ({
      path,
      message: `pinned to policy ${policy.digest.slice(0, 12)}, and this document's is ${digest.slice(0, 12)}: calls of this release will be refused`,
    }));
}

function agentMistakes(agent: string, entry: AgentEntry, document: ConfigDocument): readonly Mistake[] {
  const path = `agents.${agent}`;
  const taken = [
    ...(Object.hasOwn(document.models, agent) ? ["a model"] : []),
    ...(Object.hasOwn(document.routes, agent) ? ["a route"] : []),
    ...(agent === AUTO ? ["the gateway's own choice"] : []),
  ];
  const ids = Object.keys(entry.releases);
  const missing = (field: string, id: string): readonly Mistake[] =>
    ids.includes(id) ? [] : [{ path: `${path}.${field}`, message: `no release "${id}"${didYouMean(id, ids)}` }];
  const { live, canary } = entry;
  return [
    ...taken.map((what) => ({ path, message: `"${agent}" is ${what} already: callers could mean either` })),
    ...missing("live", live),
    ...(canary === undefined ? [] : missing("canary.release", canary.release)),
    ...(canary?.release === live
      ? [{ path: `${path}.canary.release`, message: "this release is live: a canary is another one" }]
      : []),
    ...Object.entries(entry.releases).flatMap(([id, release]) => [
      ...idMistakes(`${path}.releases.${id}`, id),
      ...partMistakes(`${path}.releases.${id}`, release, document),
    ]),
  ];
}

/** Ids are sent in a header and stand unmasked in records. */
function idMistakes(path: string, id: string): readonly Mistake[] {
  const told = telltaleId(id);
  return told === undefined ? [] : [{ path, message: `the id holds ${told}: ids are not masked` }];
}

function partMistakes(path: string, release: ReleaseEntry, document: ConfigDocument): readonly Mistake[] {
  const { prompt, model, route, tools = [] } = release;
  const unknown = (field: string, named: string | undefined, table: object): readonly Mistake[] => {
    const known = Object.keys(table);
    if (named === undefined || known.includes(named)) return [];
    return [{ path: `${path}.${field}`, message: `no such ${field}${didYouMean(named, known)}` }];
  };
  return [
    ...((model === undefined) === (route === undefined)
      ? [{ path: `${path}.model`, message: "expected either a model or a route" }]
      : []),
    ...unknown("model", model, document.models),
    ...unknown("route", route, document.routing === undefined ? document.routes : { ...document.routes, [AUTO]: true }),
    ...(prompt === undefined || promptOf(document, prompt) !== undefined
      ? []
      : [
          { path: `${path}.prompt`, message: `no such version of a prompt${didYouMean(prompt, versionsOf(document))}` },
        ]),
    ...toolMistakes(`${path}.tools`, tools, Object.keys(document.tools)),
  ];
}

function toolMistakes(path: string, listed: readonly string[], known: readonly string[]): readonly Mistake[] {
  return listed.flatMap((each, index) =>
    each === "*" || each.endsWith(".*") || known.includes(each)
      ? []
      : [{ path: `${path}.${index}`, message: `"${each}" is not in the config${didYouMean(each, known)}` }],
  );
}

function versionsOf({ prompts }: ConfigDocument): readonly string[] {
  return Object.entries(prompts).flatMap(([prompt, { versions }]) =>
    Object.keys(versions).map((version) => `${prompt}@${version}`),
  );
}

/** A release's id is all that a tool call, a switch, a rule and a record say of it: no two agents share one. */
function sharedIds({ agents }: ConfigDocument): readonly Mistake[] {
  const owners = new Map<string, string>();
  return Object.entries(agents).flatMap(([agent, { releases }]) =>
    Object.keys(releases).flatMap((id) => {
      const owner = owners.get(id);
      if (owner === undefined) owners.set(id, agent);
      return owner === undefined
        ? []
        : [{ path: `agents.${agent}.releases.${id}`, message: `agent "${owner}" has a release of this id already` }];
    }),
  );
}
