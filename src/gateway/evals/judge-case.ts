// Asks the judges of a run: each judgement has a session and a budget of its own, and every sample is a governed model call.
import { EVAL_ACTORS } from "../../core/config/check-evals.ts";
import { ActiveConfig } from "../../core/config/published.ts";
import type { GraderOf } from "../../core/config/grader-document.ts";
import type { JudgeEntry } from "../../core/config/eval-document.ts";
import type { EvalCase } from "../../core/eval/case.ts";
import type { Episode } from "../../core/eval/episode.ts";
import type { Grade } from "../../core/eval/grade.ts";
import { isMeant } from "../../core/eval/graders/grade.ts";
import { foldSamples, judgeRequest, readJudge, type JudgeWord } from "../../core/eval/judge/ask-judge.ts";
import type { RunPlan } from "../../core/eval/run.ts";
import { isJsonObject } from "../../core/json/canonical.ts";
import { sha256Hex } from "../../core/json/digest.ts";
import { traceIdFromHex } from "../../core/units/identifier.ts";
import type { ModelPorts, Recorder } from "../ports.ts";
import { sendBody, type CallGround } from "./replayed-call.ts";

/** What is to be judged. */
export interface JudgeAsk {
  readonly case: EvalCase;
  readonly episode: Episode;
  readonly place: { readonly side: "candidate" | "baseline"; readonly repeat: number };
}

/** A judge's grade, with what people are asked about when they look at it too. */
export interface Judged {
  readonly grade: Grade;
  /** Micro-USD of all samples. */
  readonly micro: number;
}

/** Asks judges. */
export interface JudgeCase {
  (grader: GraderOf<"judge">, asked: JudgeAsk): Promise<Judged>;
  /** The sessions that judgements of a case may have spent from. */
  sessionsOf(each: EvalCase): readonly string[];
}

/** One sample may take so long, in milliseconds. */
const SAMPLE_MS = 30_000;

/** The judges of a run. */
export function judgeCases(
  ports: ModelPorts,
  {
    tenant,
    run,
    plan,
    recorder,
  }: { readonly tenant: string; readonly run: string; readonly plan: RunPlan; readonly recorder: Recorder },
): JudgeCase {
  const sessionOf = (grader: string, { case: each, episode, place }: JudgeAsk): string =>
    `ev.${run}.${sha256Hex(each.id).slice(0, 16)}.${place.side.slice(0, 1)}${place.repeat}.${sha256Hex(grader).slice(0, 8)}.${episode.call ?? "w"}`;
  const judge = async (grader: GraderOf<"judge">, asked: JudgeAsk): Promise<Judged> => {
    const nothing = { grader: grader.id, value: null, explanation: null, error: null };
    if (!isMeant(grader, asked.case)) return { grade: { ...nothing, explanation: "not one of its cases" }, micro: 0 };
    if (asked.episode.status === "failed" || asked.episode.status === "divergent")
      return {
        grade: {
          ...nothing,
          explanation: `not judged: it ${asked.episode.status === "failed" ? "failed" : "diverged"}`,
        },
        micro: 0,
      };
    const entry = plan.judges[grader.judge];
    if (entry === undefined) return { grade: { ...nothing, error: `no judge "${grader.judge}"` }, micro: 0 };
    const session = sessionOf(grader.id, asked);
    const spent = { micro: 0 };
    const words = await sampled(ports, { tenant, plan, entry, session, recorder, spent }, asked);
    const folded = foldSamples(words, entry);
    const grade = folded.ok
      ? {
          ...nothing,
          value: folded.value.score,
          explanation: `${folded.value.label}: ${folded.value.explanation}`,
          judged: { label: folded.value.label, disagreement: folded.value.disagreement },
        }
      : { ...nothing, error: folded.why };
    return { grade, micro: spent.micro };
  };
  const sessionsOf = (each: EvalCase): readonly string[] => {
    const episodes = plan.suite.mode === "next_action" ? each.calls.map((_, call) => call) : [null];
    const graders = plan.suite.graders.filter(({ kind }) => kind === "judge");
    const sides = ["candidate", "baseline"] as const;
    return graders.flatMap(({ id }) =>
      sides.flatMap((side) =>
        Array.from({ length: plan.suite.repeats }, (_, repeat) => repeat).flatMap((repeat) =>
          episodes.map((call) =>
            sessionOf(id, {
              case: each,
              episode: { status: "completed", why: null, turns: [], call },
              place: { side, repeat },
            }),
          ),
        ),
      ),
    );
  };
  return Object.assign(judge, { sessionsOf });
}

interface Sampling {
  readonly tenant: string;
  readonly plan: RunPlan;
  readonly entry: JudgeEntry;
  readonly session: string;
  readonly recorder: Recorder;
  readonly spent: { micro: number };
}

async function sampled(ports: ModelPorts, sampling: Sampling, asked: JudgeAsk): Promise<readonly JudgeWord[]> {
  const { entry, plan } = sampling;
  const governed = judgePorts(ports, plan, entry);
  const request = judgeRequest(entry, asked);
  const words: JudgeWord[] = [];
  for (const model of entry.models)
    for (let sample = 0; sample < entry.samples; sample += 1) {
      const client = ports.chat.over((_url, body) => send(governed, sampling, { model, body }));
      const answer = await client.complete(model, request);
      words.push(answer.ok ? readJudge(answer.text, entry) : { ok: false, why: answer.why });
    }
  return words;
}

/** The ports of a judge: the run's config, in which judges have a budget of their own for each judgement. */
function judgePorts(ports: ModelPorts, { candidate }: RunPlan, entry: JudgeEntry): ModelPorts {
  const { document } = candidate.published;
  const actor = { models: ["*"], budgets: { session: { usd: entry.budget_usd } } };
  const config = new ActiveConfig({
    ...candidate.published,
    document: { ...document, actors: { ...document.actors, [EVAL_ACTORS.judge]: actor } },
  });
  return {
    ...ports,
    configs: { ...ports.configs, active: () => Promise.resolve(config), recent: () => Promise.resolve(config) },
  };
}

async function send(
  ports: ModelPorts,
  { tenant, session, recorder, spent }: Sampling,
  { model, body }: { readonly model: string; readonly body: string },
): Promise<Response> {
  const parsed: unknown = JSON.parse(body);
  if (!isJsonObject(parsed)) return failure(400, "no JSON object");
  const timer = new AbortController();
  const over = setTimeout(() => timer.abort("time"), SAMPLE_MS);
  try {
    const trace = traceIdFromHex(sha256Hex(`${tenant}\n${session}`).slice(0, 32));
    const ground: CallGround = {
      ports,
      tenant,
      model,
      release: null,
      actor: EVAL_ACTORS.judge,
      session,
      trace,
      recorder,
      signal: timer.signal,
    };
    const { answer, row } = await sendBody(ground, "chat", parsed);
    spent.micro += row?.cost_micro_usd ?? 0;
    if (!answer.ok) return failure(answer.code === "budget_exceeded" ? 402 : 502, answer.detail);
    return new Response(answer.value.text, {
      status: answer.value.status,
      headers: { "content-type": "application/json" },
    });
  } finally {
    clearTimeout(over);
  }
}

/** In the client's own words; nothing that a budget or a policy stopped is tried again. */
function failure(status: number, message: string): Response {
  const headers = { "x-should-retry": status === 502 ? "true" : "false" };
  return Response.json(
    { error: { message, type: "invalid_request_error", code: null, param: null } },
    { status, headers },
  );
}
