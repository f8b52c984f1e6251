// Sequences the making of a version of a dataset, cut or imported: nothing unmasked is kept, and the act is told.
import type { Dataset } from "../../core/eval/dataset-row.ts";
import type { EvalCase } from "../../core/eval/case.ts";
import { importCases, type ImportFormat } from "../../core/eval/dataset/import.ts";
import { secretInCase } from "../../core/eval/dataset/secret-in-case.ts";
import { accept, refuse, type Mistake, type Outcome } from "../../core/errors.ts";
import { maskJson } from "../../core/guard/mask-json.ts";
import { TextMasker } from "../../core/guard/mask-text.ts";
import { sivTokens } from "../../core/guard/mask-tokens.ts";
import { datasetAct } from "../../core/trace/eval-act.ts";
import { tracePolicyOf } from "../../core/trace/trace-policy.ts";
import type { Ports, Recorder } from "../ports.ts";
import { recordAct } from "../record-act.ts";
import { cutDataset, type CutQuestion } from "./cut-dataset.ts";

/** For whom, and under which name. */
export interface DatasetAsk {
  readonly tenant: string;
  readonly name: string;
  readonly by: string;
}

/** Cuts a new version from what was recorded. */
export async function cutVersion(
  ports: Ports,
  ask: DatasetAsk,
  question: CutQuestion,
  recorder: Recorder,
): Promise<Outcome<Dataset>> {
  const cut = await cutDataset(ports, ask.tenant, question);
  if (!cut.ok) return cut;
  const { filter, sample, adversarial, labelFromRecording } = question;
  const origin = {
    from: "traces",
    filter,
    sample,
    adversarial: adversarial ?? null,
    label_from_recording: labelFromRecording,
    report: cut.value.report,
  };
  return create(ports, ask, { cases: cut.value.cases, origin }, recorder);
}

/** What is imported. */
export interface ImportedText {
  readonly text: string;
  readonly format: ImportFormat;
  readonly prompt: string | null;
}

/** Imports a new version. Every mistake is told with its line; with one, nothing is kept. */
export async function importVersion(
  ports: Ports,
  ask: DatasetAsk,
  { text, format, prompt }: ImportedText,
  recorder: Recorder,
): Promise<Outcome<Dataset>> {
  const config = await ports.configs.active(ask.tenant);
  const { masking } = tracePolicyOf(config);
  const tokens = sivTokens(await ports.masking.keysOf(ask.tenant));
  const imported = importCases(text, {
    format,
    prompt,
    tools: Object.keys(config?.published.document.tools ?? {}),
    mask: (json, where) => maskJson(new TextMasker(masking, tokens), json, where),
    now: ports.system.now(),
  });
  const secrets = imported.cases
    .filter((each) => secretInCase(each) !== undefined)
    .map(({ id }): Mistake => ({ path: id, message: "holds what looks like a credential" }));
  const mistakes = [
    ...imported.mistakes.map(({ line, path, message }): Mistake => ({
      path: path === "" ? `line ${line}` : `line ${line}: ${path}`,
      message,
    })),
    ...secrets,
  ];
  if (mistakes.length > 0)
    return refuse(
      "invalid_request",
      mistakes
        .slice(0, 5)
        .map((each) => `${each.path}: ${each.message}`)
        .join("; "),
      { mistakes },
    );
  if (imported.cases.length === 0)
    return refuse("invalid_request", "no line holds a case", {
      mistakes: [{ path: "body", message: "expected one JSON object a line" }],
    });
  return create(ports, ask, { cases: imported.cases, origin: { from: "import", format } }, recorder);
}

async function create(
  ports: Ports,
  { tenant, name, by }: DatasetAsk,
  { cases, origin }: { readonly cases: readonly EvalCase[]; readonly origin: Dataset["origin"] },
  recorder: Recorder,
): Promise<Outcome<Dataset>> {
  const made = await ports.evalDatasets.create(tenant, {
    name,
    createdAt: ports.system.now(),
    createdBy: by,
    origin,
    cases,
  });
  recordAct(ports, recorder, datasetAct(made, "created", by));
  return accept(made);
}

/** Removes a version; refuses `not_found`. Runs keep what they found. */
export async function removeVersion(
  ports: Ports,
  { tenant, name, by }: DatasetAsk,
  version: number,
  recorder: Recorder,
): Promise<Outcome<Dataset>> {
  const found = await ports.evalDatasets.get(tenant, name, version);
  if (found === undefined || !(await ports.evalDatasets.remove(tenant, name, version)))
    return refuse("not_found", `no version ${version} of a dataset "${name}"`);
  recordAct(ports, recorder, datasetAct(found, "removed", by));
  return accept(found);
}
