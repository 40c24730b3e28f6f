// What every client from npm does on the tour. It reads its orders from standard input and prints
// what it saw, one JSON list, for Python to check.

import { readFileSync } from "node:fs";

export const orders = JSON.parse(readFileSync(0, "utf8"));
export const { tour } = orders;

export function runTool(name, args) {
  const [before, after] = tour.weather.split("CITY");
  if (name === tour.trips) return tour.noTrips;
  return `${before}${args.city}${after.replace("UNIT", args.unit ?? "no unit")}`;
}

// The last call first, as if the first tool were slow. A call is [id, name, arguments].
export function answers(calls) {
  return [...calls].reverse().map(([id, name, args]) => [id, name, runTool(name, args)]);
}

export function spoken(text, calls, thought, input, output, cached) {
  const made = calls.map(([, name, args]) => [name, args]);
  return { text, calls: made, thought, input_tokens: input, output_tokens: output, cached };
}

// Takes a conversation through its turns: `ask(state)` returns [said, calls] and remembers the
// answer in `state`; `give` and `follow` add to it.
export async function travel({ ask, give, follow }) {
  const seen = [];
  let askedAgain = false;
  for (let turn = 0; turn < 10; turn += 1) {
    const [said, calls] = await ask();
    seen.push(said);
    if (calls.length > 0) give(answers(calls));
    else if (askedAgain) return seen;
    else {
      follow();
      askedAgain = true;
    }
  }
  throw new Error("the tour does not end");
}

// Runs every client at every place, streamed and not, several places at a time.
export async function main(clients) {
  const results = [];
  await Promise.all(
    Object.entries(clients).map(async ([name, Client]) => {
      for (const place of orders.places) {
        const client = new Client({ ...orders, ...place });
        for (const stream of [false, true]) {
          for (const what of ["tour", "describe"]) {
            const result = { client: name, way: place.way, stream, what };
            try {
              result.seen = await client[what](stream);
            } catch (error) {
              result.error = `${error?.name}: ${error?.message} ${error?.responseBody ?? ""}`;
            }
            results.push(result);
          }
        }
      }
    }),
  );
  process.stdout.write(JSON.stringify(results));
}
