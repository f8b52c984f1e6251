// Says what each config field of prompts and agents means, for docs/config-reference.md.

/** Descriptions by path. */
export const RELEASE_FIELDS: Readonly<Record<string, string>> = {
  prompts: "System texts in versions. A version that was published never changes. [Releases](guides/releases.md).",
  "prompts.*.versions": "The versions, by an id such as `1` or `2026-11-a`.",
  "prompts.*.versions.*.system":
    "The text. `{{name}}` stands for a variable, `\\{{` for two braces. It goes before everything the caller sends.",
  "prompts.*.versions.*.variables":
    "Variables whose values callers give as texts in `metadata`. Built in are `agent`, `release`, `actor`, `date` (in `policy.time_zone`) and `time_zone`.",
  "prompts.*.versions.*.variables.*.required": "A call without a value is refused.",
  "prompts.*.versions.*.variables.*.default": "Stands where the caller gives no value. Empty when left out.",
  agents: "Names that callers ask for like a model, each with its releases. An actor has to list them under `models`.",
  "agents.*.releases":
    "The releases, by an id that no other agent's release has. One that was published never changes.",
  "agents.*.releases.*.prompt": "A version of a prompt, such as `support@2`. None when left out.",
  "agents.*.releases.*.model": "The model that answers. Either this or `route`.",
  "agents.*.releases.*.route": "The route that answers; `auto` for whatever `routing` chooses.",
  "agents.*.releases.*.tools":
    "Tool names, `prefix.*` or `*`: what a model call may offer, and what a tool call that names the release may call. Every tool when left out; the release's digest is then over every tool.",
  "agents.*.releases.*.policy": "The policy that the release was made for.",
  "agents.*.releases.*.policy.digest":
    "At least the first 12 digits of the policy's digest, as `GET /v1/agents/{agent}/releases` shows it.",
  "agents.*.releases.*.policy.mode":
    "`strict` (when left out): its calls are refused while another policy is active. `loose`: it is shown and nothing else.",
  "agents.*.live":
    "The release that is live when the agent is new. Later it is moved by `POST /v1/agents/{agent}/promote` alone.",
  "agents.*.canary": "The canary when the agent is new.",
  "agents.*.canary.release": "A release that is not live.",
  "agents.*.canary.weight": "Percent of sessions.",
};
