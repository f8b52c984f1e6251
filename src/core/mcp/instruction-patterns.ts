// Decides which wordings of a tool's definition read like orders to the model rather than like a description.

/** Why a text is flagged. */
export const FLAG_KINDS = [
  "override",
  "concealment",
  "instruction",
  "tag",
  "other_tool",
  "secret",
  "sensitive_file",
  "exfiltration",
  "encoded",
  "hidden_text",
  "long_text",
  "look_alike",
] as const;
/** One of the reasons. */
export type FlagKind = (typeof FLAG_KINDS)[number];

/** One wording. Patterns are bounded: none takes more than linear time in the text. */
export interface InstructionPattern {
  readonly kind: FlagKind;
  readonly severity: "warn" | "danger";
  readonly pattern: RegExp;
}

const danger = (kind: FlagKind, pattern: RegExp): InstructionPattern => ({ kind, severity: "danger", pattern });
const warn = (kind: FlagKind, pattern: RegExp): InstructionPattern => ({ kind, severity: "warn", pattern });

/** Every wording that is looked for. */
export const INSTRUCTION_PATTERNS: readonly InstructionPattern[] = [
  danger(
    "override",
    /\b(?:ignore|disregard|forget|override|bypass)\b[^.\n]{0,40}\b(?:previous|prior|above|earlier|all other|any other|system|safety|your)\b[^.\n]{0,30}\b(?:instructions?|prompts?|rules|messages?|guidelines|guardrails|polic(?:y|ies)|tools?)\b/iu,
  ),
  danger("override", /\b(?:new|updated|real|true) (?:system )?(?:instructions?|prompt)\s*:/iu),
  danger("override", /\byou are now\b|\bfrom now on,? you\b|\bact as (?:if you|an? (?:unrestricted|admin))/iu),
  danger(
    "concealment",
    /\b(?:do not|don't|never|without|avoid)\b[^.\n]{0,30}\b(?:tell(?:ing)?|mention(?:ing)?|inform(?:ing)?|reveal(?:ing)?|show(?:ing)?|notify(?:ing)?|alert(?:ing)?|ask(?:ing)?|disclos(?:e|ing))\b[^.\n]{0,40}\b(?:user|human|person|customer|anyone|them|this|it)\b/iu,
  ),
  danger(
    "concealment",
    /\b(?:user|human)\b[^.\n]{0,30}\b(?:must|should|need|does)(?: not|n't)\b[^.\n]{0,20}\b(?:know|see|notice|be (?:told|informed|aware))\b/iu,
  ),
  danger("concealment", /\b(?:hide|conceal|keep)\b[^.\n]{0,30}\b(?:from the (?:user|human)|secret from)\b/iu),
  danger(
    "tag",
    /<\/?\s*(?:important|system|instructions?|secret|hidden|critical|admin|assistant|human|override)\b[^>]{0,80}>/iu,
  ),
  danger(
    "tag",
    /\[\/?(?:INST|SYSTEM)\]|<\|(?:im_start|im_end|system|endoftext)\|>|^\s*#{2,}\s*(?:system|instructions?)\s*:/imu,
  ),
  danger(
    "instruction",
    /\b(?:before|after|when(?:ever)?|prior to)\b[^.\n]{0,40}\b(?:this|any|every|other) tools?\b[^.\n]{0,80}\b(?:you (?:must|should|have to|need to)|always|first|read|pass|include|send|call)\b/iu,
  ),
  danger(
    "instruction",
    /\b(?:always|must)\b[^.\n]{0,20}\b(?:call|use|invoke|run|execute)\b[^.\n]{0,20}\bthis tool\b/iu,
  ),
  danger(
    "instruction",
    /\b(?:llm|language model|assistant|agent|model|claude|chatgpt|gpt|ai)\b[^.\n]{0,20}\b(?:must|should always|has to|is required to)\b/iu,
  ),
  warn(
    "instruction",
    /\b(?:you must|you should always|it is (?:mandatory|imperative)|mandatory (?:step|for)|otherwise (?:the|this) (?:tool|system|application) will (?:fail|crash|not work))\b/iu,
  ),
  danger(
    "other_tool",
    /\b(?:instead of|rather than|in place of|do not use|don't use|never use|stop using)\b[^.\n]{0,30}\b(?:any |all )?(?:the )?other (?:tools?|servers?|functions?)\b/iu,
  ),
  danger(
    "other_tool",
    /\bwhen(?:ever)? (?:using|calling|the)\b[^.\n]{0,30}\b[a-z]+_[a-z_]+\b[^.\n]{0,60}\b(?:must|always|instead|change|replace|redirect|send|bcc|forward)\b/iu,
  ),
  warn(
    "other_tool",
    /\b(?:all|any|every) (?:other )?(?:tool calls?|tools|calls)\b[^.\n]{0,40}\b(?:must|should|to)\b/iu,
  ),
  danger(
    "secret",
    /\b(?:system|developer|initial) (?:prompt|message)\b|\b(?:conversation|chat) (?:history|log|context)\b[^.\n]{0,60}\b(?:pass|include|send|copy|put|here|verbatim)\b|\b(?:pass|include|send|copy|put)\b[^.\n]{0,40}\b(?:entire|full|whole|complete|previous)\b[^.\n]{0,20}\b(?:conversation|chat|history|context|messages)\b/iu,
  ),
  danger(
    "secret",
    /\b(?:read|get|find|include|pass|send|provide|extract|copy|upload|retrieve|collect)\b[^.\n]{0,40}\b(?:api[ _-]?keys?|passwords?|credentials?|private keys?|secrets?|access tokens?|env(?:ironment)? variables?)\b[^.\n]{0,60}\b(?:as|in|into|to|from|and|so)\b/iu,
  ),
  warn("secret", /\b(?:api[ _-]?keys?|passwords?|credentials|private keys?|seed phrases?|access tokens?)\b/iu),
  danger(
    "sensitive_file",
    /(?:~|\$HOME|\/home\/[^/\s]{1,40}|\/root|\/Users\/[^/\s]{1,40})\/\.(?:ssh|aws|gnupg|kube|docker|config|cursor|netrc|npmrc|bash_history|zsh_history|env)\b|\bid_(?:rsa|ed25519)\b|\/etc\/(?:passwd|shadow)\b|\/proc\/self\/environ\b|\bmcp\.json\b|\bclaude_desktop_config\b/iu,
  ),
  warn("sensitive_file", /(?:^|[\s"'`(/])\.(?:env|ssh|aws|netrc)\b/iu),
  danger("exfiltration", /!\[[^\]]{0,200}\]\(\s*https?:/iu),
  danger(
    "exfiltration",
    /\b(?:send|post|forward|upload|transmit|exfiltrat\w{0,4}|copy|bcc|leak|deliver)\b[^\n]{0,80}(?:https?:\/\/|\bwebhook\b)/iu,
  ),
  danger(
    "exfiltration",
    /\b(?:bcc|cc|forward|also send|copy|always send)\b[^\n]{0,60}[\w.+-]{1,64}@[\w-]{1,64}\.[a-z]{2,24}\b/iu,
  ),
  danger("exfiltration", /https?:\/\/[^\s"'<>]{1,200}[?&][\w-]{1,40}=(?:\{|<|\$|%7b)/iu),
  warn(
    "exfiltration",
    /\b(?:data|javascript):[a-z]{1,20}\/[a-z+.-]{1,40}[;,]|\bcurl\b[^\n]{0,40}https?:|\b(?:bash|sh|powershell) -c\b/iu,
  ),
  warn(
    "encoded",
    /(?:[A-Za-z0-9+/]{4}){24,}={0,2}|(?:\\x[0-9a-f]{2}){12,}|(?:\b[01]{8}\b\s?){8,}|(?:[0-9a-f]{2}){64,}/iu,
  ),
];
