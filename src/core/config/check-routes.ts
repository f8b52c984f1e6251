// Decides whether a document's routes lead anywhere, and under names that nothing else has.
import type { Mistake } from "../errors.ts";
import type { ConfigDocument, RouteEntry } from "./document.ts";
import { didYouMean } from "./mistakes.ts";

/** Mistakes of the routes: candidates that are no models, names that models have, weights and hedges that say nothing. */
export function routeMistakes({ routes, models }: ConfigDocument): readonly Mistake[] {
  return Object.entries(routes).flatMap(([name, route]) => [
    ...(Object.hasOwn(models, name)
      ? [{ path: `routes.${name}`, message: "expected a name of its own: a model has this one" }]
      : []),
    ...candidateMistakes(`routes.${name}`, route, Object.keys(models)),
  ]);
}

function candidateMistakes(path: string, route: RouteEntry, models: readonly string[]): readonly Mistake[] {
  const { candidates, balance, hedge_ms } = route;
  const named = candidates.map(({ model }) => model);
  const isWeighted = balance === "weighted";
  return [
    ...candidates.flatMap(({ model, weight }, index) => {
      const at = `${path}.candidates.${index}`;
      return [
        ...(models.includes(model)
          ? []
          : [{ path: `${at}.model`, message: `no such model${didYouMean(model, models)}` }]),
        ...(named.indexOf(model) === index
          ? []
          : [{ path: `${at}.model`, message: "stands twice: use `retry` to ask a model again" }]),
        ...(weight !== undefined && !isWeighted
          ? [{ path: `${at}.weight`, message: "weights count with `balance: weighted` only" }]
          : []),
      ];
    }),
    ...(isWeighted && candidates.every(({ weight }) => weight === 0)
      ? [{ path: `${path}.candidates`, message: "expected at least one weight above 0" }]
      : []),
    ...(hedge_ms !== undefined && candidates.length < 2
      ? [{ path: `${path}.hedge_ms`, message: "expected a second candidate: the same one is not asked twice at once" }]
      : []),
  ];
}
