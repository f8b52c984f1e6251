// Decides whether a config's issuers can sign anybody in: their addresses, the actors they lead to, and the usual slips.
import type { Mistake } from "../errors.ts";
import type { ConfigDocument } from "./document.ts";
import type { IssuerEntry } from "./identity-document.ts";
import { didYouMean } from "./mistakes.ts";

/** What is wrong with an address that is to be asked: not https, private, or not in `egress.allow`. */
type TargetCheck = (path: string, url: string) => readonly Mistake[];

/** Issuers that anybody can have sign a token, some of them for any audience: only a claim says whose it is. */
const SHARED_ISSUERS = new Set(["https://accounts.google.com", "https://token.actions.githubusercontent.com"]);

/** Mistakes of the `identity` section. */
export function identityMistakes(document: ConfigDocument, checkTarget: TargetCheck): readonly Mistake[] {
  const { issuers } = document.identity;
  const known = Object.keys(document.actors);
  const seen = new Map<string, string>();
  return Object.entries(issuers).flatMap(([name, entry]) => {
    const path = `identity.issuers.${name}`;
    const other = seen.get(entry.issuer);
    seen.set(entry.issuer, name);
    const isOpen = SHARED_ISSUERS.has(entry.issuer) && Object.keys(entry.requires ?? {}).length === 0;
    return [
      ...issuerMistakes(`${path}.issuer`, entry.issuer, checkTarget, entry.jwks_url === undefined),
      ...(entry.jwks_url === undefined ? [] : checkTarget(`${path}.jwks_url`, entry.jwks_url)),
      ...(other === undefined ? [] : [{ path: `${path}.issuer`, message: `is that of "${other}" already` }]),
      ...(isOpen
        ? [
            {
              path: `${path}.requires`,
              message: "expected a claim that is yours alone: this issuer signs for everybody",
            },
          ]
        : []),
      ...actorMistakes(`${path}.actor`, entry.actor, known),
    ];
  });
}

function issuerMistakes(path: string, issuer: string, checkTarget: TargetCheck, isAsked: boolean): readonly Mistake[] {
  const message = issuerSlip(issuer);
  if (message !== undefined) return [{ path, message }];
  const found = checkTarget(path, issuer);
  // An issuer whose keys are elsewhere is a name: nothing is sent there, but it is held to https like the others.
  return isAsked ? found : found.filter((mistake) => !mistake.message.includes("egress.allow"));
}

function issuerSlip(issuer: string): string | undefined {
  if (!URL.canParse(issuer)) return "expected an absolute URL, exactly as tokens spell it in `iss`";
  const { search, hash, username, password } = new URL(issuer);
  if (issuer.includes("/.well-known/")) return "expected the issuer itself, without `/.well-known/…`";
  if (search + hash + username + password !== "") return "expected a URL without query, fragment or credentials";
  return /^https:\/\/login\.microsoftonline\.com\/(common|organizations|consumers)\b/.test(issuer)
    ? "expected the id of a directory in the address: tokens name theirs, never `common`"
    : undefined;
}

function actorMistakes(path: string, actor: IssuerEntry["actor"], known: readonly string[]): readonly Mistake[] {
  const named = [
    ...Object.entries(actor.map ?? {}).map(([value, name]) => ({ at: `${path}.map.${value}`, name })),
    ...(actor.default === undefined ? [] : [{ at: `${path}.default`, name: actor.default }]),
  ];
  return named
    .filter(({ name }) => !known.includes(name))
    .map(({ at, name }) => ({ path: at, message: `no such actor "${name}"${didYouMean(name, known)}` }));
}
