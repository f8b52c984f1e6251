// Names the figures of a request that routing looks at.

/** A request in figures. */
export interface RequestFeatures {
  /** An estimate: providers count each in their own way. */
  readonly input_tokens: number;
  /** Turns of user and assistant. */
  readonly turns: number;
  readonly tool_results: number;
  /** Tools offered; those that write, those that cannot be undone, and those the config does not know. */
  readonly tools: number;
  readonly write_tools: number;
  readonly irreversible_tools: number;
  readonly unknown_tools: number;
  /** The most that a call of a configured tool in the conversation moves, in minor units; absent where none moves any. */
  readonly max_amount_minor?: number;
  /** Images, documents and sound. */
  readonly media: number;
  readonly has_code: boolean;
  readonly has_maths: boolean;
  /** A table, or an answer that must fit a schema. */
  readonly has_structure: boolean;
  /** Whether the caller asked the model to think. */
  readonly reasoning: boolean;
  /** Question marks, and list items, of the last user turn. */
  readonly questions: number;
  readonly steps: number;
  /** Output tokens that the caller asks for at most. */
  readonly max_output?: number;
  /** The built-in score. */
  readonly complexity: number;
}
