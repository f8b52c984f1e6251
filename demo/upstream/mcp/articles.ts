// The articles of the demo help desk.

/** One article, as its resource shows it. */
export interface Article {
  readonly slug: string;
  readonly title: string;
  readonly text: string;
}

/** Every article, in the order in which they are listed. */
export const ARTICLES: readonly Article[] = [
  {
    slug: "refunds",
    title: "Refunds",
    text: "A broken or lost order is refunded in full. Refunds over $45.00 are seen by a person first.",
  },
  {
    slug: "shipping",
    title: "Shipping times",
    text: "Parcels take three to five working days. After ten days an order counts as lost.",
  },
  {
    slug: "accounts",
    title: "Accounts and sign-in",
    text: "A customer who cannot sign in asks for a link at the sign-in page. Nobody is asked for a password.",
  },
];

/** The articles in which every word of a query occurs, whatever its case. */
export function searchArticles(query: string): readonly Article[] {
  const words = query.toLowerCase().split(/\s+/).filter(Boolean);
  return ARTICLES.filter(({ title, text }) => words.every((word) => `${title} ${text}`.toLowerCase().includes(word)));
}

/** The article of a slug. */
export function findArticle(slug: string): Article | undefined {
  return ARTICLES.find((article) => article.slug === slug);
}
