// Touches where a config document comes from: a file on disk, or a version of the gateway.
import { readFileSync } from "node:fs";
import type { CommandTools } from "./command-line.ts";
import { readConfigText, type ConfigFile, type LocatedMistake } from "./config-file.ts";
import { CommandFailure, EXIT, usageFailure } from "./exit-codes.ts";
import { refusalFailure } from "./gateway-client.ts";
import { mistakeLine } from "./config-file.ts";
import { CheckedDocument, PublishedVersion, type ConfigReview } from "./received.ts";

/** A file the gateway would publish, or its mistakes with their lines. */
export type CheckedFile =
  | {
      readonly ok: true;
      readonly document: unknown;
      readonly digest: string;
      readonly warnings: readonly LocatedMistake[];
      readonly review: ConfigReview;
    }
  | { readonly ok: false; readonly summary: string; readonly mistakes: readonly LocatedMistake[] };

/** The version that is active, with the tag to publish against. */
export type Active = PublishedVersion & { readonly etag: string };

/** The active version; `undefined` when nothing is published. */
export async function readActive({ gateway }: CommandTools): Promise<Active | undefined> {
  const answer = await gateway.ask({ method: "GET", path: "/v1/config" }, PublishedVersion);
  if (answer.ok) return { ...answer.value, etag: answer.etag ?? `"${answer.value.version}"` };
  if (answer.problem.code === "not_found") return undefined;
  throw refusalFailure(answer);
}

/** Has the gateway check a file. */
export async function checkFile({ gateway }: CommandTools, file: string): Promise<CheckedFile> {
  const read = readConfigFile(file);
  if (!read.ok) return { ok: false, summary: countOf(read.mistakes, file), mistakes: read.mistakes };
  const { document } = read;
  const answer = await gateway.ask({ method: "POST", path: "/v1/config/check", body: document }, CheckedDocument);
  if (answer.ok) {
    const { digest, warnings, diff, boundaries } = answer.value;
    return { ok: true, document, digest, warnings: warnings.map(read.locate), review: { diff, boundaries } };
  }
  const { code, errors } = answer.problem;
  if (code !== "invalid_config" || errors === undefined) throw refusalFailure(answer);
  const mistakes = errors.map(({ path, message }) => read.locate({ path, message }));
  return { ok: false, summary: countOf(mistakes, file), mistakes };
}

/** Reads a file as a document; an unreadable one is a usage failure. */
export function readConfigFile(file: string): ConfigFile {
  return readConfigText(textOf(file));
}

/** The document of a file; one that is none ends the command. */
export function documentOf(file: string): unknown {
  const read = readConfigFile(file);
  if (read.ok) return read.document;
  throw new CommandFailure(EXIT.refused, [...read.mistakes.map(mistakeLine), countOf(read.mistakes, file)]);
}

/** `v3`, or a bare number, as the number of a version; `undefined` for a file. */
export function versionOf(text: string): number | undefined {
  const match = /^v?([1-9]\d{0,8})$/.exec(text);
  return match === null ? undefined : Number(match[1]);
}

/** How many mistakes a file has, in words. */
export function countOf(mistakes: readonly unknown[], file: string): string {
  return `${mistakes.length} mistake${mistakes.length === 1 ? "" : "s"} in ${file}`;
}

function textOf(file: string): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(readFileSync(file));
  } catch (error) {
    throw usageFailure(`${file}: ${reasonOf(error)}`);
  }
}

/** Why a file cannot be used. */
export function reasonOf(error: unknown): string {
  if (error instanceof TypeError) return "expected UTF-8 text";
  return error instanceof Error ? error.message : "cannot be used";
}
